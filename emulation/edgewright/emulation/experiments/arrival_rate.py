"""Latency, violations and load balance of the policies while the requests of every region grow."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from edgewright.emulation.experiments.comparison import Comparison, Printed, per_cent
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
from edgewright.emulation.experiments.setting import Setting, workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PRINTED = {
    ("LLM-MAPPO", 50.0): (Printed("4 %"), Printed("65 ms"), Printed("0.18")),
    ("LLM-MAPPO", 300.0): (Printed("20 %"), Printed("151 ms"), Printed("0.39")),
    ("RSPPO", 300.0): (Printed("55 %"), Printed("304 ms"), Printed("1.31", comparable=False)),
    ("GNN-DRL", 300.0): (
        Printed("165 %", comparable=False),
        Printed("400-600 ms"),
        Printed("3.17", comparable=False),
    ),
}
"""[MAPPO] Fig. 5 and its text: violations, mean latency, load balance index."""


@dataclass(frozen=True, kw_only=True)
class Rates(Contest):
    """The printed sweep."""

    rates: tuple[float, ...] = (50, 100, 150, 200, 250, 300)
    """Requests per second of every region."""


@dataclass(frozen=True)
class AtRate(Entry):
    """One policy at one rate."""

    rate_rps: float


def units(config: Rates) -> list[AtRate]:
    """Every policy at every rate; those of one setting stand together, which is built once."""
    return [
        AtRate(seed, policy, budget, float(rate))
        for seed in config.held_out
        for rate in config.rates
        for policy in config.policies
        for budget in config.budgets
    ]


@lru_cache(maxsize=2)
def setting(config: Rates, seed: int, rate: float) -> Setting:
    """The DAGs of a seed are the same at every rate."""
    return workload(config.scenario, config.nodes, config.regions, seed=seed, rate=rate)


def run(config: Rates, unit: AtRate) -> list[Row]:
    """Rows of one placement."""
    return compete(config, unit, setting(config, unit.seed, unit.rate_rps))


def comparison(frame: "pd.DataFrame", config: Rates) -> Comparison:
    """Lowest and highest rate, ours and what is printed for them."""
    lines = []
    for rate in (min(config.rates), max(config.rates)):
        for budget in config.budgets:
            here = frame[(frame["rate_rps"] == rate) & (frame["budget_s"] == budget)]
            versus = against_reference(here, config, "city_violation", lambda x: f"{100 * x:+.1f} points")
            for name in config.policies:
                mine = here[here["policy"] == name]
                lines.append(
                    (
                        f"{rate:g}",
                        name,
                        f"{budget:g} s",
                        words(middle(mine, "city_violation"), 100, " %"),
                        versus[name],
                        words(middle(mine, "city_mean_s"), 1e3, " ms"),
                        words(middle(mine, "city_balance"), 1, "", 3),
                        per_cent(float(mine["placed"].mean())),
                    )
                )
        for (method, at), (violations, latency, balance) in PRINTED.items():
            if at == rate:
                lines.append(
                    (
                        f"{rate:g}",
                        f"{method}, printed",
                        "",
                        str(violations),
                        "",
                        str(latency),
                        str(balance),
                        "",
                    )
                )
    return Comparison(
        (
            "requests/s per region",
            "policy",
            "time allowed",
            "violations",
            "against heuristic",
            "mean latency",
            "load imbalance",
            "DAGs placed",
        ),
        tuple(lines),
        (
            *notes(config, frame),
            "Load imbalance is Eq. 17 of [MAPPO]: variances of three shares in [0, 1] are 0.75 together; "
            "printed values above that are of something else. No share of requests exceeds 100 %.",
            "Convergence (274 to 386 episodes printed) concerns learned policies; none of these is trained.",
        ),
    )


def figures(frame: "pd.DataFrame", config: Rates) -> "Mapping[str, Figure]":
    """Violations, latency and balance over the rate."""
    from edgewright.emulation.experiments.drawing import legend, panels, style  # noqa: PLC0415 - matplotlib

    here = frame[frame["budget_s"] == max(config.budgets)]
    x = ("rate_rps", [float(rate) for rate in config.rates])
    columns = (
        ("city_violation", 100.0, "violations (% of offered requests)"),
        ("city_mean_s", 1e3, "mean latency of answered requests (ms)"),
        ("city_balance", 1.0, "load imbalance (Eq. 17)"),
    )
    with style():
        figure, axes = panels(3, width=4.0)
        for panel, y in zip(axes, columns, strict=True):
            curves(panel, here, config, x, y)
            panel.set_xlabel("requests per second and region")
        legend(figure, axes[0])
        figure.suptitle(f"{max(config.budgets):g} s per DAG", x=0.01, ha="left")
    return {"arrival-rate": figure}


EXPERIMENT = Experiment(
    name="arrival-rate",
    title="Policies under growing load",
    source="[MAPPO] Fig. 5",
    question="How do latency, violations and load balance change from 50 to 300 requests/s in every region?",
    scales={
        Scale.SMALL: Rates(seeds=2, rates=(50, 150, 300), nodes=24, regions=2, budgets=QUICK, requests=4_000),
        Scale.PAPER: Rates(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    clocked=("decision_s",),
)
