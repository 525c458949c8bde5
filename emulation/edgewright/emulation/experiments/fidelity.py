"""How far core's latency model is from the event simulation, by load, placement, replicas and flow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.service import Flow
from edgewright.emulation.events.fidelity import LOADS, OPTIMISED, RANDOM, Case, cases, measure
from edgewright.emulation.experiments.comparison import Comparison, per_cent
from edgewright.emulation.experiments.experiment import Config, Experiment, Row, Scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MEAN_WITHIN, TAIL_WITHIN = 0.10, 0.15
"""Errors of mean and of 95th percentile that count as right."""
GOALS = {(OPTIMISED, None): (0.95, 0.85), (RANDOM, 0.8): (0.70, 0.65)}
"""Shares of the pairs to be right: (placement, load or all) to (mean, p95)."""


@dataclass(frozen=True, kw_only=True)
class Pairs(Config):
    """How many DAG/city pairs of each seed, stratified."""

    pairs: int


@dataclass(frozen=True)
class Measured:
    """One pair, as `emulation.events.fidelity` names it."""

    seed: int
    load: float
    placement: str
    replicas: int
    flow: Flow


def units(config: Pairs) -> list[Measured]:
    """The strata in turn, until there are enough pairs."""
    return [
        Measured(case.seed, case.load, case.placement, case.replicas, case.flow)
        for number in range(config.seeds)
        for case in cases(config.pairs, seed=number)
    ]


def run(config: Pairs, unit: Measured) -> list[Row]:
    """One row: predicted and simulated latencies of the pair, and the errors."""
    found = measure(Case(unit.seed, unit.load, unit.placement, unit.replicas, unit.flow))
    return [
        {
            **found.row(),
            "mean_error": found.mean_error,
            "p95_error": found.p95_error,
            "queueing_error": found.queueing_error,
            "jitter_error": found.jitter_predicted / found.jitter - 1,
            "skew_error": found.skew_predicted / found.skew - 1 if found.skew > 0 else None,
        }
    ]


def comparison(frame: "pd.DataFrame", config: Pairs) -> Comparison:
    """Errors by placement and load, with the share of the pairs that are right."""
    lines = []
    for placement in (OPTIMISED, RANDOM):
        for load in (*LOADS, None):
            rows = frame[frame["placement"] == placement]
            if load is not None:
                rows = rows[rows["load"] == load]
            if not len(rows):
                continue
            mean, tail = rows["mean_error"].abs(), rows["p95_error"].abs()
            goal = GOALS.get((placement, load))
            lines.append(
                (
                    placement,
                    "all" if load is None else f"{load:.0%}",
                    f"{len(rows)}",
                    per_cent(float((mean <= MEAN_WITHIN).mean()), 0),
                    per_cent(float((tail <= TAIL_WITHIN).mean()), 0),
                    "" if goal is None else f"{goal[0]:.0%} / {goal[1]:.0%}",
                    *(
                        per_cent(float(rows[f"{each}_error"].abs().median()))
                        for each in ("mean", "p95", "queueing", "jitter", "skew")
                    ),
                )
            )
    columns = (
        "placement",
        "load of the busiest station",
        "pairs",
        "mean within 10 %",
        "p95 within 15 %",
        "goal",
    )
    errors = tuple(f"median error of {each}" for each in ("mean", "p95", "queueing", "jitter", "skew"))
    widest = frame[["mean_interval", "p95_interval"]].max()
    return Comparison(
        (*columns, *errors),
        tuple(lines),
        (
            f"The simulator's own 95 % intervals: at most {per_cent(float(widest.iloc[0]))} of the mean and "
            f"{per_cent(float(widest.iloc[1]))} of the 95th percentile.",
            "The papers print no such table: none of them checks its latency model against anything.",
        ),
    )


def figures(frame: "pd.DataFrame", config: Pairs) -> "Mapping[str, Figure]":
    """Predicted over simulated latency, mean and 95th percentile, coloured by load."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415

    from edgewright.emulation.experiments.drawing import (  # noqa: PLC0415 - matplotlib
        GREY,
        MARKERS,
        PALETTE,
        legend,
        panels,
        style,
    )

    with style():
        figure, axes = panels(2, width=4.8, height=4.0)
        for panel, (what, within) in zip(axes, (("mean", MEAN_WITHIN), ("p95", TAIL_WITHIN)), strict=True):
            both = frame[[f"{what}_ms", f"{what}_predicted_ms"]].to_numpy(float)
            ends = np.array([both.min() * 0.9, both.max() * 1.1])
            panel.fill_between(
                ends, ends * (1 - within), ends * (1 + within), color=GREY, alpha=0.15, linewidth=0
            )
            panel.plot(ends, ends, color=GREY, linewidth=0.8)
            for colour, load in zip(PALETTE, LOADS, strict=False):
                for marker, placement in zip(MARKERS, (OPTIMISED, RANDOM), strict=False):
                    rows = frame[(frame["load"] == load) & (frame["placement"] == placement)]
                    panel.plot(
                        rows[f"{what}_ms"],
                        rows[f"{what}_predicted_ms"],
                        marker,
                        color=colour,
                        markersize=4,
                        alpha=0.75,
                        label=f"{load:.0%}, {placement}",
                    )
            panel.set(
                xscale="log",
                yscale="log",
                xlim=ends,
                ylim=ends,
                xlabel="simulated (ms)",
                ylabel="predicted (ms)",
            )
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter("{x:g}")
            panel.tick_params(which="minor", labelsize=6)
            panel.set_title(f"{what}, band: {within:.0%}")
        legend(figure, axes[0])
    return {"fidelity": figure}


EXPERIMENT = Experiment(
    name="fidelity",
    title="Model against event simulation",
    source="beyond the papers",
    question="How far are the model's latencies from those of a simulation of every single request?",
    scales={Scale.SMALL: Pairs(seeds=1, pairs=12), Scale.PAPER: Pairs(seeds=1, pairs=200)},
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    paper_hours=0.1,
)
