"""Request events per CPU-second of the event simulation by system size, and how far core is from it.

Discipline: max-min fair processor sharing of CPUs, CPU limits, ports, links and cells, one thread, a request
event being an arrival, the end of a job or the end of a delay.

python -m bench.events [--quick]
"""

import random
import time
from collections.abc import Iterable
from typing import Annotated

import numpy as np
import typer

from bench.accuracy import metro, predict, scaled, spread
from bench.command import part
from bench.table import Findings, Row, verdict
from edgewright.core.load import station_load
from edgewright.core.problem import PlacedDag
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.events import Simulation
from edgewright.emulation.events.fidelity import LOADS, OPTIMISED, RANDOM, Pair, cases, interval
from edgewright.emulation.events.fidelity import measure as judge
from edgewright.emulation.experiments.experiment import HELD_OUT
from edgewright.emulation.experiments.lineup import ready
from edgewright.emulation.experiments.scoring import place_all
from edgewright.emulation.experiments.setting import workload
from edgewright.emulation.instances import make_problem
from edgewright.emulation.testbed.report import Report

SPEED = 300_000
TARGETS = {OPTIMISED: (0.95, 0.85), RANDOM: (0.70, 0.65)}
"""Least shares of pairs whose mean is within 10 % and whose p95 is within 15 %."""
WITHIN = (0.10, 0.15)
CITY_POLICIES = (OPTIMISED, RANDOM)
CITY_RATE = 200.0
"""Requests per second of every region of metro, before they are scaled."""
LEAST = 1_000
"""Requests of a DAG without which it is not judged: one that hardly anybody uses at the moment."""
PAIRS_SEED = 0
"""Of the pairs that are judged; what core's constants were fitted on has other seeds."""


def main(quick: Annotated[bool, typer.Option(help="A few pairs, to see that it works.")] = False) -> None:
    """Measure speed and fidelity."""
    part("events", lambda report: measure(quick=quick, report=report))


def measure(*, quick: bool, report: Report) -> Findings:
    """Speed at three sizes, fidelity on 200 pairs (36 if quick) and on the DAGs of metro."""
    found = Findings()
    for stages, nodes, dags in ((8, 8, 6), (10, 20, 3), (10, 200, 60)):
        for load in (0.3, 0.8):
            report(f"simulating {dags} DAGs on {nodes} nodes at {load:.0%}")
            _speed(found, *_system(stages, nodes, dags, load), load, 20_000 if quick else 100_000)
    pairs = []
    for i, case in enumerate(cases(36 if quick else 200, seed=PAIRS_SEED)):
        report(f"fidelity: pair {i + 1}, {case.placement} at {case.load:.0%}")
        pairs.append(judge(case))
        found.sample("fidelity", **pairs[-1].row())
    summarise(found, pairs)
    for policy in CITY_POLICIES:
        report(f"fidelity: metro, {policy}")
        _city(found, policy, 100_000 if quick else 500_000)
    return found


def _system(stages: int, nodes: int, dags: int, load: float) -> tuple[list[PlacedDag], Substrate]:
    """Fork-join DAGs at random on the small metro, or the DAGs of the instance law on its own."""
    if nodes == 8:
        draw = random.Random("events")
        substrate = metro(draw)
        placed = [spread(draw, q, "random", nodes) for q in range(dags)]
    else:
        problem = make_problem(1, stages=2 * stages, nodes=nodes, others=dags)
        substrate, placed = problem.world.substrate, list(problem.world.placed)
    busiest = float(np.sum([station_load(one, substrate) for one in placed], axis=0).max())
    return [scaled(one, load / busiest) for one in placed], substrate


def _speed(
    found: Findings, placed: list[PlacedDag], substrate: Substrate, load: float, requests: int
) -> None:
    simulation = Simulation(placed, substrate, seed=1)
    simulation.run(requests // 10)
    before, began = simulation.observed().events, time.process_time()
    simulation.run(requests)
    rate = (simulation.observed().events - before) / (time.process_time() - began)
    stages = len(placed[0].dag.microservices)
    case = f"{len(placed)} DAGs x {stages} on {len(substrate.nodes)} nodes, busiest station {load:.0%}"
    target, met = f">= {SPEED:,}", verdict(rate >= SPEED)
    found.rows.append(Row("events", case, "request events per CPU-second", target, f"{rate:,.0f}", met))
    found.sample("events-speed", case=case, per_second=round(rate))


def _city(found: Findings, policy: str, requests: int) -> None:
    """Core against the simulation on metro: every DAG of a moment, beside all others, at three loads."""
    setting = workload("metro", None, None, seed=HELD_OUT, rate=CITY_RATE)
    outcome = place_all(ready(policy), setting, seconds=1.0, seed=HELD_OUT)
    base = [one for one in outcome.placed if one is not None]
    busiest = float(np.sum([station_load(one, setting.substrate) for one in base], axis=0).max())
    for load in LOADS:
        placed = [scaled(one, load / busiest) for one in base]
        simulation = Simulation(placed, setting.substrate, seed=1)
        simulation.run(requests // 10)
        simulation.forget()
        simulation.run(requests)
        seen = simulation.observed()
        judged = [
            (expected, seen.answered(d))
            for d, expected in enumerate(predict(placed, setting.substrate))
            if len(seen.answered(d)) >= LEAST
        ]
        mean = np.array([expected.mean / latency.mean() - 1 for expected, latency in judged])
        p95 = np.array([expected.percentile / np.percentile(latency, 95) - 1 for expected, latency in judged])
        case = f"metro, {policy}, {load:.0%}, {len(judged)} DAGs"
        for at, (name, errors) in enumerate((("mean", mean), ("p95", p95))):
            found.rows.append(
                Row("fidelity", case, f"{name} within {WITHIN[at]:.0%}", "", _shares(errors, at))
            )
        widths = np.median([interval(latency) for _, latency in judged], axis=0)
        text = f"{widths[0]:.1%} / {widths[1]:.1%}"
        found.rows.append(Row("fidelity", case, "median interval, mean / p95", "", text))


def _shares(errors: FloatArray, at: int) -> str:
    """How many errors are within WITHIN[at], and how large they are."""
    error = np.abs(errors)
    return f"{np.mean(error <= WITHIN[at]):.0%}; mean error {error.mean():.1%}, largest {error.max():.1%}"


def summarise(found: Findings, pairs: list[Pair]) -> None:
    """Shares within the targets, and the errors of the parts."""
    for placement in (OPTIMISED, RANDOM):
        for load in LOADS:
            some = [p for p in pairs if p.case.placement == placement and p.case.load == load]
            judged = placement == OPTIMISED or load == max(LOADS)
            _table(
                found,
                f"{placement}, {load:.0%}, {len(some)} pairs",
                some,
                TARGETS[placement] if judged else None,
            )
    optimised = [p for p in pairs if p.case.placement == OPTIMISED]
    _table(found, f"{OPTIMISED}, all loads, {len(optimised)} pairs", optimised, TARGETS[OPTIMISED])


def _table(found: Findings, case: str, pairs: list[Pair], targets: tuple[float, float] | None) -> None:
    figures = {"mean": [p.mean_error for p in pairs], "p95": [p.p95_error for p in pairs]}
    for at, (name, values) in enumerate(figures.items()):
        errors = np.array(values)
        aim = f">= {targets[at]:.0%}" if targets else ""
        met = verdict(float(np.mean(np.abs(errors) <= WITHIN[at])) >= targets[at]) if targets else ""
        what = f"{name} within {WITHIN[at]:.0%}"
        found.rows.append(Row("fidelity", case, what, aim, _shares(errors, at), met))
    parts = {
        "queueing alone": [p.queueing_error for p in pairs],
        "jitter": [p.jitter_predicted / p.jitter - 1 for p in pairs],
        "skew": [p.skew_predicted / p.skew - 1 for p in pairs if p.skew > 0],
    }
    for name, values in parts.items():
        found.rows.append(Row("fidelity", case, f"mean error of {name} (bias)", "", _spread(values)))
    widest = f"{max(p.mean_interval for p in pairs):.1%} / {max(p.p95_interval for p in pairs):.1%}"
    found.rows.append(Row("fidelity", case, "widest interval, mean / p95", "2 % / 4 %", widest))


def _spread(errors: Iterable[float]) -> str:
    values = np.array(list(errors))
    return f"{np.abs(values).mean():.1%} ({values.mean():+.1%})" if len(values) else "none"


if __name__ == "__main__":
    typer.run(main)
