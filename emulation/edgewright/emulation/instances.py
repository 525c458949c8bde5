"""Seeded placement problems for comparing policies: one law, any size, the same arrays on every machine.

The law (docs/reference/benchmarks.md): a metropolitan edge of four zones behind a ring of switches;
nodes of 6-10 cores and 8-16 GiB with 1-2 Gbps ports ([MAPPO] 'Environment setup'); requests fill
60-85 % of CPU and memory once the DAG is placed; no node has room for more than 40 % of its
microservices; a replica uses 30-70 % of what it requests; inner payloads are 2-10 % of 1.5 MB.
Only `random.Random.random` is drawn from, whose stream Python guarantees across versions.
"""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass

import numpy as np

from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import CPU, MEMORY, Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import FloatArray, Link, Node, Substrate
from edgewright.core.units import CORE_SPEED, GBPS, GIB, KB, MS

ZONES = 4
LIMIT = 30 * MS
"""Digital-twin synchronisation of [MAPPO] Table 2; the placed DAGs are four times as patient."""


class _Draw:
    """Uniform draws from a stream that is the same in every Python version."""

    def __init__(self, seed: int, stages: int, nodes: int) -> None:
        self._stream = random.Random(f"edgewright {seed} {stages}x{nodes}")

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._stream.random()

    def index(self, count: int) -> int:
        return min(int(self._stream.random() * count), count - 1)


@dataclass(frozen=True)
class Law:
    """What an instance satisfies, measured on its arrays."""

    utilisation: tuple[float, float]
    """Requests over capacity with the DAG placed: (cpu, memory)."""
    binding: int
    """Resources that keep at least one microservice off at least a tenth of the nodes."""
    largest_share: float
    """Largest share of the DAG's microservices that one node has room for."""

    @property
    def holds(self) -> bool:
        """60-85 % utilised, two binding constraints, no node with room for more than 40 % of the DAG."""
        return (
            all(0.60 <= share <= 0.85 for share in self.utilisation)
            and self.binding >= 2
            and self.largest_share <= 0.4
        )


def make_problem(seed: int, *, stages: int = 10, nodes: int = 20, others: int = 2) -> Problem:
    """One DAG of `stages` microservices to place on `nodes` nodes beside `others` placed DAGs."""
    draw = _Draw(seed, stages, nodes)
    substrate = _metro(draw, nodes)
    dag = _dag(draw, "subject", stages, draw.uniform(60, 140), substrate)
    used = np.zeros_like(substrate.capacity)
    placed = tuple(
        _placed(
            draw,
            _dag(draw, f"other-{i}", max(2, stages // 2), draw.uniform(40, 80), substrate, 4 * LIMIT),
            used,
            substrate,
        )
        for i in range(others)
    )
    _fill(draw, dag, used, substrate)
    return Problem(
        world=World(substrate, used, placed),
        dag=dag,
        stage=np.arange(stages, dtype=np.int32),
        fixed=np.full(stages, UNPLACED, dtype=np.int32),
        allowed=np.ones((stages, nodes), dtype=np.bool_),
        seed=seed,
    )


def _metro(draw: _Draw, count: int) -> Substrate:
    """`count` nodes in four zones; each zone's switch joins a ring of 10 Gbps links."""
    nodes, links = [], []
    for i in range(count):
        zone = i % ZONES
        cores = float(6 + draw.index(5))
        memory = float(8 + 2 * draw.index(5)) * GIB
        nodes.append(
            Node(
                name=f"edge-{i:03d}",
                capacity=(cores, memory, 0.0, 0.0, 1 * GBPS, 110.0),
                zone=f"zone-{zone}",
                speed=CORE_SPEED * draw.uniform(0.8, 1.3),
                location=(2_000.0 * zone + draw.uniform(0, 1_500), draw.uniform(0, 1_500)),
                radio=frozenset({"mmw"}) if draw.uniform(0, 1) < 0.5 or i < ZONES else frozenset(),
                latency=(0.05 * MS, 0.5 * MS, 0.2 * MS),
                success=1 - draw.uniform(0, 1e-4),
            )
        )
        links.append(
            Link(f"edge-{i:03d}", f"switch-{zone}", (1 + draw.index(2)) * GBPS, draw.uniform(0.1, 0.4) * MS)
        )
    ring = [
        Link(f"switch-{z}", f"switch-{(z + 1) % ZONES}", 10 * GBPS, draw.uniform(0.3, 1.0) * MS)
        for z in range(ZONES)
    ]
    return compile_substrate(nodes, [*links, *ring])


def _dag(
    draw: _Draw, name: str, stages: int, rate: float, substrate: Substrate, limit: float = LIMIT
) -> ServiceDag:
    """A layered DAG: every stage but the first has one caller among the three before it, a third have two.

    In request-response DAGs two callers of a stage each call it every other time: one visit per request.
    """
    microservices = []
    for i in range(stages):
        cores = draw.uniform(0.3, 1.4)
        own = draw.uniform(0.3, 0.7)
        microservices.append(
            Microservice(
                name=f"stage-{i:02d}",
                request=(cores, draw.uniform(0.4, 1.8) * GIB, 0.0, 0.0, 0.0, 1.0),
                work=own * cores * CORE_SPEED / rate,
                limit_cpu=4 * cores,
            )
        )
    edges: dict[tuple[int, int], None] = {}
    for target in range(1, stages):
        first = max(0, target - 3)
        edges[first + draw.index(target - first), target] = None
        if draw.uniform(0, 1) < 1 / 3:
            edges[first + draw.index(target - first), target] = None
    sequential = draw.uniform(0, 1) < 0.3
    callers = Counter(target for _, target in edges)
    invocations = tuple(
        Invocation(
            source=f"stage-{a:02d}",
            target=f"stage-{b:02d}",
            payload=draw.uniform(0.02, 0.10) * 1_500 * KB,
            response=draw.uniform(4, 40) * KB if sequential else 0.0,
            calls=1 / callers[b] if sequential else 1.0,
        )
        for a, b in edges
    )
    cells = [node.name for node in substrate.nodes if node.radio]
    return ServiceDag(
        namespace="bench",
        name=name,
        microservices=tuple(microservices),
        invocations=invocations,
        demand=Demand(rate=rate, payload=draw.uniform(50, 150) * KB, response=50 * KB),
        ingress=Ingress(node=cells[draw.index(len(cells))]),
        qos=Qos(max_latency=limit),
        flow="requestResponse" if sequential else "pipeline",
        service_class="twin",
    )


def _placed(draw: _Draw, dag: ServiceDag, used: FloatArray, substrate: Substrate) -> PlacedDag:
    """Put every microservice on the roomiest of three drawn nodes; adds the requests to `used`."""
    node = np.empty(len(dag.microservices), dtype=np.int32)
    for i, microservice in enumerate(dag.microservices):
        drawn = [draw.index(len(substrate.nodes)) for _ in range(3)]
        node[i] = max(drawn, key=lambda n: float(substrate.capacity[n, CPU] - used[n, CPU]))
        used[node[i]] += microservice.request
    return PlacedDag(dag, np.arange(len(node), dtype=np.int32), node)


def _fill(draw: _Draw, dag: ServiceDag, used: FloatArray, substrate: Substrate) -> None:
    """Foreign pods: fill every node to its own level, with room for at most 40 % of the DAG's stages."""
    most = max(1, int(0.4 * len(dag.microservices)))
    request = np.array([m.request for m in dag.microservices])
    for n in range(len(substrate.nodes)):
        for r in (CPU, MEMORY):
            level = draw.uniform(0.45, 0.9) * substrate.capacity[n, r]
            used[n, r] = max(used[n, r], level)
        # Closing one resource, drawn at random, is enough; the other stays as loose as it came.
        r = (CPU, MEMORY)[draw.index(2)]
        if room(substrate.capacity[n] - used[n], request) > most:
            smallest = np.sort(request[:, r])
            used[n, r] = substrate.capacity[n, r] - 0.98 * smallest[: most + 1].sum()
        used[n, -1] += 10


def room(free: FloatArray, request: FloatArray) -> int:
    """Most rows of `request` (S, R) that may fit into `free` (R,) together (each resource by itself)."""
    sums = np.cumsum(np.sort(request, axis=0), axis=0)
    return int((sums <= free + 1e-9).sum(axis=0).min())


def law(problem: Problem) -> Law:
    """Measure what `make_problem` promises."""
    substrate, used = problem.world.substrate, problem.world.used
    request = np.array([problem.dag.microservices[s].request for s in problem.stage])
    free = substrate.capacity - used
    total = (used.sum(axis=0) + request.sum(axis=0)) / np.maximum(substrate.capacity.sum(axis=0), 1e-12)
    blocked = request[:, None, :] > free[None, :, :]
    return Law(
        utilisation=(float(total[CPU]), float(total[MEMORY])),
        binding=int((blocked.mean(axis=1).max(axis=0) >= 0.1).sum()),
        largest_share=max(room(row, request) for row in free) / len(request),
    )


def digest(problem: Problem) -> str:
    """SHA-256 over the numbers of an instance, rounded to 9 significant digits."""
    substrate, world = problem.world.substrate, problem.world
    dags = (problem.dag, *(p.dag for p in world.placed))
    rows: list[object] = [
        [(n.name, n.capacity, n.speed, n.location, sorted(n.radio), n.success) for n in substrate.nodes],
        [(x.source, x.target, x.bandwidth, x.delay) for x in substrate.links],
        [(d.demand.rate, d.demand.payload, d.ingress.node, d.flow, d.qos.max_latency) for d in dags],
        [(m.request, m.work, m.limit_cpu) for d in dags for m in d.microservices],
        [(i.source, i.target, i.payload, i.response, i.calls) for d in dags for i in d.invocations],
        [p.node.tolist() for p in world.placed],
        world.used.tolist(),
    ]
    return hashlib.sha256(_rounded(rows).encode()).hexdigest()


def _rounded(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_rounded(item) for item in value) + "]"
    return str(value)
