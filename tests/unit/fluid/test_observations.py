"""A live agent and a simulated one see the same numbers in the same situation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import dag, node, stage
from tests.unit.fluid import objects
from tests.unit.fluid.builders import episode, random_choice, simulator

from edgewright.agents.questions import question
from edgewright.agents.region import Region
from edgewright.agents.snapshot import PERIOD, look, snapshot
from edgewright.core.observe import HEAD, LIMIT, NODE, SLOT, Observation, observe, schema, size
from edgewright.core.outcome import PERCENTILE, VIOLATION
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Ingress, PlacementPolicy, Qos, ServiceDag
from edgewright.core.substrate import IntArray, Link, Substrate
from edgewright.core.units import GBPS, GIB, MBPS, MS
from edgewright.emulation.demand.episode import Episode
from edgewright.emulation.fluid.simulator import Fluid

METRICS = ("cpu", "uplink", "downlink")
PERIODS = 8
FAILURE = 4
"""The period in which a node of each agent dies."""
Town = tuple[Substrate, list[IntArray], list[ServiceDag], Episode]


def town(sizes: list[int], seed: int) -> Town:
    """A random city whose agents have so many nodes each, its DAGs, and what happens: one failure each."""
    rng = np.random.default_rng(seed)
    N, agents = sum(sizes), len(sizes)
    members = np.split(np.arange(N, dtype=np.int32), np.cumsum(sizes)[:-1])
    owner = np.repeat(np.arange(agents), sizes)
    nodes = [
        node(
            f"n{i:02d}",
            capacity=(
                float(rng.integers(2, 9)),
                float(rng.integers(2, 17)) * GIB,
                float(rng.integers(0, 3)),
                float(rng.integers(0, 3)),
                0.0,
                110.0,
            ),
            location=(300.0 * i, 0.0),
            zone=f"z{i % 2}",
            latency=(0.05 * MS, 0.0, 0.0),
        )
        for i in range(N)
    ]
    links = [
        Link(nodes[i].name, f"s{owner[i]}", rng.integers(5, 21) * 100 * MBPS, 0.1 * MS) for i in range(N)
    ]
    links += [Link(f"s{g}", f"s{g + 1}", 2 * GBPS, 0.5 * MS) for g in range(agents - 1)]
    links += [
        Link(nodes[m[0]].name, nodes[m[1]].name, GBPS, 0.03 * MS) for m in members if rng.random() < 0.5
    ]
    cells = [rng.choice(np.delete(members[q % agents], 1)) for q in range(2 * agents)]
    templates = [_service(rng, q, nodes[cell].name) for q, cell in enumerate(cells)]
    A = 3 * agents
    template = rng.integers(0, len(templates), A).astype(np.int32)
    down = np.zeros((PERIODS, N), np.bool_)
    down[FAILURE:, [m[1] for m in members]] = True
    script = Episode(
        period=PERIOD,
        dags=tuple(templates),
        region=np.arange(len(templates), dtype=np.int32) % agents,
        template=template,
        born=np.zeros(A, np.int32),
        ends=np.full(A, 2 * PERIODS, np.int32),
        factor=np.tile(rng.uniform(0.3, 2.0, A), (PERIODS, 1)),
        cell=np.tile(np.array(cells, np.int32)[template], (PERIODS, 1)),
        cell_rate=np.full((PERIODS, A), 5e9),
        down=down,
    )
    return compile_substrate(nodes, links), members, templates, script


def _service(rng: np.random.Generator, number: int, cell: str) -> ServiceDag:
    """Random stages, every one called by one before it and perhaps by a second."""
    count = int(rng.integers(1, 5))
    stages = [
        stage(
            "abcd"[i],
            work=float(rng.integers(1, 30)) * 1e6,
            request=(0.5, 0.25 * GIB, float(rng.random() < 0.1), float(rng.random() < 0.1), 0.0, 1.0),
            min_replicas=int(replicas),
            max_replicas=int(replicas),
        )
        for i, replicas in enumerate(rng.integers(1, 3, count))
    ]
    edges = [("abcd"[rng.integers(i)], "abcd"[i]) for i in range(1, count)]
    edges += [(a, "d") for a in "a" if count == 4 and ("a", "d") not in edges]
    made = dag(stages, edges, rate=float(rng.integers(1, 40)), payload=float(rng.integers(1, 200)) * 8e3)
    return replace(
        made,
        name=f"t{number}",
        flow=("pipeline", "requestResponse")[number // 2 % 2],
        invocations=tuple(replace(each, calls=float(rng.integers(1, 4))) for each in made.invocations),
        ingress=Ingress(node=cell),
        qos=Qos(max_latency=0.05 if rng.random() < 0.8 else None),
        policy=PlacementPolicy(max_migrations_per_minute=2),
    )


def region_of(city: Town, fluid: Fluid, g: int) -> Region:
    """The picture that agent g has, told by the objects of its situation."""
    substrate, members, templates, _ = city
    state, script, pool, t = fluid.state, fluid.script, fluid.pool, int(fluid.state.period[0])
    names = [each.name for each in substrate.nodes]
    region = Region((objects.NAMESPACE, "ec"), 0.0)
    region.grant_changed(objects.edge_controller([names[n] for n in members[g]]))
    for name, each in objects.nodes(substrate, script.down[0, t]).items():
        region.node_changed(name, each)
    region.topologies_changed([objects.edge_topology(substrate.links)])
    others = np.concatenate([m for other, m in enumerate(members) if other != g])
    elsewhere = float(np.minimum(state.late[0, others], 2.0).mean())
    region.load_changed("load-0", objects.node_load(elsewhere), 0.0)
    for a in state.active[0, : state.actives[0]]:
        q = int(script.template[0, a])
        if pool.region[q] != g:
            continue
        observed = {"requestsPerSecond": pool.rate[q] * script.factor[0, t, a]}
        if t > 0 and state.bound[0, a]:
            last = state.outcome[0, a]
            observed |= {"p95Ms": last[PERCENTILE] / MS, "violationProbability": last[VIOLATION]}
        name, cell = f"d{a}", names[script.cell[0, t, a]]
        manifest = objects.service_dag(name, templates[q], cell, {"observed": observed})
        region.dag_changed(manifest.metadata.key, manifest)
        for slot in range(int(pool.slots[q])):
            n = int(state.node[0, a, slot])
            on = names[n] if n >= 0 else ""
            region.pod_changed(
                None, objects.pod(name, templates[q], int(pool.slot_stage[q, slot]), slot, on), 0.0
            )
    return region


def live(city: Town, fluid: Fluid, g: int) -> Observation:
    """What agent g of a cluster would see in the simulated situation."""
    region, t = region_of(city, fluid, g), int(fluid.state.period[0])
    record = region.dags[objects.NAMESPACE, f"d{fluid.state.head[0, g]}"]
    waiting = [replica for replica in region.replicas(record, 0.0) if not replica.node]
    built = question(region, record, waiting, 0.0)
    assert built is not None
    waited = PERIOD * (t - FAILURE if t >= FAILURE and len(waiting) < len(record.pods) else t)
    sight = look(region, record, built[0], 0.0, waited=waited)
    return observe(snapshot(sight), fluid.nodes, fluid.slots)


def simulated(fluid: Fluid, g: int) -> Observation:
    """What agent g of the city sees; of the replicas of a stage, all alike, those with a node come first."""
    seen: Observation = fluid.told.observation[0, g].copy()
    slots = seen[len(HEAD) + fluid.nodes * len(NODE) :].reshape(fluid.slots, len(SLOT))
    q = fluid.script.template[0, fluid.state.head[0, g]]
    stages = fluid.pool.slot_stage[q, : fluid.pool.slots[q]]
    order = np.lexsort((np.arange(len(stages)), slots[: len(stages), -1] < 0, stages))
    slots[: len(stages)] = slots[order]
    return seen


def choose(fluid: Fluid, rng: np.random.Generator) -> IntArray:
    """Any nodes for what is pending; what is placed stays."""
    choice = random_choice(fluid, rng)
    choice[fluid.told.observation[:, :, HEAD.index("kind")] != 1.0] = fluid.nodes
    return choice


def names(fluid: Fluid) -> list[str]:
    """What each number of an observation is."""
    nodes = [f"node {i}: {name}" for i in range(fluid.nodes) for name in NODE]
    return [*HEAD, *nodes, *(f"slot {i}: {name}" for i in range(fluid.slots) for name in SLOT)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=2, max_size=3), st.integers(0, 2**32 - 1))
def test_live_and_simulated_agents_see_the_same(sizes: list[int], seed: int) -> None:
    city = town(sizes, seed)
    substrate, members, templates, script = city
    fluid, rng = Fluid(substrate, members, templates, script.region, noise=0.0), np.random.default_rng(seed)
    fluid.reset([script], [seed])
    compared = 0
    while not fluid.over:
        steady = fluid.state.period[0] != FAILURE  # what a node took is in the loads of the period before
        for g in np.flatnonzero(fluid.told.active[0]).tolist() if steady else ():
            seen, expected = live(city, fluid, g), simulated(fluid, g)
            wrong = ~np.isclose(seen, expected, rtol=1e-5, atol=1e-6)
            assert {name: (seen[i], expected[i]) for i, name in enumerate(names(fluid)) if wrong[i]} == {}, (
                fluid.state.period
            )
            compared += 1
        fluid.step(choose(fluid, rng))
    assert compared >= PERIODS - 2


def test_noise_is_on_metrics_alone() -> None:
    plain, noisy = simulator(noise=0.0), simulator(noise=0.2)
    for fluid in (plain, noisy):
        fluid.reset([episode()], [5])
        rng = np.random.default_rng(0)
        for _ in range(3):
            fluid.step(random_choice(fluid, rng))
    differs = (plain.told.observation != noisy.told.observation).any(axis=(0, 1))
    names = [*HEAD, *NODE * plain.nodes, *SLOT * plain.slots]
    assert {name for name, other in zip(names, differs, strict=True) if other} == {
        "cpu load",
        "uplink load",
        "downlink load",
    }


def test_noise_is_as_large_as_told_and_of_each_metric_its_own() -> None:
    plain, noisy = simulator(noise=0.0), simulator(noise=0.2)
    for fluid in (plain, noisy):
        fluid.reset([episode(periods=60, seed=i) for i in range(4)], range(4))
    rng, columns, errors = np.random.default_rng(0), [NODE.index(f"{x} load") for x in METRICS], []
    while not plain.over:
        choice = random_choice(plain, rng)
        seen = []
        for fluid in (plain, noisy):
            told = fluid.step(choice).observation[:, :, len(HEAD) : len(HEAD) + fluid.nodes * len(NODE)]
            seen.append(told.reshape(-1, len(NODE))[:, columns].astype(float))
        both = (seen[0] > 0.0).all(axis=1) & (seen[1] < LIMIT).all(axis=1)
        errors.append((seen[1][both] / seen[0][both] - 1.0) / 0.2)
    found = np.concatenate(errors)
    assert len(found) > 200
    assert np.abs(found).max() < 1.7321
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=0.2)
    np.testing.assert_allclose(np.cov(found.T), np.eye(len(METRICS)), atol=0.25)


def test_the_schema_names_every_number() -> None:
    assert size(4, 3) == len(HEAD) + 4 * len(NODE) + 3 * len(SLOT)
    assert len({schema(4, 3), schema(4, 4), schema(5, 3)}) == 3


def test_a_snapshot_that_does_not_fit_is_refused() -> None:
    city = town([4, 3], 0)
    substrate, members, templates, script = city
    fluid = Fluid(substrate, members, templates, script.region)
    fluid.reset([script], [0])
    region = region_of(city, fluid, 0)
    record = region.dags[objects.NAMESPACE, f"d{fluid.state.head[0, 0]}"]
    built = question(region, record, region.replicas(record, 0.0), 0.0)
    assert built is not None
    made = snapshot(look(region, record, built[0], 0.0))
    assert observe(made, 4, 20).shape == (size(4, 20),)
    with pytest.raises(ValueError, match="does not fit"):
        observe(made, 3, 20)
