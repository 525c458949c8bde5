"""An event simulation of requests through placed pipelines, which judges the latency model from outside.

It shares no formula with the model: every resource (node CPU, container CPU, port, link, cell) is split
max-min fairly among its jobs by progressive filling at every event; sizes are log-normal, arrivals Poisson.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from edgewright.core.problem import PlacedDag
from edgewright.core.radio import cell_rate, serving_cell
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import Substrate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WORK_SIGMA = float(np.sqrt(np.log(1 + 0.5)))
PAYLOAD_SIGMA = float(np.sqrt(np.log(1 + 0.75)))
JOBS, REQUESTS = 8192, 16384
USES = 12
"""Resources that one job can use at most."""


Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    return cast("Function", numba.njit(cache=True)(function))


class System(NamedTuple):
    """All DAGs in one numbering: stages and edges of DAG q are first[q] to first[q + 1]."""

    rate: Floats
    resource: Floats
    """(resources,) capacity."""
    first_stage: Ints
    first_edge: Ints
    inputs: Ints
    """(stages,) edges into a stage."""
    outputs: Ints
    """(dags,) edges into the user."""
    stage_uses: Ints
    """(stages, USES) resources of a stage's job, -1 pads."""
    stage_size: Floats
    stage_cap: Floats
    stage_delay: Floats
    source: Ints
    """(edges,) stage, -1 for the user."""
    target: Ints
    edge_uses: Ints
    edge_size: Floats
    edge_cap: Floats
    edge_delay: Floats


@dataclass(frozen=True)
class Observed:
    """What the simulation saw of each DAG."""

    latency: list[Floats]
    """Seconds of each request after the first tenth."""
    busy: Floats
    """(resources,) share of capacity in use over time."""


def build(placed: list[PlacedDag], substrate: Substrate) -> System:
    """The system of `placed` pipelines with one replica per stage on `substrate`."""
    stations = substrate.station_capacity
    capacity = list(stations)
    cells: dict[int, float] = {}
    system: dict[str, list[Any]] = {name: [] for name in System._fields}
    system["first_stage"], system["first_edge"] = [0], [0]
    for one in placed:
        _add(one.dag, [int(n) for n in one.node], substrate, capacity, cells, system)
    kinds = {"rate", "stage_size", "stage_cap", "stage_delay", "edge_size", "edge_cap", "edge_delay"}
    columns: dict[str, Any] = {
        name: np.array(system[name], np.float64 if name in kinds else np.int64)
        for name in System._fields
        if name != "resource"
    }
    return System(resource=np.array(capacity, np.float64), **columns)


def _add(
    dag: ServiceDag,
    nodes: list[int],
    substrate: Substrate,
    capacity: list[float],
    cells: dict[int, float],
    system: dict[str, list[Any]],
) -> None:
    N, names = len(substrate.nodes), [m.name for m in dag.microservices]
    base = len(system["inputs"])
    serving = serving_cell(substrate, dag.ingress)
    assert serving is not None
    cell, distance = serving
    rate = cell_rate(substrate.nodes[cell].radio, distance, immersive=dag.service_class == "immersive")
    for station in (3 * N + cell, 4 * N + cell):
        assert cells.setdefault(station, rate) == rate, "one rate per cell keeps this simulation simple"
        capacity[station] = rate

    def wire(u: int, v: int) -> tuple[list[int], float, float]:
        if u == v:
            return [], np.inf, 0.0
        hops = [int(s) for s in substrate.path[u, v] if s != substrate.dummy]
        return (
            [N + u, *hops, 2 * N + v],
            float(substrate.path_bandwidth[u, v]),
            float(substrate.path_delay[u, v]),
        )

    edges = [(names.index(i.source), names.index(i.target), i.payload) for i in dag.invocations]
    sources = [m for m in range(len(names)) if all(m != t for _, t, _ in edges)]
    sinks = [m for m in range(len(names)) if all(m != s for s, _, _ in edges)]
    for m, microservice in enumerate(dag.microservices):
        node = substrate.nodes[nodes[m]]
        cores = min(microservice.limit_cpu or np.inf, node.capacity[0])
        uses = [nodes[m]]
        if cores < node.capacity[0]:
            uses.append(len(capacity))
            capacity.append(cores * node.speed)
        system["stage_uses"].append(uses + [-1] * (USES - len(uses)))
        system["stage_size"].append(microservice.work)
        system["stage_cap"].append(cores * node.speed)
        system["stage_delay"].append(node.latency[0])
        system["inputs"].append(sum(t == m for _, t, _ in edges) + (m in sources))
    radio = substrate.nodes[cell].latency[1]
    flows = (
        [(-1, m, dag.demand.payload) for m in sources] + edges + [(m, -1, dag.demand.response) for m in sinks]
    )
    for source, target, size in flows:
        u, v = (nodes[source] if source >= 0 else cell), (nodes[target] if target >= 0 else cell)
        uses, cap, delay = wire(u, v)
        if source < 0 or target < 0:
            uses = [(3 if source < 0 else 4) * N + cell, *uses]
            cap, delay = min(cap, rate), delay + radio
        system["source"].append(source + base if source >= 0 else -1)
        system["target"].append(target + base if target >= 0 else -1)
        system["edge_uses"].append(uses + [-1] * (USES - len(uses)))
        system["edge_size"].append(size)
        system["edge_cap"].append(cap)
        system["edge_delay"].append(delay)
    system["rate"].append(dag.demand.rate)
    system["outputs"].append(len(sinks))
    system["first_stage"].append(base + len(names))
    system["first_edge"].append(len(system["source"]))


def simulate(system: System, requests: int, seed: int) -> Observed:
    """Run until `requests` requests in all have arrived and ended."""
    dag, latency, busy = _run(system, requests, seed)
    skip = requests // 10
    ended = latency[skip:]
    return Observed([ended[(dag[skip:] == q) & (ended >= 0)] for q in range(len(system.rate))], busy)


@_compiled
def _fill(  # noqa: PLR0912 (progressive filling, read top to bottom)
    active: Ints, count: int, uses: Ints, cap: Floats, left: Floats, users: Ints, rate: Floats
) -> None:
    """Max-min fair rates of the active jobs by progressive filling; `left` and `users` are work space."""
    for a in range(count):
        rate[active[a]] = -1.0
    todo = count
    while todo > 0:
        level = np.inf
        for a in range(count):
            j = active[a]
            if rate[j] < 0.0:
                level = min(level, cap[j])
                for u in uses[j]:
                    if u < 0:
                        break
                    level = min(level, left[u] / users[u])
        for a in range(count):
            j = active[a]
            if rate[j] >= 0.0:
                continue
            tight = cap[j] <= level * (1 + 1e-12)
            for u in uses[j]:
                if u < 0:
                    break
                tight = tight or left[u] / users[u] <= level * (1 + 1e-12)
            if tight:
                rate[j] = level
        for a in range(count):
            j = active[a]
            if rate[j] == level and cap[j] >= 0.0:
                for u in uses[j]:
                    if u < 0:
                        break
                    left[u] -= level
                    users[u] -= 1
                cap[j] = -cap[j] - 1.0
                todo -= 1
    for a in range(count):
        j = active[a]
        cap[j] = -(cap[j] + 1.0)


@_compiled
def _run(  # noqa: PLR0912, PLR0915 (one event loop, read top to bottom)
    system: System, requests: int, seed: int
) -> tuple[Ints, Floats, Floats]:

    np.random.seed(seed)
    total = system.rate.sum()
    stages = system.first_stage[-1]
    kind = np.zeros(JOBS, np.int64)  # 0 free, 1 stage, 2 edge, 3 delay after a stage, 4 delay after an edge
    what, owner = np.zeros(JOBS, np.int64), np.zeros(JOBS, np.int64)
    size, cap, rate = np.zeros(JOBS), np.zeros(JOBS), np.zeros(JOBS)
    uses = np.full((JOBS, USES), -1)
    active, count = np.zeros(JOBS, np.int64), 0
    free = np.arange(JOBS - 1, -1, -1)
    spare = JOBS
    left, users = system.resource.copy(), np.zeros(len(system.resource), np.int64)
    work = np.zeros(len(system.resource))
    dag, born, latency = np.zeros(requests, np.int64), np.zeros(requests), np.full(requests, -1.0)
    waits = np.zeros((REQUESTS, stages), np.int64)
    exits = np.zeros(REQUESTS, np.int64)
    now, arrived, coming = 0.0, 0, np.random.exponential(1.0 / total)
    start = np.zeros((64, 3), np.int64)  # jobs to start: kind, what, owner
    while arrived < requests or count > 0:
        for a in range(count):
            j = active[a]
            for u in uses[j]:
                if u < 0:
                    break
                left[u] = system.resource[u]
                users[u] = 0
        for a in range(count):
            for u in uses[active[a]]:
                if u < 0:
                    break
                users[u] += 1
        _fill(active, count, uses, cap, left, users, rate)
        step, first = coming - now if arrived < requests else np.inf, -1
        for a in range(count):
            j = active[a]
            if size[j] <= step * rate[j]:
                step, first = size[j] / rate[j], a
        now += step
        for a in range(count):
            j = active[a]
            size[j] -= step * rate[j]
            for u in uses[j]:
                if u < 0:
                    break
                work[u] += step * rate[j]
        begun = 0
        if first < 0:
            q, pick = 0, np.random.random() * total
            while q < len(system.rate) - 1 and pick >= system.rate[q]:
                pick -= system.rate[q]
                q += 1
            r = arrived
            dag[r], born[r] = q, now
            for m in range(system.first_stage[q], system.first_stage[q + 1]):
                waits[r % REQUESTS, m] = system.inputs[m]
            exits[r % REQUESTS] = system.outputs[q]
            for e in range(system.first_edge[q], system.first_edge[q + 1]):
                if system.source[e] < 0:
                    start[begun] = (2, e, r)
                    begun += 1
            arrived += 1
            coming = now + np.random.exponential(1.0 / total)
        else:
            j = active[first]
            active[first] = active[count - 1]
            count -= 1
            k, w, r = kind[j], what[j], owner[j]
            free[spare] = j
            spare += 1
            if k <= 2:
                start[0] = (k + 2, w, r)
                begun = 1
            elif k == 3:
                q = dag[r]
                for e in range(system.first_edge[q], system.first_edge[q + 1]):
                    if system.source[e] == w:
                        start[begun] = (2, e, r)
                        begun += 1
            else:
                target = system.target[w]
                if target < 0:
                    exits[r % REQUESTS] -= 1
                    if exits[r % REQUESTS] == 0:
                        latency[r] = now - born[r]
                else:
                    waits[r % REQUESTS, target] -= 1
                    if waits[r % REQUESTS, target] == 0:
                        start[0] = (1, target, r)
                        begun = 1
        for b in range(begun):
            spare -= 1
            j = free[spare]
            k, w = start[b, 0], start[b, 1]
            kind[j], what[j], owner[j] = k, w, start[b, 2]
            uses[j, :] = -1
            if k == 1:
                factor = np.exp(WORK_SIGMA * np.random.normal() - WORK_SIGMA**2 / 2)
                size[j], cap[j] = system.stage_size[w] * factor, system.stage_cap[w]
                uses[j] = system.stage_uses[w]
            elif k == 2:
                factor = np.exp(PAYLOAD_SIGMA * np.random.normal() - PAYLOAD_SIGMA**2 / 2)
                size[j], cap[j] = system.edge_size[w] * factor, min(system.edge_cap[w], 1e18)
                uses[j] = system.edge_uses[w]
            else:
                size[j], cap[j] = (system.stage_delay[w] if k == 3 else system.edge_delay[w]), 1.0
            active[count] = j
            count += 1
    return dag, latency, work / now / system.resource
