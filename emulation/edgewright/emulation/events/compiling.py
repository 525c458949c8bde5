"""From placed DAGs and a substrate to the arrays of an event simulation."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.core.problem import PlacedDag
from edgewright.core.radio import attachment
from edgewright.core.service import CPU, ServiceDag, topological_order
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.events.state import NONE
from edgewright.emulation.events.system import STREAM, TASK, USE, WAY, Plan, System

WORK_SIGMA, PAYLOAD_SIGMA = math.sqrt(math.log1p(0.5)), math.sqrt(math.log1p(0.75))
"""Of the logarithm of a size: squared variation 0.5 of work, 0.75 of payloads."""
FOREIGN_SECONDS = 0.01
"""Mean time of a foreign job on a core of its own: it is single-threaded."""
USER = -1
"""The users, as the source or target of a transfer."""

Access = tuple[int, float, float] | None
"""(cell, rate, fixed delay) of a DAG's users; None where there is no cell and access costs nothing."""
Flow = tuple[int, int, float, float, int, int]
"""Transfer (source, target, mean bits, calls, its response or NONE, 1 if parallel); stages are local."""


def compile_system(
    placed: Sequence[PlacedDag],
    substrate: Substrate,
    *,
    seed: int,
    timeout: float,
    foreign: FloatArray | None = None,
) -> Plan:
    """Arrays of `placed` and of `foreign` (N,) utilisation of CPUs by pods that are not ours.

    Raises ValueError naming what cannot run: a stage without replica or with one on a node that is not there,
    an ingress that is not there, a pair without a path, a demand that is no number, the same DAG twice.
    """
    build = _Build(substrate, seed)
    access = [build.access(one.dag) for one in placed]
    keys = [one.dag.key for one in placed]
    for one, way_in in zip(placed, access, strict=True):
        if keys.count(one.dag.key) > 1:
            raise ValueError(f"{_name(one.dag)} is given twice; a DAG is placed once, with all its replicas")
        _Dag(build, one, way_in).add()
    first = [stream["first"] for stream in build.streams] + [len(build.tasks)]
    if foreign is not None:
        _add_foreign(build, foreign)
    system = System(
        streams=_records(build.streams, STREAM),
        tasks=_records(build.tasks, TASK),
        ways=_records(build.ways, WAY),
        uses=_records(build.uses, USE),
        out=np.array(build.out, np.int32),
        order=np.array(build.order, np.int32),
        near=np.array(build.near, np.int32),
        width=max([1, *(way["last"] - way["first"] for way in build.ways)]),
        stages=max([1, *(stream["stages"] for stream in build.streams)]),
        branches=build.branches,
        timeout=timeout,
    )
    return Plan(system, np.array(build.capacity, np.float64), np.array(first, np.int32))


def _records(rows: list[dict[str, Any]], kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Rows by field name as an array; a field that a row lacks is 0."""
    array = np.zeros(len(rows), kind)
    for name in kind.names or ():
        array[name] = [row.get(name, 0) for row in rows]
    return array


def _name(dag: ServiceDag) -> str:
    return f"ServiceDAG {dag.namespace}/{dag.name}"


def _add_foreign(build: "_Build", foreign: FloatArray) -> None:
    """Single jobs of FOREIGN_SECONDS on one core each, Poisson, as many as the utilisation asks for."""
    nodes = build.substrate.nodes
    if foreign.shape != (len(nodes),) or not ((foreign >= 0) & (foreign < 1)).all():
        raise ValueError(
            f"foreign load of shape {foreign.shape}: give the utilisation of each of the {len(nodes)} nodes' "
            "CPUs, at least 0 and below 1"
        )
    for n in np.flatnonzero(foreign > 0):
        base, speed = len(build.tasks), nodes[n].speed
        way = build.way([(int(n), 1.0)], speed, nodes[n].capacity[CPU] * speed)
        nothing = build.way([], math.inf, math.inf)
        size = FOREIGN_SECONDS * speed
        build.tasks += [
            {"mean": size, "sigma": WORK_SIGMA, "way": way, "width": 1, "replicas": 1, "inputs": 1,
             "near": NONE, "caller": NONE, "out_first": len(build.out) + 1, "out_last": len(build.out) + 2},
            {"way": nothing, "width": 1, "source": USER, "target": base},
            {"way": nothing, "width": 1, "source": base, "target": USER},
        ]  # fmt: skip
        build.out += [base + 1, base + 2]
        build.stream(
            f"foreign/{nodes[n].name}",
            rate=float(foreign[n]) * build.capacity[n] / size,
            first=base, stages=1, out_first=len(build.out) - 2, out_last=len(build.out) - 1,
            exits=1, pipeline=1, measured=0,
        )  # fmt: skip
        build.order += [0, 0, 0]


class _Build:
    """Arrays under construction, shared by all DAGs."""

    def __init__(self, substrate: Substrate, seed: int) -> None:
        self.substrate, self.seed = substrate, seed
        self.capacity = [float(c) for c in substrate.station_capacity]
        self.streams: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.ways: list[dict[str, Any]] = []
        self.uses: list[dict[str, Any]] = []
        self.out: list[int] = []
        self.order: list[int] = []
        self.near: list[int] = []
        self.branches = 4
        N = len(substrate.nodes)
        self.cells = dict.fromkeys(range(3 * N, 5 * N), 0.0)

    def access(self, dag: ServiceDag) -> Access:
        """How the users of `dag` are attached; their cell's capacity becomes its fastest user's rate."""
        found = attachment(self.substrate, dag.ingress, immersive=dag.service_class == "immersive")
        if found is None and dag.ingress.node is not None:
            raise ValueError(f"{_name(dag)}: ingress node {dag.ingress.node} is no node of the topology")
        if found is not None and found[1] < math.inf:
            (cell, rate, _), N = found, len(self.substrate.nodes)
            for station in (3 * N + cell, 4 * N + cell):
                self.cells[station] = self.capacity[station] = max(self.cells[station], rate)
        return found

    def stream(self, name: str, **fields: Any) -> None:
        """One more stream of requests, with random numbers of its own by its name."""
        digest = hashlib.blake2b(f"{self.seed} {name}".encode(), digest_size=8).digest()
        self.streams.append({"key": int.from_bytes(digest, "little"), **fields})

    def way(self, stations: list[tuple[int, float]], cap: float, least: float, **fields: float) -> int:
        """A new way over (station, capacity taken per unit of rate); rates up to `cap` and `least`."""
        weight = fields.get("weight", 1.0)
        first = len(self.uses)
        self.uses += [
            {"station": station, "amount": amount, "share": amount * weight}
            for station, amount in stations
            if math.isfinite(self.capacity[station])
        ]
        cap = min(cap, least) / weight
        self.ways.append({"cap": cap, "first": first, "last": len(self.uses), **fields, "weight": weight})
        return len(self.ways) - 1


class _Dag:
    """One placed DAG on its way into the arrays."""

    def __init__(self, build: _Build, placed: PlacedDag, access: Access) -> None:
        self.build, self.dag, self.access = build, placed.dag, access
        self.pipeline = placed.dag.flow == "pipeline"
        self.base, self.M = len(build.tasks), len(placed.dag.microservices)
        index = {m.name: i for i, m in enumerate(placed.dag.microservices)}
        self.links = [(index[i.source], index[i.target]) for i in placed.dag.invocations]
        self.nodes = self._replicas(placed)
        rate = placed.dag.demand.rate
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"{_name(placed.dag)}: spec.demand.rate is {rate}; give requests per second")

    def _replicas(self, placed: PlacedDag) -> list[list[int]]:
        """Nodes of each stage's replicas, in order."""
        nodes: list[list[int]] = [[] for _ in range(self.M)]
        for stage, node in zip(placed.stage.tolist(), placed.node.tolist(), strict=True):
            if node >= len(self.build.substrate.nodes):
                raise ValueError(f"{_name(self.dag)}: a replica is on node {node}, which is not there")
            if node >= 0:
                nodes[stage].append(node)
        for m, row in enumerate(nodes):
            if not row:
                name = self.dag.microservices[m].name
                raise ValueError(f"{_name(self.dag)}: {name} has no replica on a node; place it first")
            row.sort()
        return nodes

    def add(self) -> None:
        """Append stages, transfers and the stream of requests."""
        build, base = self.build, self.base
        for m in range(self.M):
            self._stage(m)
        flows, entries, exits = self._flows()
        out: list[list[int]] = [[] for _ in range(self.M + 1)]
        for at, flow in enumerate(flows):
            self._transfer(flow)
            if self.pipeline or at < entries + len(self.links):  # responses belong to their calls
                out[flow[0]].append(base + self.M + at)
                if flow[1] != USER:
                    build.tasks[base + flow[1]]["inputs"] += 1
        for m, row in enumerate(out):
            row.sort(key=lambda task: build.tasks[task]["parallel"])
            ends = {"out_first": len(build.out), "out_last": len(build.out) + len(row)}
            build.out += row
            if m < self.M:
                build.tasks[base + m].update(ends)
        order = topological_order(self.dag)
        build.order += [*order, *([0] * len(flows))]
        build.branches = max(build.branches, self._branches(order))
        build.stream(
            f"{self.dag.namespace}/{self.dag.name}",
            rate=float(self.dag.demand.rate), first=base, stages=self.M, exits=exits,
            pipeline=int(self.pipeline), measured=1, **ends,
        )  # fmt: skip

    def _flows(self) -> tuple[list[Flow], int, int]:
        """Transfers (from the user, invocations, their responses, to the user), entries and exits."""
        called, callers = {b for _, b in self.links}, {a for a, _ in self.links}
        entries = [m for m in range(self.M) if m not in called]
        exits = [m for m in range(self.M) if m not in callers] if self.pipeline else entries
        n, E, first = len(entries), len(self.links), self.base + self.M
        demand, both = self.dag.demand, list(zip(self.dag.invocations, self.links, strict=True))
        call = not self.pipeline
        flows: list[Flow] = []
        for at, m in enumerate(entries):
            flows.append((USER, m, demand.payload, 1.0, first + n + 2 * E + at if call else NONE, 1))
        for e, (i, (a, b)) in enumerate(both):
            calls = i.calls if call else 1.0
            flows.append((a, b, i.payload, calls, first + n + E + e if call else NONE, int(i.parallel)))
        if call:
            flows += [(b, a, i.response, 1.0, NONE, 1) for i, (a, b) in both]
        flows += [(m, USER, demand.response, 1.0, NONE, 1) for m in exits]
        return flows, n, len(exits)

    def _stage(self, m: int) -> None:
        build, microservice, nodes = self.build, self.dag.microservices[m], self.nodes[m]
        way = len(build.ways)
        for n in nodes:
            node = build.substrate.nodes[n]
            cores = min(microservice.limit_cpu or math.inf, node.capacity[CPU])
            if cores <= 0 < microservice.work:
                raise ValueError(
                    f"{_name(self.dag)}: {microservice.name} is on {node.name}, which has no CPU"
                )
            stations = [(n, 1.0)]
            if cores < node.capacity[CPU]:
                stations.append((len(build.capacity), 1.0))
                build.capacity.append(cores * node.speed)
            build.way(stations, cores * node.speed, math.inf, delay=node.latency[0])
        caller = next((a for a, b in self.links if b == m), NONE)
        build.tasks.append(
            {"mean": microservice.work, "sigma": WORK_SIGMA, "way": way, "width": 1, "replicas": len(nodes),
             "source": NONE, "target": NONE, "inputs": 0, "caller": caller, "near": self._near(m, caller)}
        )  # fmt: skip

    def _near(self, m: int, caller: int) -> int:
        """Rows of preferred replicas for each replica of the caller; NONE without any preference."""
        traffic, nodes = self.dag.microservices[m].traffic, self.build.substrate.nodes
        if traffic == "even" or caller == NONE:
            return NONE
        first = len(self.build.near)
        for a in self.nodes[caller]:
            for b in self.nodes[m]:
                same_zone = nodes[a].zone == nodes[b].zone != "" or a == b
                self.build.near.append(int(a == b if traffic == "sameNode" else same_zone))
        return first

    def _transfer(self, flow: Flow) -> None:
        source, target, size, calls, back, parallel = flow
        way = len(self.build.ways)
        for u in self.nodes[source] if source != USER else [USER]:
            for v in self.nodes[target] if target != USER else [USER]:
                self._route(u, v)
        self.build.tasks.append(
            {"mean": size, "sigma": PAYLOAD_SIGMA, "calls": calls, "way": way, "back": back,
             "width": len(self.nodes[target]) if target != USER else 1, "parallel": parallel,
             "source": NONE if source == USER else self.base + source,
             "target": NONE if target == USER else self.base + target}
        )  # fmt: skip

    def _route(self, u: int, v: int) -> None:
        """The way from node u to node v, either of them the USER."""
        build, substrate = self.build, self.build.substrate
        N, stations, rate, delay, weight = len(substrate.nodes), [], math.inf, 0.0, 1.0
        if USER in (u, v):
            if self.access is None:
                build.way([], math.inf, math.inf)
                return
            cell, rate, delay = self.access
            station = (3 if u == USER else 4) * N + cell
            u, v = (cell, v) if u == USER else (u, cell)
            if math.isfinite(rate):
                # Equal airtime: a slow user's bits take more of the cell, and its level counts for less rate.
                weight = rate / build.capacity[station]
                stations.append((station, 1.0 / weight))
        if u != v:
            if not math.isfinite(substrate.path_delay[u, v]):
                a, b = substrate.nodes[u].name, substrate.nodes[v].name
                raise ValueError(f"{_name(self.dag)}: there is no path from {a} to {b}; add a link")
            hops = [int(s) for s in substrate.path[u, v] if s != substrate.dummy]
            stations += [(s, 1.0) for s in (N + u, *hops, 2 * N + v)]
            delay += float(substrate.path_delay[u, v])
        build.way(stations, rate, float(substrate.path_bandwidth[u, v]), delay=delay, weight=weight)

    def _branches(self, order: tuple[int, ...]) -> int:
        """Most jobs or calls that one request has at once."""
        tasks, most = self.build.tasks, [1] * self.M
        if self.pipeline:
            return len(tasks) - self.base
        for m in reversed(order):
            below = [(a, b, i) for i, (a, b) in zip(self.dag.invocations, self.links, strict=True) if a == m]
            together = sum(1 + most[b] for _, b, i in below if i.parallel)
            most[m] = 1 + max([together, *(1 + most[b] for _, b, i in below if not i.parallel)])
        return sum(most) + self.M
