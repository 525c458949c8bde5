"""Small worlds for the tests of core: nodes, links, DAGs and the problem of placing one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import IntArray, Link, Node, Substrate
from edgewright.core.units import GBPS, GIB, KB, MS

CAPACITY = (8.0, 16 * GIB, 0.0, 0.0, 10 * GBPS, 110.0)
REQUEST = (0.5, 0.25 * GIB, 0.0, 0.0, 0.0, 1.0)


def node(name: str, **changes: Any) -> Node:
    """An edge node of 8 cores with an mmWave cell."""
    plain = Node(name, CAPACITY, radio=frozenset({"mmw"}), location=(0.0, 0.0), latency=(0.0, 0.2 * MS, 0.0))
    return replace(plain, **changes)


def star(count: int, *, bandwidth: float = GBPS, delay: float = 0.1 * MS, **changes: Any) -> Substrate:
    """`count` nodes `n0`, `n1`, ... 300 m apart, each on one link to a switch."""
    nodes = [node(f"n{i}", location=(300.0 * i, 0.0), **changes) for i in range(count)]
    return compile_substrate(nodes, [Link(n.name, "switch", bandwidth, delay) for n in nodes])


def stage(name: str, work: float = 10e6, **changes: Any) -> Microservice:
    """A microservice of 10 M instructions and half a core."""
    return replace(Microservice(name, REQUEST, work, limit_cpu=2.0), **changes)


def dag(
    stages: Sequence[Microservice],
    edges: Sequence[tuple[str, str]] = (),
    *,
    rate: float = 20.0,
    payload: float = 100 * KB,
    inner: float = 50 * KB,
    response: float = 20 * KB,
    **changes: Any,
) -> ServiceDag:
    """A pipeline with users at node n0's cell."""
    inside = tuple(Invocation(a, b, inner, response=inner / 2) for a, b in edges)
    demand = Demand(rate, payload, response)
    plain = ServiceDag("ns", "dag", tuple(stages), inside, demand, ingress=Ingress(node="n0"))
    return replace(plain, **changes)


def chain(*names: str, **changes: Any) -> ServiceDag:
    """One stage after the other."""
    return dag([stage(n) for n in names], list(pairwise(names)), **changes)


def diamond(**changes: Any) -> ServiceDag:
    """a forks to b and c, d joins them."""
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    return dag([stage(n) for n in "abcd"], edges, **changes)


def problem(
    service: ServiceDag,
    substrate: Substrate,
    *,
    replicas: Sequence[int] | None = None,
    fixed: Sequence[int] | None = None,
    others: Sequence[PlacedDag] = (),
    foreign: Sequence[float] = (),
    stale: bool = False,
) -> Problem:
    """Place `service`; `foreign` cores are requested by strangers on each node."""
    counts = replicas or [1] * len(service.microservices)
    stages = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    used = np.zeros_like(substrate.capacity)
    used[: len(foreign), 0] = foreign
    for other in others:
        for m, n in zip(other.stage, other.node, strict=True):
            used[n] += np.array(other.dag.microservices[m].request)
    return Problem(
        world=World(substrate, used, tuple(others), stale),
        dag=service,
        stage=stages,
        fixed=np.full(len(stages), UNPLACED, np.int32) if fixed is None else array(fixed),
        allowed=np.ones((len(stages), len(substrate.nodes)), bool),
    )


def array(values: Sequence[int]) -> IntArray:
    """Node indices as core takes them."""
    return np.array(values, np.int32)


def placed(service: ServiceDag, nodes: Sequence[int]) -> PlacedDag:
    """One replica of each stage on `nodes`."""
    return PlacedDag(service, np.arange(len(nodes), dtype=np.int32), array(nodes))


def hard(max_latency: float | None = None, **bounds: Any) -> Qos:
    """Required bounds."""
    return Qos(max_latency=max_latency, required=True, **bounds)
