"""Evaluations per second of core, one thread, and the errors of its predictions against a simulation."""

import time
from collections.abc import Callable

import numpy as np

from bench.accuracy import LOADS, compare
from bench.table import Findings, Row
from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.scenarios import SEARCH, STATUS
from edgewright.core.substrate import IntArray
from edgewright.emulation.instances import make_problem
from edgewright.emulation.testbed.report import Report


def measure(*, quick: bool, report: Report) -> Findings:
    """Speed of one 10 x 20 instance, and errors over fork-join pipelines."""
    found = Findings()
    _speed(found)
    for placement in ("compact", "random"):
        for load in LOADS:
            report(f"simulating {placement} placements at {load:.0%} load")
            _error(found, placement, load, quick=quick)
    return found


def _speed(found: Findings) -> None:
    problem = make_problem(3)
    draw = np.random.default_rng(0)
    assign = draw.integers(0, 20, (10_000, 10)).astype(np.int32)
    for scenarios in (SEARCH, STATUS):
        evaluator = Evaluator(problem, scenarios)
        gate = Gate(evaluator)
        calls: dict[str, Callable[[IntArray], object]] = {
            "evaluate": evaluator.evaluate,
            "search": evaluator.search,
            "objective": evaluator.objective,
            "feasible": gate.feasible,
        }
        for name, call in calls.items():
            for batch in (1, 10_000):
                rate = _rate(call, assign[:batch])
                case = f"10 x 20, K={scenarios}, {batch} at once"
                found.rows.append(Row("core", case, f"{name} per second", "", f"{rate:,.0f}"))
                found.sample(
                    "core-speed", call=name, scenarios=scenarios, batch=batch, per_second=round(rate)
                )


def _rate(call: Callable[[IntArray], object], assign: IntArray) -> float:
    """Placements per second: the best of three runs of at least 0.2 s."""
    call(assign)
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < 0.2:
            call(assign)
            done += len(assign)
        best = max(best, done / spent)
    return best


def _error(found: Findings, placement: str, load: float, *, quick: bool) -> None:
    seeds, requests = (1, 3_000) if quick else (5, 30_000)
    mean, p95 = [], []
    for seed in range(seeds):
        for one in compare(placement, load, seed=seed, requests=requests):
            mean.append(abs(one.mean_error))
            p95.append(abs(one.p95_error))
            found.sample(
                "core-errors",
                placement=placement,
                load=load,
                seed=seed,
                mean_predicted_ms=round(one.mean[0] * 1e3, 4),
                mean_simulated_ms=round(one.mean[1] * 1e3, 4),
                p95_predicted_ms=round(one.p95[0] * 1e3, 4),
                p95_simulated_ms=round(one.p95[1] * 1e3, 4),
            )
    case = f"{placement} placements at {load:.0%} load"
    text = f"{np.mean(mean):.1%} (largest {np.max(mean):.1%})"
    found.rows.append(Row("core", case, "error of the mean", "", text))
    found.rows.append(
        Row("core", case, "error of p95", "", f"{np.mean(p95):.1%} (largest {np.max(p95):.1%})")
    )
