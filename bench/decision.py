"""Decision time per DAG by size, and each policy's gap to `exact` on the committed instances; one thread."""

import os
import time

import numpy as np

from bench import exact
from bench.instances import committed
from bench.table import Findings, Row, verdict
from edgewright.agents.policies import create
from edgewright.agents.rehearsal import rehearse_decision
from edgewright.emulation.instances import make_problem
from edgewright.emulation.testbed.report import Report

POLICIES = ("random", "best-fit", "heuristic")
SIZES = ((5, 10), (10, 20), (10, 200), (20, 200))
TARGETS = {(10, 20): 10.0, (10, 200): 100.0, (20, 200): 100.0}
"""Milliseconds of the median, for `heuristic`."""
SPREAD = 3.0
"""Most that the 99th percentile may be of the median."""
GAP = 0.05
"""Largest mean gap of `heuristic`."""
FIRST = 10_000
"""Seed of the timed problems: none of them is a committed instance."""


def measure(*, quick: bool, report: Report) -> Findings:
    """Times on fresh problems (nothing cached but compiled code), then gaps; one thread for everything."""
    # No NUMBA_ one: a change among them makes numba read its settings again, and forget ours.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    report("compiling the policies' kernels")
    rehearse_decision()
    found = Findings()
    for stages, nodes in SIZES:
        report(f"timing decisions of {stages} microservices on {nodes} nodes")
        _time(found, stages, nodes, 20 if quick else 100)
    report("comparing with exact on the committed instances")
    _gaps(found, 10 if quick else 100)
    return found


def _time(found: Findings, stages: int, nodes: int, count: int) -> None:
    """Wall and CPU milliseconds of `Policy.place`, from the problem's arrays to the checked decision."""
    case = f"{stages} x {nodes}"
    for name in POLICIES:
        policy = create(name)
        policy.place(make_problem(FIRST - 1, stages=stages, nodes=nodes), seconds=5)
        wall, cpu = np.zeros(count), np.zeros(count)
        for i in range(count):
            problem = make_problem(FIRST + i, stages=stages, nodes=nodes)
            began, used = time.perf_counter(), time.thread_time()
            decision = policy.place(problem, seconds=5)
            wall[i], cpu[i] = time.perf_counter() - began, time.thread_time() - used
            found.sample(
                "decision-time",
                policy=name,
                stages=stages,
                nodes=nodes,
                seed=FIRST + i,
                wall_ms=f"{wall[i] * 1e3:.3f}",
                cpu_ms=f"{cpu[i] * 1e3:.3f}",
                feasible=int(decision.feasible),
            )
        p50, p99 = np.quantile(wall, (0.5, 0.99)) * 1e3
        cpu50, cpu99 = np.quantile(cpu, (0.5, 0.99)) * 1e3
        target = TARGETS.get((stages, nodes)) if name == "heuristic" else None
        aim = f"< {target:g} ms" if target else ""
        met = verdict(bool(p50 < target)) if target else ""
        found.rows.append(Row("decision", case, f"{name}: time p50", aim, f"{p50:.1f} ms", met))
        found.rows.append(
            Row(
                "decision",
                case,
                f"{name}: time p99",
                f"<= {SPREAD:g} x p50" if target else "",
                f"{p99:.1f} ms",
                verdict(bool(p99 <= SPREAD * p50)) if target else "",
            )
        )
        found.rows.append(
            Row("decision", case, f"{name}: CPU p50 / p99", "", f"{cpu50:.1f} / {cpu99:.1f} ms")
        )


def _gaps(found: Findings, count: int) -> None:
    """Gaps to the best J known (lower end) and to the proven bound (upper end)."""
    known = exact.load()
    instances = [instance for instance in committed() if instance.seed in known][:count]
    results = {name: [create(name).place(i.problem(), seconds=5) for i in instances] for name in POLICIES}
    least = np.array([known[instance.seed][0] for instance in instances])
    bound = np.array([known[instance.seed][1] for instance in instances])
    for decisions in results.values():
        least = np.minimum(least, [decision.objective for decision in decisions])
    sure = bound >= least * (1 - 1e-6)
    case = f"10 x 20, {len(instances)} instances"
    found.rows.append(Row("decision", case, "exact: optimum proven", "", f"{int(sure.sum())}"))
    for name, decisions in results.items():
        objective = np.array([decision.objective for decision in decisions])
        placed = np.isfinite(objective)
        low, high = objective[placed] / least[placed] - 1, objective[placed] / bound[placed] - 1
        for instance, decision, best, proof in zip(instances, decisions, least, bound, strict=True):
            found.sample(
                "decision-gap",
                policy=name,
                seed=instance.seed,
                objective=f"{decision.objective:.9g}",
                best_known=f"{best:.9g}",
                bound=f"{proof:.9g}",
            )
        aim, met = "", verdict(bool(low.mean() <= GAP))
        if name == "heuristic":
            aim = f"<= {GAP:.0%}"
        elif name == "best-fit":
            aim, met = ">= 15 % (instance law)", verdict(bool(low.mean() >= 0.15))
        found.rows.append(
            Row(
                "decision",
                case,
                f"{name}: mean gap",
                aim,
                f"{low.mean():.1%} to {high.mean():.1%}",
                met if aim else "",
            )
        )
        on = sure & placed
        exactly = f"{(objective[on] / least[on] - 1).mean():.1%}" if on.any() else "none"
        found.rows.append(Row("decision", case, f"{name}: mean gap where proven", "", exactly))
        tail = f"{np.quantile(low, 0.95):.1%} / {low.max():.1%}; unplaced {int((~placed).sum())}"
        found.rows.append(Row("decision", case, f"{name}: gap p95 / max", "", tail))
