"""Random small worlds for the event simulation: a few nodes, DAGs of both flows, replicas, users."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from tests.unit.core.builders import CAPACITY, node

from edgewright.core.load import station_load
from edgewright.core.problem import PlacedDag
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Link, Substrate
from edgewright.core.units import GBPS, KB, MS

World = tuple[list[PlacedDag], Substrate]


@st.composite
def worlds(draw: st.DrawFn, *, loads: tuple[float, ...] = (0.3, 0.6, 0.8, 1.3)) -> World:
    """Up to three DAGs of two to five stages on three or four nodes in two zones, loaded as drawn."""
    count = draw(st.integers(3, 4))
    nodes = [
        node(
            f"n{i}",
            capacity=(draw(st.sampled_from([2.0, 8.0])), *CAPACITY[1:]),
            zone=f"z{i % 2}",
            location=(300.0 * i, 0.0),
            radio=frozenset({"sub6"} if i % 2 else {"mmw"}),
            latency=(draw(st.sampled_from([0.0, 0.1 * MS])), 0.2 * MS, 0.0),
        )
        for i in range(count)
    ]
    links = [
        Link(n.name, f"s{i % 2}", GBPS * draw(st.sampled_from([0.5, 1.0])), 0.1 * MS)
        for i, n in enumerate(nodes)
    ]
    if draw(st.booleans()):
        links.append(Link("n0", "n1", 0.3 * GBPS, 0.01 * MS))
    substrate = compile_substrate(nodes, [*links, Link("s0", "s1", GBPS, 0.2 * MS)])
    placed = [draw(placements(f"dag-{q}", count)) for q in range(draw(st.integers(1, 3)))]
    busiest = float(np.sum([station_load(one, substrate) for one in placed], axis=0).max())
    return [scaled(one, draw(st.sampled_from(loads)) / busiest) for one in placed], substrate


def scaled(one: PlacedDag, factor: float) -> PlacedDag:
    """The same with `factor` times the requests."""
    demand = replace(one.dag.demand, rate=one.dag.demand.rate * factor)
    return PlacedDag(replace(one.dag, demand=demand), one.stage, one.node)


@st.composite
def placements(draw: st.DrawFn, name: str, nodes: int) -> PlacedDag:
    """A DAG of either flow with one to three replicas per stage, anywhere."""
    count = draw(st.integers(2, 5))
    stages = tuple(
        Microservice(
            f"m{i}",
            (0.5, 1e8, 0.0, 0.0, 0.0, 1.0),
            work=draw(st.sampled_from([0.0, 5e6, 20e6])) if i else 10e6,
            limit_cpu=draw(st.sampled_from([None, 0.5, 1.0, 2.0])),
            traffic=draw(st.sampled_from(["even", "sameNode", "sameZone"])),
        )
        for i in range(count)
    )
    edges = []
    for b in range(1, count):
        callers = draw(st.sets(st.integers(0, b - 1), min_size=0 if b < 3 else 1, max_size=2))
        edges += [
            Invocation(
                f"m{a}",
                f"m{b}",
                payload=draw(st.sampled_from([0.0, 30 * KB, 150 * KB])),
                response=draw(st.sampled_from([0.0, 20 * KB])),
                calls=draw(st.sampled_from([0.4, 1.0, 1.5, 2.0])),
                parallel=draw(st.booleans()),
            )
            for a in sorted(callers)
        ]
    slots = [
        (m, n)
        for m in range(count)
        for n in sorted(draw(st.sets(st.integers(0, nodes - 1), min_size=1, max_size=3)))
    ]
    dag = ServiceDag(
        "ns",
        name,
        stages,
        tuple(edges),
        Demand(draw(st.sampled_from([1.0, 3.0])), 100 * KB, 20 * KB),
        ingress=Ingress(
            location=(draw(st.sampled_from([0.0, 90.0, 900.0])), draw(st.sampled_from([20.0, 260.0])))
        ),
        flow=draw(st.sampled_from(["pipeline", "requestResponse"])),
        service_class=draw(st.sampled_from(["massive", "immersive"])),
    )
    stage, where = np.array(slots, np.int32).T
    return PlacedDag(dag, np.ascontiguousarray(stage), np.ascontiguousarray(where))
