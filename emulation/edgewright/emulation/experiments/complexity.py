"""Latency and violations of the policies as services grow from 26 microservices x 3 replicas to 37 x 8."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.units import MS
from edgewright.emulation.experiments.comparison import Comparison
from edgewright.emulation.experiments.contest import (
    QUICK,
    Contest,
    Entry,
    against_reference,
    compete,
    curves,
    middle,
    notes,
    words,
)
from edgewright.emulation.experiments.experiment import Experiment, Row, Scale
from edgewright.emulation.experiments.setting import Setting, Shape, cells, city, draw_dag, make_setting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LIMIT = 100 * MS
"""[MAPPO] on its Fig. 6: motion to photon below 100 ms."""
RATE = 100.0
"""Requests per second of each service."""
PRINTED = {
    "26 x 3": (("LLM-MAPPO", "< 2 %", "25 ms", "", ""), ("RSPPO", "3 %", "30 ms", "", "")),
    "37 x 8": (("LLM-MAPPO", "11 %", "62 ms", "", ""), ("RSPPO", "18 %", "78 ms", "", "")),
    "all": (
        ("LLM-MAPPO", "6.5 % [5.8, 7.2]", "44.3 ms", "15.8 ms", "62.1 / 71.5 ms"),
        ("RSPPO", "10.3 % [9.4, 11.4]", "53.4 ms", "19.2 ms", "78.3 / 93.8 ms"),
    ),
}
"""[MAPPO] Fig. 6 and Table 4: violations, mean, standard deviation, p95 / p99."""


@dataclass(frozen=True, kw_only=True)
class Sizes(Contest):
    """The printed sizes."""

    cases: tuple[tuple[int, int], ...] = ((26, 3), (30, 5), (33, 6), (37, 8))
    """(microservices, replicas of each)."""


@dataclass(frozen=True)
class OfSize(Entry):
    """One policy at one size."""

    stages: int
    replicas: int


def units(config: Sizes) -> list[OfSize]:
    """Every policy at every size."""
    return [
        OfSize(seed, policy, budget, stages, replicas)
        for seed in config.held_out
        for stages, replicas in config.cases
        for policy in config.policies
        for budget in config.budgets
    ]


@lru_cache(maxsize=2)
def setting(config: Sizes, seed: int, stages: int, replicas: int) -> Setting:
    """One service of the size in every region."""
    built = city(config.scenario, config.nodes, config.regions)
    stream = np.random.default_rng([seed, stages, replicas])
    shape = Shape(stages, replicas, RATE, LIMIT, immersive=True)
    return make_setting(
        built,
        [
            (number, draw_dag(stream, f"service-{number}", shape, cells(built, number)))
            for number in range(len(built.regions))
        ],
    )


def run(config: Sizes, unit: OfSize) -> list[Row]:
    """Rows of one placement."""
    return compete(config, unit, setting(config, unit.seed, unit.stages, unit.replicas))


def comparison(frame: "pd.DataFrame", config: Sizes) -> Comparison:
    """Smallest and largest size, and all sizes together as in Table 4."""
    lines: list[tuple[str, ...]] = []
    whole = frame.groupby(["seed", "policy", "budget_s"], as_index=False).mean(numeric_only=True)
    whole = whole.reindex(columns=frame.columns)  # a column without any value is no number
    ends = {f"{s} x {r}": frame[(frame["stages"] == s) & (frame["replicas"] == r)] for s, r in config.cases}
    for title, here in (*ends.items(), ("all", whole)):
        for budget in config.budgets:
            timed = here[here["budget_s"] == budget]
            versus = against_reference(timed, config, "city_violation", lambda x: f"{100 * x:+.1f} points")
            lines += [
                (title, name, f"{budget:g} s", *_cells(timed[timed["policy"] == name], versus[name]))
                for name in config.policies
            ]
        for method, violation, mean, deviation, tail in PRINTED.get(title, ()):
            lines.append((title, f"{method}, printed", "", violation, "", mean, deviation, tail, ""))
    return Comparison(
        (
            "microservices x replicas",
            "policy",
            "time allowed",
            "violations",
            "against heuristic",
            "mean latency",
            "standard deviation",
            "p95 / p99",
            "median time of a decision",
        ),
        tuple(lines),
        (
            *notes(config, frame),
            f"Ours: one service in every region at {RATE:g} requests/s, limit {LIMIT / MS:g} ms at the 95th "
            "percentile; the paper does not say how many services of which rate share its city.",
            "`all`: means over the sizes, percentiles too.",
            "Convergence (820 episodes printed) concerns learned policies; none of these is trained.",
        ),
    )


def _cells(mine: "pd.DataFrame", versus: str) -> tuple[str, ...]:
    p95, p99 = (middle(mine, column) for column in ("city_p95_s", "city_p99_s"))
    tails = " / ".join("-" if each is None else f"{1e3 * each.value:.1f}" for each in (p95, p99))
    deviation = middle(mine, "city_std_s")
    return (
        words(middle(mine, "city_violation"), 100, " %"),
        versus,
        words(middle(mine, "city_mean_s"), 1e3, " ms"),
        "-" if deviation is None else f"{1e3 * deviation.value:.1f} ms",
        f"{tails} ms",
        f"{1e3 * mine['decision_s'].median():.3g} ms",
    )


def figures(frame: "pd.DataFrame", config: Sizes) -> "Mapping[str, Figure]":
    """Violations, latency and decision time over the number of replicas to place."""
    from edgewright.emulation.experiments.drawing import legend, panels, style  # noqa: PLC0415 - matplotlib

    here = frame[frame["budget_s"] == max(config.budgets)].assign(slots=frame["stages"] * frame["replicas"])
    slots = [float(stages * replicas) for stages, replicas in config.cases]
    columns = (
        ("city_violation", 100.0, "violations (% of offered requests)"),
        ("city_mean_s", 1e3, "mean latency of answered requests (ms)"),
        ("decision_s", 1e3, "time of a decision (ms)"),
    )
    with style():
        figure, axes = panels(3, width=4.0)
        for panel, y in zip(axes, columns, strict=True):
            curves(panel, here, config, ("slots", slots), y)
            panel.set_xticks(slots, [f"{stages} x {replicas}" for stages, replicas in config.cases])
            panel.set_xlabel("microservices x replicas")
        axes[2].set_yscale("log")
        legend(figure, axes[0])
        figure.suptitle(f"{max(config.budgets):g} s per DAG", x=0.01, ha="left")
    return {"complexity": figure}


EXPERIMENT = Experiment(
    name="complexity",
    title="Policies on larger services",
    source="[MAPPO] Fig. 6, Table 4",
    question="How do latency and violations change from 26 microservices x 3 replicas to 37 x 8?",
    scales={
        Scale.SMALL: Sizes(
            seeds=2, cases=((26, 3), (37, 8)), nodes=30, regions=2, budgets=QUICK, requests=2_000
        ),
        Scale.PAPER: Sizes(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    clocked=("decision_s",),
)
