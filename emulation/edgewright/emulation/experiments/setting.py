"""What all policies of a comparison are given: a city, its DAGs, and the nodes that may be used for each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from edgewright.core.replicas import replica_counts
from edgewright.core.service import Demand as Arrivals
from edgewright.core.service import Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate
from edgewright.core.units import CORE_SPEED, GIB, KB, M_INSTRUCTIONS
from edgewright.emulation.city import City, build
from edgewright.emulation.demand.episode import Demand, episode, prepare
from edgewright.emulation.experiments.experiment import HELD_OUT
from edgewright.emulation.scenario import load

OFF = 0.3
"""How far the true demand and work are from what a policy is told."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A city with D DAGs in the order in which they arrive."""

    substrate: Substrate
    dags: tuple[ServiceDag, ...]
    stages: tuple[IntArray, ...]
    """Of each DAG (S,): the microservice of every replica slot."""
    allowed: BoolArray
    """(D, N) nodes that the agent of a DAG governs; a DAG never spans agents."""
    region: IntArray
    """(D,) number of that agent's region."""
    tenant: IntArray
    """(D,) number of whom it belongs to."""


@lru_cache(maxsize=4)
def city(scenario: str, nodes: int | None, regions: int | None) -> City:
    """A bundled scenario's city, resized if asked for."""
    return build(load(scenario).resized(nodes, regions) if nodes or regions else load(scenario))


def make_setting(
    built: City, dags: list[tuple[int, ServiceDag]], tenants: Sequence[int] | None = None
) -> Setting:
    """A setting of (region, DAG) pairs: replicas as the operator counts them, an agent for each region.

    `tenants` (D,) says whose the DAGs are; by default each region is a tenant.
    """
    substrate, stages = built.substrate, []
    for _, dag in dags:
        counts = replica_counts(dag)
        stages.append(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    number = np.array([region for region, _ in dags], np.int32)
    governed = np.zeros((len(built.regions), len(substrate.nodes)), bool)
    for region, members in enumerate(built.members):
        governed[region, members] = True
    tenant = number if tenants is None else np.array(tenants, np.int32)
    return Setting(substrate, tuple(dag for _, dag in dags), tuple(stages), governed[number], number, tenant)


def cells(built: City, region: int) -> list[str]:
    """Nodes of a region that users may be at."""
    return [built.nodes[row].name for row in built.members[region] if built.nodes[row].radio]


def edge_nodes(substrate: Substrate) -> IntArray:
    """Rows of the nodes of the edge tier."""
    return np.array([n for n, node in enumerate(substrate.nodes) if node.tier == "edge"], np.int32)


def truth(setting: Setting, seed: int, off: float = OFF) -> tuple[ServiceDag, ...]:
    """The DAGs as they really are: demand of each, and work of each microservice, `off` above or below.

    At even odds and independently; the same for every policy with the same seed.
    """
    stream = np.random.default_rng([seed, 1])
    true = []
    for dag in setting.dags:
        factor = 1 + off * stream.choice((-1.0, 1.0), size=1 + len(dag.microservices))
        work = tuple(
            replace(m, work=m.work * float(f)) for m, f in zip(dag.microservices, factor[1:], strict=True)
        )
        rate = dag.demand.rate * float(factor[0])
        true.append(replace(dag, microservices=work, demand=replace(dag.demand, rate=rate)))
    return tuple(true)


@dataclass(frozen=True, slots=True)
class Shape:
    """Law of the DAGs that `draw_dag` makes."""

    stages: int
    replicas: int
    """Of every microservice, at least."""
    rate: float
    """Requests per second for which its reservations are sized."""
    limit: float
    """Seconds at the 95th percentile."""
    immersive: bool = False


WORK = (10 * M_INSTRUCTIONS, 25 * M_INSTRUCTIONS)
"""Instructions of a stage: 26 of them add up to what [MAPPO] prints for a request, 50-800 M."""
LEAST_CPU = 0.1
"""Cores that a replica reserves at least ([MAPPO] Table 2)."""


def draw_dag(stream: np.random.Generator, name: str, shape: Shape, ingress: list[str]) -> ServiceDag:
    """A pipeline in layers: every stage but the first has one caller among the three before it, a third two.

    A replica uses 30-70 % of what it reserves at `shape.rate`, less where that would be under 0.1 cores;
    inner payloads are 2-10 % of the 1.5 MB of a request (docs/explanation/model.md).
    """
    microservices = []
    for i in range(shape.stages):
        work, busy = stream.uniform(*WORK), stream.uniform(0.3, 0.7)
        cores = max(LEAST_CPU, shape.rate * work / (shape.replicas * busy * CORE_SPEED))
        microservices.append(
            Microservice(
                name=f"stage-{i:02d}",
                request=(cores, stream.uniform(0.125, 0.5) * GIB, 0.0, 0.0, 0.0, 1.0),
                work=work,
                limit_cpu=max(1.0, 2 * cores),
                min_replicas=shape.replicas,
                max_replicas=shape.replicas,
            )
        )
    edges: dict[tuple[int, int], None] = {}
    for target in range(1, shape.stages):
        for _ in range(2 if stream.random() < 1 / 3 else 1):
            edges[int(stream.integers(max(0, target - 3), target)), target] = None
    payload = 1_500 * KB
    return ServiceDag(
        namespace="experiment",
        name=name,
        microservices=tuple(microservices),
        invocations=tuple(
            Invocation(f"stage-{a:02d}", f"stage-{b:02d}", payload=stream.uniform(0.02, 0.1) * payload)
            for a, b in edges
        ),
        demand=Arrivals(shape.rate, payload=stream.uniform(0.02, 0.1) * payload, response=50 * KB),
        ingress=Ingress(node=ingress[int(stream.integers(len(ingress)))]),
        qos=Qos(max_latency=shape.limit),
        service_class="immersive" if shape.immersive else "twin",
    )


@lru_cache(maxsize=2)
def prepared(scenario: str, nodes: int | None, regions: int | None) -> Demand:
    """The demand of a city, its pool of DAGs held out as well."""
    return prepare(city(scenario, nodes, regions), seed=HELD_OUT)


def workload(scenario: str, nodes: int | None, regions: int | None, *, seed: int, rate: float) -> Setting:
    """The DAGs that a city has at one moment, with `rate` requests/s in every region.

    A region that has no DAG at that moment stays without.
    """
    demand = prepared(scenario, nodes, regions)
    here = episode(demand, seed=seed, periods=1)
    region = here.region[here.template]
    asked = np.array([here.dags[t].demand.rate for t in here.template]) * here.factor[0]
    total = np.bincount(region, weights=asked, minlength=len(demand.city.regions))
    asked = asked * rate / total[region]
    dags = []
    for i in np.argsort(seed_order(seed, len(asked))):
        dag = here.dags[here.template[i]]
        known = replace(dag, name=f"{dag.name}-{i}", demand=replace(dag.demand, rate=float(asked[i])))
        dags.append((int(region[i]), known))
    return make_setting(demand.city, dags)


def seed_order(seed: int, count: int) -> FloatArray:
    """(count,) draws whose order is that in which DAGs arrive."""
    return np.random.default_rng([seed, 2]).random(count)
