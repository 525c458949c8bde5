"""How long the policies take to recover from failed nodes, and how far a burst of requests throws them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.problem import PlacedDag
from edgewright.core.rewards import WORST
from edgewright.emulation.events import RateChange, Simulation
from edgewright.emulation.experiments.comparison import Comparison
from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, words
from edgewright.emulation.experiments.experiment import Experiment, Row, Scale
from edgewright.emulation.experiments.lineup import ready
from edgewright.emulation.experiments.scoring import cost, place_all, score
from edgewright.emulation.experiments.setting import Setting, truth, workload
from edgewright.emulation.experiments.statistics import hierarchical, recovery
from edgewright.emulation.experiments.timeline import PERIOD, fail, per_period, survive

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FAILURE, BURST = "failure", "burst"
BEFORE, DURING, AFTER = 6, 2, 10
"""Periods of a burst: it lasts 20 s, as printed; the level before is a mean over 50 s."""
PRINTED = {
    (FAILURE, 0.05): (("LLM-MAPPO", "< 40 s", ""), ("CROMADQN", "", "")),
    (FAILURE, 0.25): (("LLM-MAPPO", "< 85 s", ""), ("CROMADQN", "about 300 s", "")),
    (BURST, None): (("LLM-MAPPO", "40 s", "1.9 x"), ("RSPPO", "60 s", "2.4 x")),
}
"""[MAPPO] Fig. 7 and its text: recovery, peak latency over the level before."""


@dataclass(frozen=True, kw_only=True)
class Shocks(Contest):
    """What happens."""

    failures: tuple[float, ...] = (0.05, 0.10, 0.15, 0.20, 0.25)
    """Shares of the edge nodes that fail."""
    bursts: tuple[float, ...] = (1.5, 2.0)
    """Demand of all DAGs for 20 s, over that before; the paper does not print its own."""
    rate: float = 200.0
    """Requests per second of every region."""


@dataclass(frozen=True)
class Shock(Entry):
    """One policy and one disturbance."""

    kind: str
    size: float


def units(config: Shocks) -> list[Shock]:
    """Every policy in every disturbance."""
    sizes = [(FAILURE, size) for size in config.failures] + [(BURST, size) for size in config.bursts]
    return [
        Shock(seed, policy, budget, kind, size)
        for seed in config.held_out
        for kind, size in sizes
        for policy in config.policies
        for budget in config.budgets
    ]


@lru_cache(maxsize=2)
def setting(config: Shocks, seed: int) -> Setting:
    """The same DAGs for every disturbance of a seed."""
    return workload(config.scenario, config.nodes, config.regions, seed=seed, rate=config.rate)


def run(config: Shocks, unit: Shock) -> list[Row]:
    """One row per period: the level before in period -1, then what the disturbance brought."""
    here, policy = setting(config, unit.seed), ready(unit.policy)
    start = place_all(policy, here, seconds=unit.budget_s, seed=unit.seed)
    true = truth(here, unit.seed)
    if unit.kind == BURST:
        placed = [
            PlacedDag(dag, one.stage, one.node)
            for dag, one in zip(true, start.placed, strict=True)
            if one is not None
        ]
        levels = burst(here, placed, unit.size, unit.seed)
        return _rows(levels[0], levels[1:], DURING, [0] * (len(levels) - 1))
    found = score(here, start, true, requests=config.requests, seed=unit.seed)
    before = cost(here, found)
    down = fail(here, unit.size, unit.seed)
    periods = survive(
        policy,
        here,
        true,
        start,
        down,
        seconds=unit.budget_s,
        requests=config.requests,
        seed=unit.seed,
    )
    return _rows(before, [p.cost for p in periods], 0, [p.pending for p in periods])


def _rows(before: float, levels: list[float], lasts: int, pending: list[int]) -> list[Row]:
    """Recovery is counted from the first period of the disturbance, in which nothing can be over yet."""
    back = recovery(np.array(levels[lasts:]), before)
    seconds = None if back is None else (lasts + back) * PERIOD
    summary = {
        "before": before,
        "peak": max(levels) / before,
        "recovery_s": seconds,
        "censored": back is None,
    }
    rows: list[Row] = [{"period": -1, "level": before, "pending": 0, **summary}]
    rows += [
        {"period": at, "level": level, "pending": waiting, **summary}
        for at, (level, waiting) in enumerate(zip(levels, pending, strict=True))
    ]
    return rows


def burst(here: Setting, placed: list[PlacedDag], size: float, seed: int) -> list[float]:
    """Level before, then of each period from the burst on, of the placed DAGs, in one simulation with queues.

    Placements stay as they are: replicas do not start within the 20 s of the burst.
    """
    rates = [one.dag.demand.rate for one in placed]
    begin, end = BEFORE * PERIOD, (BEFORE + DURING) * PERIOD
    changes = [RateChange(begin, d, size * rate) for d, rate in enumerate(rates)]
    changes += [RateChange(end, d, rate) for d, rate in enumerate(rates)]
    count = sum(rates) * PERIOD * (BEFORE + DURING * size + AFTER)
    simulation = Simulation(placed, here.substrate, seed=seed, changes=changes)
    simulation.run(int(count))
    seen = simulation.observed()
    ratio = [
        np.minimum(latency / (one.dag.qos.max_latency or 1.0), WORST)
        for latency, one in zip(seen.latency, placed, strict=True)
    ]
    levels = per_period(seen.born, ratio, BEFORE + DURING + AFTER)
    return [float(np.mean(levels[1:BEFORE])), *(float(level) for level in levels[BEFORE:])]


def comparison(frame: "pd.DataFrame", config: Shocks) -> Comparison:
    """Recovery and peak by disturbance, beside what is printed."""
    lines: list[tuple[str, ...]] = []
    once = frame[frame["period"] == 0]
    for kind, sizes in ((FAILURE, config.failures), (BURST, config.bursts)):
        for size in sizes:
            title = _title(kind, size)
            for name in config.policies:
                for budget in config.budgets:
                    rows = once[
                        (once["kind"] == kind)
                        & (once["size"] == size)
                        & (once["policy"] == name)
                        & (once["budget_s"] == budget)
                    ]
                    lines.append((title, name, f"{budget:g} s", *_cells(rows)))
            printed = PRINTED.get((kind, size if kind == FAILURE else None), ())
            lines += [
                (title, f"{method}, printed", "", seconds, "", peak)
                for method, seconds, peak in printed
                if seconds
            ]
    return Comparison(
        ("disturbance", "policy", "time allowed", "median recovery", "not within the time", "peak level"),
        tuple(lines),
        (
            "Level: mean over offered requests of min(latency / limit, 10); lost and not served count 10. "
            "Recovery: first of 3 periods of 10 s in a row within 1.1 times the level before.",
            "Failures: each agent decides once per period, new replicas serve from the next; queues do not "
            "carry over between periods. Bursts: one simulation with its queues; placements stay.",
            "A recovery that was not seen is censored: the median counts it as longer than all others.",
        ),
    )


def _title(kind: str, size: float) -> str:
    return f"{size:.0%} of edge nodes fail" if kind == FAILURE else f"{size:g} x requests for 20 s"


def _cells(rows: "pd.DataFrame") -> tuple[str, str, str]:
    seconds = rows["recovery_s"].astype(float).fillna(np.inf).to_numpy(float)
    middle = float(np.median(seconds)) if len(seconds) else np.nan
    peaks = [group["peak"].to_numpy(float) for _, group in rows.groupby("seed")]
    return (
        f"{middle:g} s" if np.isfinite(middle) else "censored",
        f"{int(rows['censored'].sum())} of {len(rows)}",
        words(hierarchical(peaks), 1, " x", 2),
    )


def figures(frame: "pd.DataFrame", config: Shocks) -> "Mapping[str, Figure]":
    """Level over time for the largest failure and the largest burst, and recovery over the share failed."""
    from edgewright.emulation.experiments.drawing import legend, look, panels, style  # noqa: PLC0415

    here = frame[frame["budget_s"] == max(config.budgets)]
    with style():
        figure, axes = panels(2, width=5.2)
        shown = ((FAILURE, max(config.failures)), (BURST, max(config.bursts)))
        for panel, (kind, size) in zip(axes, shown, strict=True):
            rows = here[(here["kind"] == kind) & (here["size"] == size)]
            for name in config.policies:
                mine = rows[rows["policy"] == name].assign(relative=lambda f: f["level"] / f["before"])
                mean = mine.groupby("period")["relative"].mean()
                panel.plot(
                    mean.index * PERIOD,
                    mean,
                    label=name,
                    drawstyle="steps-post",
                    linewidth=1.5,
                    color=look(name, config.policies)["color"],
                )
            panel.axhline(1.1, color="black", linewidth=0.8, linestyle=":")
            panel.set_xlabel("seconds since it began")
            panel.set_ylim(bottom=0)
            panel.set_title(_title(kind, size))
        axes[0].set_ylabel("level over that before (dotted: 1.1)")
        legend(figure, axes[0])
        figure.suptitle(f"{max(config.budgets):g} s per decision, mean over seeds", x=0.01, ha="left")
    return {"resilience": figure}


EXPERIMENT = Experiment(
    name="resilience",
    title="Failures and bursts",
    source="[MAPPO] Fig. 7",
    question="How long until service is normal again after nodes fail, and how far does a burst throw it?",
    scales={
        Scale.SMALL: Shocks(
            seeds=2,
            failures=(0.05, 0.25),
            bursts=(2.0,),
            nodes=24,
            regions=2,
            budgets=QUICK[1:],
            requests=3_000,
        ),
        Scale.PAPER: Shocks(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
)
