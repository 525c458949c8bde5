"""CPU and bandwidth in use over a day, and how evenly the policies spread them over the nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgewright.emulation.experiments.comparison import Comparison
from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, curves, middle, words
from edgewright.emulation.experiments.experiment import Experiment, Row, Scale
from edgewright.emulation.experiments.lineup import ready
from edgewright.emulation.experiments.scoring import place_all, score, used
from edgewright.emulation.experiments.setting import Setting, truth, workload
from edgewright.emulation.workloads.processes import diurnal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PRINTED = (
    ("LLM-MAPPO, printed", "", "78-82 %", "81 %", "50-60 %", ""),
    ("RSPPO, printed", "", "74 %", "73 %", "", ""),
    ("before learning, printed", "", "", "", "8-95 %", ""),
)
"""[MAPPO] Fig. 8 and its text."""


@dataclass(frozen=True, kw_only=True)
class Day(Contest):
    """When the day is looked at."""

    hours: tuple[float, ...] = tuple(range(24))
    rate: float = 400.0
    """Requests per second of every region in the busiest hour; [MAPPO]: 150-400."""


@dataclass(frozen=True)
class AtHour(Entry):
    """One policy at one hour."""

    hour: float


def units(config: Day) -> list[AtHour]:
    """Every policy at every hour."""
    return [
        AtHour(seed, policy, budget, float(hour))
        for seed in config.held_out
        for hour in config.hours
        for policy in config.policies
        for budget in config.budgets
    ]


@lru_cache(maxsize=2)
def setting(config: Day, seed: int, hour: float) -> Setting:
    """The DAGs of a seed with the demand of the hour."""
    rate = config.rate * float(diurnal(np.array(hour)))
    return workload(config.scenario, config.nodes, config.regions, seed=seed, rate=rate)


def run(config: Day, unit: AtHour) -> list[Row]:
    """One row: what was in use while the policy's placement of the hour served its requests."""
    here = setting(config, unit.seed, unit.hour)
    outcome = place_all(ready(unit.policy), here, seconds=unit.budget_s, seed=unit.seed)
    found = score(here, outcome, truth(here, unit.seed), requests=config.requests, seed=unit.seed)
    nodes = here.substrate.nodes
    N, edge = len(nodes), np.array([n for n, node in enumerate(nodes) if node.tier == "edge"])
    load = (
        np.zeros(len(here.substrate.station_capacity))
        if found.observed is None
        else found.observed.utilisation
    )
    placed = [one for one in outcome.placed if one is not None]
    reserved = used(here, placed)[edge, 0] / here.substrate.capacity[edge, 0]
    access = np.maximum(load[N + edge], load[2 * N + edge])
    low, high = np.quantile(load[edge], (0.05, 0.95))
    return [
        {
            "offered_rps": float(found.offered.sum()),
            "used_cpu": float(load[edge].mean()),
            "reserved_cpu": float(reserved.mean()),
            "bandwidth": float(access.mean()),
            "cpu_5": float(low),
            "cpu_95": float(high),
            "busiest_cpu": float(load[edge].max()),
            "violation": found.total_violation,
        }
    ]


def comparison(frame: "pd.DataFrame", config: Day) -> Comparison:
    """The hour with the most requests, ours and what is printed."""
    asked = frame.groupby("hour", as_index=False)["offered_rps"].mean()
    busiest = float(asked["hour"][asked["offered_rps"].argmax()])
    lines: list[tuple[str, ...]] = []
    for name in config.policies:
        for budget in config.budgets:
            mine = frame[
                (frame["policy"] == name) & (frame["budget_s"] == budget) & (frame["hour"] == busiest)
            ]
            low, high = (mine[column].mean() for column in ("cpu_5", "cpu_95"))
            lines.append(
                (
                    name,
                    f"{budget:g} s",
                    words(middle(mine, "used_cpu"), 100, " %"),
                    words(middle(mine, "bandwidth"), 100, " %"),
                    f"{100 * low:.0f}-{100 * high:.0f} %",
                    words(middle(mine, "violation"), 100, " %"),
                )
            )
    return Comparison(
        (
            "policy",
            "time allowed",
            "CPU in use",
            "bandwidth in use",
            "nodes' CPU (5th-95th percentile)",
            "violations",
        ),
        (*lines, *PRINTED),
        (
            f"At {busiest:g}:00, the busiest hour looked at; mean over edge nodes and their access ports.",
            "More in use is not better: a policy that keeps work near its users needs less bandwidth. The "
            "printed figures come without the demand that they were measured at.",
            "Each hour is placed anew and simulated in steady state; nothing is carried from hour to hour.",
        ),
    )


def figures(frame: "pd.DataFrame", config: Day) -> "Mapping[str, Figure]":
    """CPU, bandwidth, spread and violations over the day."""
    from edgewright.emulation.experiments.drawing import legend, panels, style  # noqa: PLC0415 - matplotlib

    here = frame[frame["budget_s"] == max(config.budgets)].assign(spread=lambda f: f["cpu_95"] - f["cpu_5"])
    columns = (
        ("used_cpu", "CPU in use (% of edge nodes')"),
        ("bandwidth", "bandwidth in use (% of access ports')"),
        ("spread", "CPU of nodes: 95th - 5th percentile (points)"),
        ("violation", "violations (% of offered requests)"),
    )
    x = ("hour", [float(hour) for hour in config.hours])
    with style():
        figure, axes = panels(4, width=5.0)
        for panel, (column, label) in zip(axes, columns, strict=True):
            curves(panel, here, config, x, (column, 100.0, label))
            panel.set_xticks(range(0, 25, 4))
            panel.set_xlabel("hour of the day")
        legend(figure, axes[0])
    return {"utilisation": figure}


EXPERIMENT = Experiment(
    name="utilisation",
    title="A day's use of the nodes",
    source="[MAPPO] Fig. 8",
    question="How much CPU and bandwidth is in use over 24 hours, and how evenly over the nodes?",
    scales={
        Scale.SMALL: Day(
            seeds=2, hours=(2, 8, 14, 20), nodes=24, regions=2, budgets=QUICK[1:], requests=3_000
        ),
        Scale.PAPER: Day(seeds=5),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
)
