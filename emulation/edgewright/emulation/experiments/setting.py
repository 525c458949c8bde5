"""What all policies of a comparison are given: a city, its DAGs, and the nodes that may be used for each."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from edgewright.core.replicas import replica_counts
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import BoolArray, IntArray, Substrate
from edgewright.core.units import CORE_SPEED, GIB, KB, M_INSTRUCTIONS, MS
from edgewright.emulation.city import City, build
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
    """(D,) number of that agent's region, its tenant in questions of fairness."""


@lru_cache(maxsize=4)
def city(scenario: str, nodes: int | None, regions: int | None) -> tuple[City, Substrate]:
    """A bundled scenario's city, resized if asked for, and its arrays."""
    built = build(load(scenario).resized(nodes, regions) if nodes or regions else load(scenario))
    return built, compile_substrate(built.nodes, built.links)


def make_setting(built: City, substrate: Substrate, dags: list[tuple[int, ServiceDag]]) -> Setting:
    """A setting of (region, DAG) pairs: replicas as the operator counts them, an agent for each region."""
    stages = []
    for _, dag in dags:
        counts = replica_counts(dag)
        stages.append(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    governed = np.zeros((len(built.regions), len(substrate.nodes)), bool)
    for number, region in enumerate(built.regions):
        governed[number, [substrate.index[name] for name in region.nodes]] = True
    number = np.array([region for region, _ in dags], np.int32)
    return Setting(substrate, tuple(dag for _, dag in dags), tuple(stages), governed[number], number)


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


def draw_dag(stream: np.random.Generator, name: str, shape: Shape, cells: list[str]) -> ServiceDag:
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
        demand=Demand(shape.rate, payload=stream.uniform(0.02, 0.1) * payload, response=50 * KB),
        ingress=Ingress(node=cells[int(stream.integers(len(cells)))]),
        qos=Qos(max_latency=shape.limit),
        service_class="immersive" if shape.immersive else "twin",
    )


DAGS_PER_REGION = 5
NOMINAL = 150.0
"""Requests per second and region for which the work of `workload`'s DAGs is sized."""


def workload(scenario: str, nodes: int | None, regions: int | None, *, seed: int, rate: float) -> Setting:
    """A city whose every region has `rate` requests per second, over DAGs that are the same at every rate."""
    built, substrate = city(scenario, nodes, regions)
    stream = np.random.default_rng([seed, 2])
    share = NOMINAL / DAGS_PER_REGION
    dags = []
    for number in range(DAGS_PER_REGION):
        for r, region in enumerate(built.regions):
            cells = [name for name in region.nodes if substrate.nodes[substrate.index[name]].radio]
            shape = Shape(int(stream.integers(6, 12)), 1, share, 30 * MS)
            dag = draw_dag(stream, f"dag-{r}-{number}", shape, cells)
            many = tuple(replace(m, max_replicas=4) for m in dag.microservices)
            demand = replace(dag.demand, rate=rate / DAGS_PER_REGION)
            dags.append((r, replace(dag, microservices=many, demand=demand)))
    return make_setting(built, substrate, dags)
