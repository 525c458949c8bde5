"""Plays an episode of a city with a policy in the fluid simulator, and keeps what there is to see of it."""

from dataclasses import dataclass

import numpy as np

from edgewright.agents.policy import Policy
from edgewright.core.outcome import PERCENTILE, VIOLATION
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate
from edgewright.emulation.demand.episode import Demand, Episode
from edgewright.emulation.fluid.simulator import Fluid

DECISION_SECONDS = 0.05
"""What an agent's policy may take for one decision."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One period as it was served: N nodes, D DAGs that are there."""

    load: FloatArray
    """(N,) CPU utilisation."""
    down: BoolArray
    """(N,) failed."""
    arrived: IntArray
    """(., 2) the users' cell and the node of every replica that is new here."""
    names: tuple[str, ...]
    """(D,) which DAGs."""
    ratio: FloatArray
    """(D,) latency at the DAG's percentile over its limit; infinite where it is not served."""
    violation: float
    """Share of all requests late, lost or not served."""


def play(world: Demand, episode: Episode, policy: Policy, *, seed: int = 0) -> list[Frame]:
    """Every period of `episode`: agents let `policy` place what is pending and keep what is placed."""
    city = world.city
    substrate = city.substrate
    members = [np.array([substrate.index[n] for n in region.nodes], np.int32) for region in city.regions]
    fluid = Fluid(substrate, members, episode.dags, episode.region, noise=0.0)
    fluid.reset([episode], [seed])
    frames: list[Frame] = []
    before = fluid.state.node[0].copy()
    while not fluid.over:
        period = int(fluid.state.period[0])
        there = fluid.state.active[0, : fluid.state.actives[0]].copy()
        fluid.step(_choices(fluid, episode, substrate, policy, seed))
        frames.append(_frame(fluid, episode, period, there, before))
        before = fluid.state.node[0].copy()
    return frames


def _choices(fluid: Fluid, episode: Episode, substrate: Substrate, policy: Policy, seed: int) -> IntArray:
    """(1, G, S): nodes for the free slots of every agent's pending DAG, as rows of its nodes."""
    state, ground = fluid.state, fluid.ground
    choice = np.full((1, fluid.agents, fluid.slots), fluid.nodes, np.int32)
    for g, a in enumerate(state.head[0]):
        if a < 0 or state.complete[0, a]:
            continue
        assign = policy.place(
            _problem(fluid, episode, substrate, int(a), g, seed), seconds=DECISION_SECONDS
        ).assign
        for slot, node in enumerate(assign):
            if node != UNPLACED and state.node[0, a, slot] == UNPLACED:
                choice[0, g, slot] = ground.row[node]
    return choice


def _problem(fluid: Fluid, episode: Episode, substrate: Substrate, a: int, g: int, seed: int) -> Problem:
    """What agent g must decide about instance `a`, beside everything that is placed."""
    pool, state = fluid.pool, fluid.state
    period, there = int(state.period[0]), state.active[0, : state.actives[0]]
    others = tuple(
        PlacedDag(episode.dags[q], pool.slot_stage[q, :slots], state.node[0, other, :slots])
        for other in there.tolist()
        if other != a and state.bound[0, other]
        for q in (int(episode.template[other]),)
        for slots in (int(pool.slots[q]),)
    )
    q = int(episode.template[a])
    slots = int(pool.slots[q])
    governed = (fluid.ground.region == g) & ~episode.down[period]
    fixed = state.node[0, a, :slots].copy()
    # The DAG's own replicas are no part of the world that it is placed in.
    used = state.used[0].copy()
    own = pool.request[q, pool.slot_stage[q, :slots]]
    np.subtract.at(used, fixed[fixed != UNPLACED], own[fixed != UNPLACED])
    return Problem(
        world=World(substrate, used, others),
        dag=episode.dags[q],
        stage=pool.slot_stage[q, :slots],
        fixed=fixed,
        allowed=np.repeat(governed[None], slots, axis=0),
        seed=seed,
    )


def _frame(fluid: Fluid, episode: Episode, period: int, there: IntArray, before: IntArray) -> Frame:
    """What became of the DAGs that were `there` when `period` was served."""
    state, N = fluid.state, len(fluid.ground.region)
    new = (state.node[0] != before) & (state.node[0] >= 0)
    a, slot = np.nonzero(new)
    served = state.bound[0, there]
    latency = np.where(served, state.outcome[0, there, PERCENTILE], np.inf)
    limit = fluid.pool.limit[episode.template[there]]
    asked = fluid.pool.rate[episode.template[there]] * episode.factor[period, there]
    late = np.where(served, state.outcome[0, there, VIOLATION], 1.0)
    return Frame(
        load=state.rho[0, :N].copy(),
        down=episode.down[period],
        arrived=np.stack([episode.cell[period, a], state.node[0][a, slot]], axis=1),
        names=tuple(episode.dags[q].name for q in episode.template[there]),
        ratio=latency / limit,
        violation=float(asked @ late / asked.sum()) if asked.sum() > 0 else 0.0,
    )
