"""Placements follow core's masks; moves, failures and queues do what the reference says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.builders import diamond, problem, star
from tests.unit.fluid.builders import episode, random_choice, simulator, templates, town

from edgewright.core.masks import mask_after, node_mask
from edgewright.core.outcome import MEAN, SUCCESS
from edgewright.core.problem import Problem, World
from edgewright.core.rewards import usage
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import RHO_CAP
from edgewright.emulation.demand.episode import Episode
from edgewright.emulation.fluid.simulator import Fluid
from edgewright.emulation.fluid.state import FAILED, MIGRATED, PLACED


def one(q: int, *, periods: int = 12, load: float = 1.0) -> Episode:
    """One instance of template q from the start on."""
    plain = episode(periods=periods)
    return Episode(
        period=10.0,
        dags=plain.dags,
        region=plain.region,
        template=np.array([q], np.int32),
        born=np.zeros(1, np.int32),
        ends=np.full(1, 100, np.int32),
        factor=np.full((periods, 1), load),
        cell=np.full((periods, 1), 4 * (q % 2), np.int32),
        cell_rate=np.full((periods, 1), 5e9),
        down=np.zeros((periods, 8), np.bool_),
    )


def begin(q: int, **options: object) -> Fluid:
    fluid = simulator(noise=0.0)
    fluid.reset([one(q, **options)], [0])  # type: ignore[arg-type]
    return fluid


def choice(fluid: Fluid, rows: list[int]) -> IntArray:
    """Rows for the first slots of the first agent, 'pending' for the rest."""
    out = np.full((1, fluid.agents, fluid.slots), fluid.nodes, np.int32)
    out[0, 0, : len(rows)] = rows
    return out


def reserved(fluid: Fluid) -> FloatArray:
    """What all replicas request, counted anew."""
    state, script, pool = fluid.state, fluid.script, fluid.pool
    used = np.zeros_like(state.used)
    for b, a, slot in np.argwhere((state.node >= 0) | (state.moving >= 0)):
        q = script.template[b, a]
        for nodes in (state.node, state.moving):
            if nodes[b, a, slot] >= 0:
                used[b, nodes[b, a, slot]] += pool.request[q, pool.slot_stage[q, slot]]
    return used


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_reservations_are_those_of_the_replicas(seed: int) -> None:
    fluid, rng = simulator(), np.random.default_rng(seed)
    fluid.reset([episode(seed=seed, failures=True)], [seed])
    while not fluid.over:
        told = fluid.step(random_choice(fluid, rng))
        np.testing.assert_allclose(fluid.state.used, reserved(fluid), atol=1e-3)
        assert (fluid.state.used <= fluid.ground.capacity * (1 + 1e-9)).all()
        assert np.isfinite(told.reward).all()
        assert (told.reward >= -2.5).all()
        assert (told.reward <= 0.0).all()
        down = fluid.script.down[0, fluid.state.period[0]]
        assert not down[fluid.state.node[0][fluid.state.node[0] >= 0]].any()


def test_the_mask_is_core_s() -> None:
    fluid, substrate = begin(2), town()
    q, dag = 2, templates()[2]
    allowed = np.zeros((1, 8), bool)
    allowed[:, :4] = True
    asked = Problem(
        World(substrate, fluid.state.used[0]),
        dag,
        fluid.pool.slot_stage[q, :1].copy(),
        np.full(1, -1, np.int32),
        allowed,
    )
    mask = node_mask(asked)
    open_ = mask_after(asked, mask, np.full(1, -1, np.int32), 0)
    assert (fluid.open_nodes(0, 0)[0, :4] == open_[:4]).all()
    fluid.state.used[0, 1, 0] = fluid.ground.capacity[1, 0]
    assert fluid.open_nodes(0, 0)[0].tolist() == [True, False, True, True, True]


def test_all_replicas_or_none_are_placed() -> None:
    fluid = begin(0)
    fluid.step(choice(fluid, [0, 1, 2]))
    assert fluid.state.counters[0, 0, [FAILED, PLACED]].tolist() == [1, 0]
    assert (fluid.state.node == -1).all()
    assert fluid.state.used.sum() == 0
    assert fluid.state.outcome[0, 0, SUCCESS] == 0.0
    fluid.step(choice(fluid, [0, 1, 2, 3]))
    assert fluid.state.counters[0, 0, [FAILED, PLACED]].tolist() == [1, 1]
    assert 0.0 < fluid.state.outcome[0, 0, MEAN] < 0.1


def test_a_move_is_made_before_it_is_broken() -> None:
    fluid = begin(0)
    fluid.step(choice(fluid, [0, 1, 2, 3]))
    fluid.step(choice(fluid, [3, 0, 0, 0]))
    state = fluid.state
    assert state.counters[0, 0, MIGRATED] == 2  # of a minute
    assert state.node[0, 0, :4].tolist() == [3, 0, 2, 3]
    assert state.head[0, 0] == -1  # it may not move again for a while
    stays = begin(0)
    stays.step(choice(stays, [0, 1, 2, 3]))
    stays.step(choice(stays, []))
    assert state.outcome[0, 0, MEAN] == stays.state.outcome[0, 0, MEAN]  # the old replicas served
    assert fluid.told.reward[0, 0] < stays.told.reward[0, 0] - 0.02 + 1e-3


def test_a_dead_node_takes_its_replicas_only() -> None:
    fluid = simulator()
    plan = one(0)
    plan.down[3:, 1] = True
    fluid.reset([plan], [0])
    fluid.step(choice(fluid, [0, 1, 2, 3]))
    fluid.step(choice(fluid, []))
    fluid.step(choice(fluid, []))
    assert fluid.state.node[0, 0, :4].tolist() == [0, -1, 2, 3]
    assert fluid.state.head[0, 0] == 0
    fluid.step(choice(fluid, [2, 2, 2, 2]))
    assert fluid.state.node[0, 0, :4].tolist() == [0, 2, 2, 3]


def test_a_burst_is_remembered() -> None:
    plan = one(2)
    plan.factor[3:5] = 1000.0
    fluid = simulator()
    fluid.reset([plan], [0])
    means = []
    fluid.step(choice(fluid, [0]))
    for _ in range(8):
        fluid.step(choice(fluid, []))
        means.append(float(fluid.state.outcome[0, 0, MEAN]))
    assert means[0] == means[1]
    assert means[3] > 1.0  # lost: older than the timeout
    assert means[4] > 2 * means[0]  # the queue is still there
    assert means[7] == means[0]
    assert RHO_CAP < 1.0


def test_usage_is_the_moments_of_shares() -> None:
    rng = np.random.default_rng(0)
    capacity = rng.uniform(1, 2, (6, 3))
    capacity[:, 2] = 0.0
    used = capacity * rng.uniform(0, 1.2, (6, 3))
    region = np.array([-1, 0, 0, 1, 1, 1], np.int32)
    out = np.zeros((5, 3))
    assert usage(capacity, used, region, np.array([2.0, 3.0, 6.0]), out) == 2
    share = used[:, :2] / capacity[:, :2]
    held = np.clip(share, 0, 1)
    for g, rows in enumerate((region == 0, region == 1, region >= -1)):
        assert np.isclose(out[0, g], held[rows].mean())
        assert np.isclose(out[1, g], held[rows].var(axis=0).mean())
        assert np.isclose(out[2, g], np.maximum(share[rows] - 1, 0).mean())


def test_a_queue_is_not_piled_up_in_a_layout_that_is_timed_twice() -> None:
    from edgewright.core.evaluate import Evaluator  # noqa: PLC0415
    from edgewright.core.load import infrastructure, use_of, work_space  # noqa: PLC0415
    from edgewright.core.neighbours import predict_settled  # noqa: PLC0415
    from edgewright.core.outcome import OUTPUTS  # noqa: PLC0415
    from edgewright.core.problem import PlacedDag  # noqa: PLC0415

    substrate = star(4)
    asked = problem(diamond(), substrate)
    placed = PlacedDag(asked.dag, asked.stage, np.arange(4, dtype=np.int32))
    use, infra, table = use_of(placed, substrate), infrastructure(substrate), Evaluator(asked).table
    rho, queue = np.zeros(len(infra.capacity)), np.full(len(infra.capacity), 0.01)
    rho[use.stations] = use.rho
    found = []
    for _ in range(2):
        out = np.zeros(OUTPUTS)
        predict_settled(
            use.arrays, infra, table, use.layout, work_space(use.arrays, infra, table), rho, queue, out
        )
        found.append(out[MEAN])
    assert found[0] == found[1]
