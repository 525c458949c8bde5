"""A batch of independent cities on one substrate: reset with episodes, act, step, save, restore."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.core import rewards as terms
from edgewright.core.kernel import entry, kernel
from edgewright.core.load import infrastructure
from edgewright.core.masks import spread_keys
from edgewright.core.observe import Observation, size
from edgewright.core.scenarios import SEARCH, Scenarios, scenarios
from edgewright.core.service import ServiceDag
from edgewright.core.stations import Infrastructure
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate
from edgewright.emulation.demand.episode import Episode
from edgewright.emulation.fluid.decide import act, begin, is_open
from edgewright.emulation.fluid.judge import observe, reward
from edgewright.emulation.fluid.pool import Pool, make_pool
from edgewright.emulation.fluid.reference import by_reference
from edgewright.emulation.fluid.serve import serve
from edgewright.emulation.fluid.state import (
    Ground,
    Script,
    State,
    Work,
    make_script,
    make_state,
    make_work,
)

Seeds = npt.NDArray[np.int64]
LATE = 3
"""Periods between reports of other agents' load: 30 s, as in a cluster."""


class Told(NamedTuple):
    """What agents are told: B cities, G agents. The arrays are written again by the next step."""

    observation: Observation
    """(B, G, size)."""
    active: Observation
    """(B, G) 1 where the agent has something to decide."""
    reward: FloatArray
    """(B, G) of the period before."""


class World(NamedTuple):
    """What kernels read and write: the same arrays from one reset to the next."""

    pool: Pool
    infra: Infrastructure
    table: Scenarios
    ground: Ground
    script: Script
    state: State
    work: Work
    told: Told
    seeds: Seeds
    choice: IntArray
    """(B, G, S) of the agents."""
    noise: float
    period: float
    """Seconds."""
    weights: FloatArray
    printed: bool


class Saved(NamedTuple):
    """A moment of a simulation."""

    state: State
    script: Script
    seeds: Seeds
    told: Told

    def copy(self) -> "Saved":
        """One whose state nobody else writes."""
        state = State._make(array.copy() for array in self.state)
        return self._replace(state=state, told=Told._make(array.copy() for array in self.told))

    def written(self) -> tuple[npt.NDArray[Any], ...]:
        """What a step writes."""
        return (*self.state, *self.told)


class Fluid:
    """B cities in lockstep. `members`: nodes of each of G agents; `dags`, `region`: templates, their agents.

    Raises ValueError for an agent without nodes, a node of two agents, or noise that is negative.
    """

    def __init__(
        self,
        substrate: Substrate,
        members: Sequence[IntArray],
        dags: Sequence[ServiceDag],
        region: IntArray,
        *,
        count: int = SEARCH,
        noise: float = 0.05,
        weights: FloatArray | None = None,
        printed: bool = False,
    ) -> None:
        if not 0.0 <= noise < np.inf:
            raise ValueError(f"noise is {noise}; it must be a finite relative error of at least 0")
        self.infra = infrastructure(substrate)
        self.ground = _ground(substrate, members, dags)
        self.pool = make_pool(substrate, dags, np.asarray(region, np.int32), members)
        self.table = scenarios(count, int(self.pool.transfers.max()))
        self.work = make_work(self.pool, self.infra, len(members), count)
        self.noise, self.printed = float(noise), printed
        self.weights = default_weights() if weights is None else np.ascontiguousarray(weights, float)
        self.nodes, self.slots = self.ground.members.shape[1], self.pool.slot_stage.shape[1]
        self.agents = len(members)
        self.period = 10.0
        self._pool, self._ground = by_reference(self.pool), by_reference(self.ground)
        self._work = by_reference(self.work)

    def reset(self, episodes: Sequence[Episode], seeds: Sequence[int]) -> Told:
        """Begin one city per episode, all of one length; `seeds` draw the noise of metrics.

        Raises ValueError for episodes of different lengths or periods, or of other templates.
        """
        lengths = {(len(e.factor), e.period, len(e.dags)) for e in episodes}
        if len(lengths) != 1 or len(episodes) != len(seeds):
            raise ValueError(
                f"{len(episodes)} episodes of (periods, seconds, templates) {sorted(lengths)} and "
                f"{len(seeds)} seeds: all episodes must be alike, and there must be a seed for each"
            )
        ((_, self.period, templates),) = lengths
        if templates != len(self.pool.stages):
            raise ValueError(f"episodes have {templates} templates, the simulator {len(self.pool.stages)}")
        script, most, ints, floats = make_script(self.pool, episodes, self.table.work.shape[1])
        B, A = script.template.shape
        state = make_state(self.pool, self.infra, self.agents, (B, A), (most, ints, floats))
        told = Told(
            np.zeros((B, self.agents, size(self.nodes, self.slots)), np.float32),
            np.zeros((B, self.agents), np.float32),
            np.zeros((B, self.agents)),
        )
        self._hold(Saved(state, script, np.asarray(seeds, np.int64), told))
        _start(self._world)
        return self.told

    @property
    def over(self) -> bool:
        """Whether the last period has been served."""
        return bool(self.state.over[0])  # all cities are as long

    def step(self, choice: IntArray) -> Told:
        """Apply the agents' choices (B, G, S), serve one period, begin the next.

        A choice is a row of the agent's nodes; their number, or any other value, means 'pending' (or 'keep').
        Raises ValueError for another shape, and after the last period.
        """
        expected = (*self.told.active.shape, self.slots)
        if choice.shape != expected:
            raise ValueError(f"choices have shape {choice.shape}, not (cities, agents, slots) = {expected}")
        if self.over:
            raise ValueError("the episodes are over; reset first")
        self._choice[:] = choice
        _step(self._world)
        return self.told

    def open_nodes(self, city: int, agent: int) -> BoolArray:
        """(S, rows + 1) where each slot of the agent's head could go alone; the last column is 'pending'."""
        out = np.zeros((self.slots, self.nodes + 1), np.bool_)
        out[:, int(self.ground.sizes[agent])] = True
        _open(self._world, city, agent, out)
        return out

    def save(self) -> Saved:
        """A copy of everything that changes."""
        return self._present().copy()

    def restore(self, saved: Saved) -> Told:
        """Go on from `saved`, which stays as it is."""
        if getattr(self, "script", None) is saved.script:  # the same episodes: arrays of the same shapes
            for mine, theirs in zip(self._present().written(), saved.written(), strict=True):
                mine[...] = theirs
        else:
            self._hold(saved.copy())
        return self.told

    def _present(self) -> Saved:
        return Saved(self.state, self.script, self.seeds, self.told)

    def _hold(self, moment: Saved) -> None:
        """Hand the arrays of a moment to the kernels, which write them from now on."""
        self.state, self.script, self.seeds, self.told = moment
        self._choice = np.zeros((*self.told.active.shape, self.slots), np.int32)
        world = World(
            self._pool,
            self.infra,
            self.table,
            self._ground,
            by_reference(self.script),
            by_reference(self.state),
            self._work,
            by_reference(self.told),
            self.seeds,
            self._choice,
            self.noise,
            self.period,
            self.weights,
            self.printed,
        )
        self._world = by_reference(world)


def default_weights() -> FloatArray:
    """(12,) alpha_1..4, omega_1..4, rho_1..3, phi."""
    return np.array([*terms.WEIGHTS, *terms.WEIGHTS, *terms.PENALTIES, terms.COOPERATION])


def _ground(substrate: Substrate, members: Sequence[IntArray], dags: Sequence[ServiceDag]) -> Ground:
    N, G = len(substrate.nodes), len(members)
    region, row = np.full(N, -1, np.int32), np.full(N, -1, np.int32)
    rows = np.full((G, max((len(m) for m in members), default=0)), -1, np.int32)
    for g, nodes in enumerate(members):
        if not len(nodes) or (region[nodes] >= 0).any():
            raise ValueError(
                f"agent {g} governs {len(nodes)} nodes; give it at least one, and no other agent's"
            )
        region[nodes], row[nodes], rows[g, : len(nodes)] = g, np.arange(len(nodes)), nodes
    count = np.array([*(len(m) for m in members), N], float)
    delay = np.array([node.latency[1] if node.radio else 0.0 for node in substrate.nodes])
    return Ground(
        capacity=np.ascontiguousarray(substrate.capacity, float),
        members=rows,
        sizes=np.array([len(m) for m in members], np.int32),
        region=region,
        spread=np.stack(
            [np.full(N, -1, np.int32), *(spread_keys(substrate, kind) for kind in ("node", "zone"))]
        ),
        port=np.ascontiguousarray(substrate.station_capacity[2 * N : 3 * N], float),
        radio_delay=delay,
        governed=count,
        offered=int((substrate.capacity > 0.0).any(axis=0).sum()),
        row=row,
        largest_limit=max((dag.qos.max_latency or 1.0) for dag in dags) if dags else 1.0,
    )


@kernel
def _observe(world: World, b: int) -> None:
    told = world.told
    observe(
        world.pool,
        world.infra,
        world.ground,
        world.script,
        world.state,
        world.work,
        world.noise,
        world.seeds[b],
        world.ground.members.shape[1],
        b,
        told.observation[b],
        told.active[b],
    )


@entry
def _start(world: World) -> None:
    for b in range(len(world.seeds)):
        begin(world.pool, world.ground, world.script, world.state, b)
        _observe(world, b)


@entry
def _step(world: World) -> None:
    pool, infra, table, ground = world.pool, world.infra, world.table, world.ground
    script, state, work, period = world.script, world.state, world.work, world.period
    K = table.work.shape[1]
    for b in range(len(world.seeds)):
        for g in range(len(ground.sizes)):
            act(pool, ground, script, state, work.left, period, b, g, world.choice[b, g])
        serve(pool, infra, table, ground.radio_delay, period, script, state, work, b)
        told = world.told.reward[b]
        reward(pool, ground, script, state, work, world.weights, world.printed, K, b, told)
        if state.period[b] % LATE == 0:
            for n in range(infra.nodes):
                state.late[b, n] = state.rho[b, n]
        if state.period[b] + 1 < script.periods[b]:
            state.period[b] += 1
            begin(pool, ground, script, state, b)
        else:
            state.over[b] = True
        _observe(world, b)


@entry
def _open(world: World, b: int, g: int, out: BoolArray) -> None:
    pool, ground, script, state = world.pool, world.ground, world.script, world.state
    a = state.head[b, g]
    if a < 0:
        return
    for slot in range(pool.slots[script.template[b, a]]):
        for i in range(ground.sizes[g]):
            n = ground.members[g, i]
            out[slot, i] = is_open(pool, ground, script, state, world.work.left, b, a, slot, n)
