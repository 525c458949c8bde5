"""A live agent and a simulated one see the same numbers in the same situation."""

import numpy as np
import pytest
from tests.unit.fluid.builders import episode, members, random_choice, simulator, templates, town

from edgewright.agents.snapshot import Measured, snapshot
from edgewright.core.observe import HEAD, NODE, SLOT, Observation, observe, schema, size
from edgewright.core.outcome import PERCENTILE, VIOLATION
from edgewright.core.problem import PlacedDag, World
from edgewright.emulation.fluid.simulator import Fluid


def live(fluid: Fluid, g: int) -> Observation:
    """What agent g of a cluster would see: its own nodes' rows of one world that is the city's."""
    state, script, pool, substrate = fluid.state, fluid.script, fluid.pool, town()
    a, t = int(state.head[0, g]), int(state.period[0])
    mine = state.active[0, : state.actives[0]]
    mine = mine[pool.region[script.template[0, mine]] == g]
    others = np.concatenate([rows for other, rows in enumerate(members()) if other != g])
    q = int(script.template[0, a])
    S = int(pool.slots[q])
    head = PlacedDag(templates()[q], pool.slot_stage[q, :S].copy(), state.node[0, a, :S].copy())
    rate = float(pool.rate[q] * script.factor[0, t, a])
    last = state.outcome[0, a]
    elsewhere = float(np.minimum(state.late[0, others], 2.0).mean())
    told = Measured(state.rho[0], rate, last[PERCENTILE], last[VIOLATION], elsewhere)
    whole = snapshot(
        World(substrate, state.used[0]),
        np.zeros_like(state.used[0]),
        head,
        told,
        moves=int(pool.moves[q] - state.moved[0, a].sum()),
        pending=int((~state.complete[0, mine]).sum()),
        active=len(mine),
    )
    rows = members()[g]
    place = {int(n): i for i, n in enumerate(rows)}
    part = whole._replace(
        capacity=whole.capacity[rows],
        used=whole.used[rows],
        foreign=whole.foreign[rows],
        ready=whole.ready[rows],
        cpu=whole.cpu[rows],
        uplink=whole.uplink[rows],
        downlink=whole.downlink[rows],
        delay=np.ascontiguousarray(substrate.path_delay[script.cell[0, t, a], rows]),
        node=np.array([place.get(int(n), -1) for n in whole.node], np.int32),
    )
    return observe(part, fluid.nodes, fluid.slots)


@pytest.mark.parametrize("seed", [0, 1])
def test_live_and_simulated_agents_see_the_same(seed: int) -> None:
    fluid, rng, compared = simulator(noise=0.0), np.random.default_rng(seed), 0
    fluid.reset([episode(seed=seed)], [seed])
    for _ in range(10):
        fluid.step(random_choice(fluid, rng))
        for g in range(fluid.agents):
            if fluid.told.active[0, g]:
                np.testing.assert_array_equal(fluid.told.observation[0, g], live(fluid, g))
                compared += 1
    assert compared > 5


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


def test_the_schema_names_every_number() -> None:
    assert size(4, 3) == len(HEAD) + 4 * len(NODE) + 3 * len(SLOT)
    assert len({schema(4, 3), schema(4, 4), schema(5, 3)}) == 3


def test_a_snapshot_that_does_not_fit_is_refused() -> None:
    fluid = simulator()
    fluid.reset([episode()], [0])
    g = int(fluid.told.active[0].argmax())
    assert live(fluid, g).shape == (size(fluid.nodes, fluid.slots),)
    whole = snapshot(
        World(town(), np.zeros_like(town().capacity)),
        np.zeros_like(town().capacity),
        None,
        Measured(np.zeros(len(town().station_capacity))),
        moves=0,
        pending=0,
        active=0,
    )
    with pytest.raises(ValueError, match="does not fit"):
        observe(whole, 3, 3)
