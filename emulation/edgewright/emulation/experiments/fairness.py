"""How evenly the policies serve tenants of unequal demand on the same nodes, as these become crowded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.service import CPU
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
from edgewright.emulation.experiments.statistics import jain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TENANTS = (1.0, 1.0, 2.0, 4.0)
"""Demand of each tenant, relative: one asks for half of everything."""
RATE = 30.0
"""Requests per second of a DAG."""


@dataclass(frozen=True, kw_only=True)
class Crowds(Contest):
    """How much is asked for."""

    crowding: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0)
    """CPU that all DAGs reserve, over what the nodes of the region have."""


@dataclass(frozen=True)
class InCrowd(Entry):
    """One policy at one crowding."""

    crowding: float


def units(config: Crowds) -> list[InCrowd]:
    """Every policy at every crowding."""
    return [
        InCrowd(seed, policy, budget, crowding)
        for seed in config.held_out
        for crowding in config.crowding
        for policy in config.policies
        for budget in config.budgets
    ]


@lru_cache(maxsize=2)
def setting(config: Crowds, seed: int, crowding: float) -> Setting:
    """DAGs of tenants drawn by demand until the city's first region is asked for `crowding` of its CPU."""
    built = city(config.scenario, config.nodes, config.regions)
    substrate = built.substrate
    stream = np.random.default_rng([seed, 3])
    rows = [substrate.index[name] for name in built.regions[0].nodes]
    room = crowding * substrate.capacity[rows, CPU].sum()
    share = np.array(TENANTS) / sum(TENANTS)
    dags, number = [], 0
    while True:
        tenant = int(stream.choice(len(share), p=share))
        shape = Shape(int(stream.integers(6, 12)), 1, RATE, 60 * MS)
        dag = draw_dag(stream, f"tenant-{tenant}-dag-{number}", shape, cells(built, 0))
        room -= sum(m.request[CPU] for m in dag.microservices)
        if room < 0:
            break
        dags.append((tenant, dag))
        number += 1
    every = make_setting(built, [(0, dag) for _, dag in dags])
    return replace(every, region=np.array([tenant for tenant, _ in dags], np.int32))


def run(config: Crowds, unit: InCrowd) -> list[Row]:
    """Rows of one placement, with Jain's index of the shares of requests served well, over tenants."""
    found = compete(config, unit, setting(config, unit.seed, unit.crowding))
    offered, served = np.zeros(len(TENANTS)), np.zeros(len(TENANTS))
    for row in found:
        row["tenant"] = row.pop("region")
        offered[row["tenant"]] += row["offered_rps"]
        served[row["tenant"]] += row["offered_rps"] * (1 - row["violation"])
    shares = served[offered > 0] / offered[offered > 0]
    index, worst = jain(shares), float(shares.min())
    return [{**row, "city_jain": index, "city_worst_tenant": worst} for row in found]


def comparison(frame: "pd.DataFrame", config: Crowds) -> Comparison:
    """Jain's index, the tenant served worst, and violations."""
    lines = []
    for crowding in config.crowding:
        for budget in config.budgets:
            here = frame[(frame["crowding"] == crowding) & (frame["budget_s"] == budget)]
            versus = against_reference(here, config, "city_jain", lambda x: f"{x:+.3f}")
            for name in config.policies:
                mine = here[here["policy"] == name]
                lines.append(
                    (
                        f"{crowding:.0%}",
                        name,
                        f"{budget:g} s",
                        words(middle(mine, "city_jain"), 1, "", 3),
                        versus[name],
                        words(middle(mine, "city_worst_tenant"), 100, " %"),
                        words(middle(mine, "city_violation"), 100, " %"),
                    )
                )
    columns = ("CPU asked for", "policy", "time allowed", "Jain's index", "against heuristic")
    return Comparison(
        (*columns, "served of the worst tenant", "violations"),
        tuple(lines),
        (
            *notes(config, frame),
            f"{len(TENANTS)} tenants, demand {', '.join(f'{t:g}' for t in TENANTS)}; a tenant's share is "
            "that of its offered requests answered within their limit. The papers print no such table.",
            "No policy here has a fairness term; learned ones will be compared with and without theirs.",
        ),
    )


def figures(frame: "pd.DataFrame", config: Crowds) -> "Mapping[str, Figure]":
    """Jain's index and the worst tenant over crowding."""
    from edgewright.emulation.experiments.drawing import legend, panels, style  # noqa: PLC0415 - matplotlib

    here = frame[frame["budget_s"] == max(config.budgets)].assign(asked=100 * frame["crowding"])
    x = ("asked", [100 * c for c in config.crowding])
    with style():
        figure, axes = panels(2)
        curves(axes[0], here, config, x, ("city_jain", 1.0, "Jain's index over tenants"))
        curves(axes[1], here, config, x, ("city_worst_tenant", 100.0, "served of the worst tenant (%)"))
        for panel in axes:
            panel.set_xlabel("CPU asked for (% of the nodes')")
        axes[0].set_ylim(top=1.02)
        legend(figure, axes[0])
        figure.suptitle(f"{max(config.budgets):g} s per DAG", x=0.01, ha="left")
    return {"fairness": figure}


EXPERIMENT = Experiment(
    name="fairness",
    title="Fairness between tenants",
    source="beyond the papers",
    question="How evenly are tenants of unequal demand served as the nodes that they share become crowded?",
    scales={
        Scale.SMALL: Crowds(seeds=2, crowding=(0.5, 0.9), nodes=10, regions=1, budgets=QUICK, requests=4_000),
        Scale.PAPER: Crowds(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    clocked=("decision_s",),
)
