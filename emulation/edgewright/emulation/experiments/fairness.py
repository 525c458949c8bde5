"""How evenly the policies serve tenants of unequal demand on the same nodes, as these become crowded."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgewright.core.service import CPU, ServiceDag
from edgewright.core.units import MS
from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, Point, Terms
from edgewright.emulation.experiments.experiment import Scale
from edgewright.emulation.experiments.setting import Setting, Shape, cells, city, draw_dag, make_setting
from edgewright.emulation.experiments.standings import VIOLATIONS, Measure, Standings

TENANTS = (1.0, 1.0, 2.0, 4.0)
"""Demand of each tenant, relative: one asks for half of everything."""
RATE = 30.0
"""Requests per second of a DAG."""
JAIN = Measure("city_jain", "Jain's index over tenants", "", 3)
WORST_TENANT = Measure("city_worst_tenant", "served of the worst tenant", "%")


@dataclass(frozen=True, kw_only=True)
class Crowds(Terms):
    """How much is asked for."""

    crowding: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0)
    """CPU that all DAGs reserve, over what the nodes of the region have."""


@dataclass(frozen=True)
class InCrowd(Entry):
    """One policy at one crowding."""

    crowding: float


@lru_cache(maxsize=2)
def setting(terms: Crowds, seed: int, point: Point) -> Setting:
    """DAGs of tenants drawn by demand until the city's first region is asked for that much of its CPU."""
    built = city(terms.scenario, terms.nodes, terms.regions)
    stream = np.random.default_rng([seed, 3])
    room = point[0] * built.substrate.capacity[built.members[0], CPU].sum()
    share = np.array(TENANTS) / sum(TENANTS)
    dags: list[ServiceDag] = []
    tenants: list[int] = []
    while True:
        tenant = int(stream.choice(len(share), p=share))
        shape = Shape(int(stream.integers(6, 12)), 1, RATE, 60 * MS)
        dag = draw_dag(stream, f"tenant-{tenant}-dag-{len(dags)}", shape, cells(built, 0))
        room -= sum(m.request[CPU] for m in dag.microservices)
        if room < 0:
            return make_setting(built, [(0, dag) for dag in dags], tenants)
        dags.append(dag)
        tenants.append(tenant)


STANDINGS = Standings(
    contest=Contest(entry=InCrowd, along="crowding", setting=setting),
    axis="CPU asked for, of the nodes'",
    form="{:.0%}",
    measures=(JAIN, WORST_TENANT, VIOLATIONS),
    panels=(JAIN, WORST_TENANT),
    notes=(
        f"{len(TENANTS)} tenants, demand {', '.join(f'{t:g}' for t in TENANTS)}; a tenant's share is "
        "that of its offered requests answered within their limit. The papers print no such table.",
        "No policy here has a fairness term; learned ones will be compared with and without theirs.",
    ),
)
EXPERIMENT = STANDINGS.experiment(
    name="fairness",
    title="Fairness between tenants",
    source="beyond the papers",
    question="How evenly are tenants of unequal demand served as the nodes that they share become crowded?",
    scales={
        Scale.SMALL: Crowds(seeds=2, crowding=(0.5, 0.9), nodes=10, regions=1, budgets=QUICK, requests=4_000),
        Scale.PAPER: Crowds(seeds=10),
    },
    paper_hours=2,
)
