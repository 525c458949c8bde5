"""Every policy's gap to the best known and to a proven bound, by size: python -m bench.gaps [--quick].

Placements are made one thread at a time; times are CPU times of that thread, limits wall-clock.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import typer

from bench.command import part
from bench.instances import committed
from bench.table import Findings, Row, verdict
from edgewright.agents.policies import policies
from edgewright.agents.rehearsal import rehearse_decision
from edgewright.emulation.gaps import REFERENCE, REFERENCE_SECONDS, Gap, gaps
from edgewright.emulation.instances import law, make_problem
from edgewright.emulation.testbed.report import Report

SIZES = ((5, 8), (8, 12), (10, 20))
COUNT, QUICK = 40, 6
SECONDS = 1.0
"""Per decision; the reference has `REFERENCE_SECONDS`."""
POLICIES = tuple(sorted(set(policies) - {"auto"}))
MEDIAN, SHARE = 1.0, 0.9
"""Median seconds in which `exact` proves a 10 x 20 instance, and the share proven within its limit."""
GAP, MILLISECONDS = 0.05, 10.0
"""Mean gap of `heuristic` on 10 x 20, and the median of its time."""


def measure(*, quick: bool, report: Report) -> Findings:
    """Rows by size and policy; the samples are the rows of `emulation.gaps`."""
    found = Findings()
    report("compiling the policies' kernels")
    for name in POLICIES:
        rehearse_decision(name)
    for stages, nodes in SIZES:
        rows: list[Gap] = []
        for seed in seeds(stages, nodes, QUICK if quick else COUNT):
            report(f"{stages} x {nodes}: instance {seed}")
            rows += gaps(POLICIES, [(stages, nodes)], [seed], SECONDS)
        for row in rows:
            found.sample("gaps", **row)
        proofs = [row for row in rows if row["policy"] == REFERENCE]
        case = f"{stages} x {nodes}, {len(proofs)} instances"
        for name in POLICIES:
            found.rows += summary(case, name, [row for row in rows if row["policy"] == name])
        found.rows += proof(case, proofs, target=(stages, nodes) == SIZES[-1])
    return found


def seeds(stages: int, nodes: int, count: int) -> list[int]:
    """The committed instances of 10 x 20; of other sizes the first whose problem keeps the law."""
    if (stages, nodes) == (10, 20):
        return [instance.seed for instance in committed()[:count]]
    lawful = (seed for seed in range(100_000) if law(make_problem(seed, stages=stages, nodes=nodes)).holds)
    return [seed for seed, _ in zip(lawful, range(count), strict=False)]


def summary(case: str, name: str, rows: list[Gap]) -> Iterator[Row]:
    """Gap and time of one policy on instances of one size."""
    placed = [row for row in rows if row["placed"]]
    low = np.array([row["gap_low"] for row in placed])
    high = np.array([row["gap_high"] for row in placed])
    cpu = np.array([row["cpu_ms"] for row in rows])
    lost = sum(not row["placed"] and row["bound"] < float("inf") for row in rows)
    main = name == "heuristic" and case.startswith("10 x 20")
    if placed:
        yield Row(
            "gaps",
            case,
            f"{name}: gap mean",
            f"<= {GAP:.0%}" if main else "",
            f"{low.mean():.1%} to {high.mean():.1%}",
            verdict(bool(low.mean() <= GAP)) if main else "",
        )
        tail = f"{np.quantile(low, 0.95):.1%} / {low.max():.1%}"
        yield Row("gaps", case, f"{name}: gap p95 / max, to the best known", "", tail)
    yield Row(
        "gaps",
        case,
        f"{name}: CPU p50 / p95; not placed",
        f"p50 < {MILLISECONDS:g} ms" if main else "",
        f"{np.median(cpu):.1f} / {np.quantile(cpu, 0.95):.1f} ms; {lost}",
        verdict(bool(np.median(cpu) < MILLISECONDS)) if main else "",
    )


def proof(case: str, rows: list[Gap], *, target: bool) -> Iterator[Row]:
    """How long `exact` takes to prove optima, and what is left open."""
    cpu = np.array([row["cpu_ms"] for row in rows]) / 1e3
    width = np.array([row["own_bound"] / row["objective"] for row in rows if row["placed"]])
    proven = int((width >= 1 - 1e-6).sum())
    median, ninety = np.median(cpu), np.quantile(cpu, 0.9)
    yield Row(
        "gaps",
        case,
        "exact: time to prove, median",
        f"< {MEDIAN:g} s" if target else "",
        f"{median:.2f} s CPU",
        verdict(bool(median < MEDIAN)) if target else "",
    )
    yield Row(
        "gaps",
        case,
        f"exact: proven within {REFERENCE_SECONDS:g} s",
        f"{SHARE:.0%}" if target else "",
        f"{proven} of {len(width)}; p90 {ninety:.1f} s CPU",
        verdict(proven >= SHARE * len(width)) if target else "",
    )
    if proven < len(width):
        left = 1 - width[width < 1 - 1e-6]
        text = f"{left.mean():.1%} / {left.max():.1%}"
        yield Row("gaps", case, "exact: open interval where not proven, mean / max", "", text)


def main(quick: Annotated[bool, typer.Option(help="Few instances.")] = False) -> None:
    """Compare the policies."""
    part("gaps", lambda report: measure(quick=quick, report=report))


if __name__ == "__main__":
    typer.run(main)
