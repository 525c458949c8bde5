"""Small cities for the tests of the simulator: a few nodes, two agents, a handful of DAGs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tests.unit.core.builders import dag, node, stage

from edgewright.core.routes import compile_substrate
from edgewright.core.service import Ingress, PlacementPolicy, Qos, ServiceDag
from edgewright.core.substrate import IntArray, Link, Substrate
from edgewright.core.units import GBPS, MS
from edgewright.emulation.demand.episode import Episode
from edgewright.emulation.fluid.simulator import Fluid

NODES, AGENTS = 8, 2


def town() -> Substrate:
    """Two regions of four nodes, each around a switch, a slower link between them."""
    nodes = [
        node(
            f"n{i}",
            location=(300.0 * i, 0.0),
            zone=f"z{i % 2}",
            success=0.9999,
            latency=(0.05 * MS, 0.0, 0.0),
        )
        for i in range(NODES)
    ]
    links = [Link(f"n{i}", f"s{i // 4}", GBPS * (1 + i % 2), 0.1 * MS, success=0.9995) for i in range(NODES)]
    extra = [Link("n0", "n1", 2 * GBPS, 0.05 * MS), Link("s0", "s1", 2 * GBPS, 0.5 * MS)]
    return compile_substrate(nodes, [*links, *extra])


def members() -> list[IntArray]:
    """Nodes of the two agents."""
    return [np.arange(4 * g, 4 * g + 4, dtype=np.int32) for g in range(AGENTS)]


def templates() -> tuple[ServiceDag, ...]:
    """A fork-join pipeline, calls with two replicas, a single stage, two exits, two entries."""
    fork = dag(
        [stage(n) for n in "abcd"],
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        qos=Qos(max_latency=0.05),
    )
    calls = dag(
        [stage("x"), stage("y", min_replicas=2, max_replicas=2), stage("z")],
        [("x", "y"), ("x", "z")],
        flow="requestResponse",
        qos=Qos(max_latency=0.08, max_jitter=0.02, max_skew=0.02, min_success=0.99),
    )
    alone = dag([stage("only", spread="none")])
    exits = dag([stage(n, limit_cpu=None) for n in "abcde"], [("a", "b"), ("a", "c"), ("b", "d"), ("c", "e")])
    entries = dag([stage(n) for n in "abcd"], [("a", "c"), ("b", "c"), ("b", "d")])
    policy = PlacementPolicy(max_migrations_per_minute=2)
    found = []
    for i, one in enumerate((fork, calls, alone, exits, calls, entries)):
        where = Ingress(node=f"n{4 * (i % AGENTS)}")
        found.append(replace(one, name=f"t{i}", ingress=where, policy=policy))
    return tuple(found)


def episode(
    *,
    periods: int = 12,
    instances: int = 8,
    seed: int = 0,
    failures: bool = False,
    dags: Sequence[ServiceDag] | None = None,
) -> Episode:
    """Instances of `dags` (`templates`) that come and go, with rates, cells and radio that change."""
    rng = np.random.default_rng([seed, 1])
    dags, T, A = tuple(dags or templates()), periods, instances
    template = rng.integers(0, len(dags), A).astype(np.int32)
    born = np.sort(rng.integers(0, max(T // 2, 1), A)).astype(np.int32)
    born[: A // 2] = 0
    cells = np.array([4 * (i % AGENTS) for i in range(len(dags))])[template]
    moved = rng.random((T, A)) < 0.1
    down = np.zeros((T, NODES), np.bool_)
    if failures:
        down[T // 2 :, 1] = True
    return Episode(
        period=10.0,
        dags=dags,
        region=np.arange(len(dags), dtype=np.int32) % AGENTS,
        template=template,
        born=born,
        ends=(born + rng.integers(2, 2 * T, A)).astype(np.int32),
        factor=rng.uniform(0.3, 2.0, (T, A)),
        cell=np.where(moved, cells + 1, cells).astype(np.int32),
        cell_rate=rng.choice([0.0, 2e8, 5e8, 2e9, 9e9], (T, A)),
        down=down,
    )


def simulator(dags: Sequence[ServiceDag] | None = None, **options: object) -> Fluid:
    """The town with its agents and `dags` (`templates`)."""
    dags = dags or templates()
    region = np.arange(len(dags), dtype=np.int32) % AGENTS
    return Fluid(town(), members(), dags, region, **options)  # type: ignore[arg-type]


def random_choice(fluid: Fluid, rng: np.random.Generator) -> IntArray:
    """Any node for every slot of every agent."""
    B, G = fluid.told.active.shape
    return rng.integers(0, fluid.nodes, (B, G, fluid.slots)).astype(np.int32)
