"""Plays an episode of a city with a policy in the fluid simulator, and keeps what there is to see of it."""

from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policy import Policy
from edgewright.core.evaluate import Evaluator
from edgewright.core.outcome import PERCENTILE
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.service import Ingress, ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.causes import CAUSES, Causes
from edgewright.emulation.demand.episode import Demand, Episode
from edgewright.emulation.fluid.simulator import Fluid

DECISION_SECONDS = 0.05
"""What an agent's policy may take for one decision."""
WORTH = 0.9
"""Replicas move where the percentile is predicted to fall to this share of what it is, or below."""


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
    kind: tuple[str, ...]
    """(D,) their classes, with the slice of those that are in one."""
    latency: FloatArray
    """(D,) seconds at the DAG's percentile; infinite where it is not served."""
    limit: FloatArray
    """(D,) seconds."""
    asked: FloatArray
    """(D,) requests per second."""
    late: FloatArray
    """(D, causes) share of the requests that are late, lost or not served, by what makes them so."""

    @property
    def ratio(self) -> FloatArray:
        """(D,) latency over limit."""
        return self.latency / self.limit

    @property
    def by_cause(self) -> FloatArray:
        """(causes,) share of all requests late, lost or not served."""
        shares: FloatArray = self.asked @ self.late / max(float(self.asked.sum()), 1e-9)
        return shares

    @property
    def violation(self) -> float:
        """Share of all requests late, lost or not served."""
        return float(self.by_cause.sum())


def play(world: Demand, episode: Episode, policy: Policy, *, seed: int = 0) -> list[Frame]:
    """Every period of `episode`: agents let `policy` place what is pending, and move what is late."""
    return _Play(world, episode, policy, seed).frames()


class _Play:
    """An episode under way."""

    def __init__(self, world: Demand, episode: Episode, policy: Policy, seed: int) -> None:
        self.world, self.episode, self.policy, self.seed = world, episode, policy, seed
        city = world.city
        self.fluid = Fluid(city.substrate, city.members, episode.dags, episode.region, noise=0.0)
        self.fluid.reset([episode], [seed])
        self.causes = Causes(city.substrate)
        self.placed: dict[int, PlacedDag] = {}
        self.served: set[int] = set()

    def frames(self) -> list[Frame]:
        """All periods, one after the other."""
        fluid, frames = self.fluid, []
        while not fluid.over:
            before, period = fluid.state.node[0].copy(), int(fluid.state.period[0])
            there = fluid.state.active[0, : fluid.state.actives[0]].copy()
            fluid.step(self._choices(period))
            frames.append(self._frame(period, there, before))
        return frames

    def _choices(self, period: int) -> IntArray:
        """(1, G, S): nodes for the replicas that agents place or move, as rows of their nodes."""
        fluid = self.fluid
        choice = np.full((1, fluid.agents, fluid.slots), fluid.nodes, np.int32)
        for g, a in enumerate(fluid.state.head[0].tolist()):
            if a >= 0:
                nodes = self._move(a, g, period) if fluid.state.complete[0, a] else self._place(a, g, period)
                for slot, node in enumerate(nodes):
                    if node not in (UNPLACED, fluid.state.node[0, a, slot]):
                        choice[0, g, slot] = fluid.ground.row[node]
        return choice

    def _place(self, a: int, g: int, period: int) -> IntArray:
        """Nodes of a pending DAG's replicas, UNPLACED where the policy finds none."""
        problem = self._problem(a, g, period, self._nodes(a))
        return self.policy.place(problem, seconds=DECISION_SECONDS).assign

    def _move(self, a: int, g: int, period: int) -> IntArray:
        """Nodes of a placed DAG's replicas, some of them others where that makes it quicker.

        As many as may move in a minute are up for it, callers first, of those that are not with the users.
        """
        pool, state = self.fluid.pool, self.fluid.state
        q, nodes = int(self.episode.template[a]), self._nodes(a)
        here = int(self.episode.cell[period, a])
        away = [slot for slot in pool.turn[q, : len(nodes)] if nodes[slot] != here]
        fixed = nodes.copy()
        fixed[away[: int(pool.moves[q] - state.moved[0, a].sum())]] = UNPLACED
        problem = self._problem(a, g, period, fixed)
        found = self.policy.place(problem, seconds=DECISION_SECONDS).assign
        if (found == UNPLACED).any() or (found == nodes).all():
            return nodes
        now, then = Evaluator(problem).evaluate(np.stack([nodes, found])).percentile
        return found if then <= WORTH * now else nodes

    def _problem(self, a: int, g: int, period: int, fixed: IntArray) -> Problem:
        """Where to put replicas of instance `a` that are not `fixed`, beside all else that is placed.

        The policy is told where the users are and how fast their cell is; requests are those declared.
        """
        state, substrate = self.fluid.state, self.world.city.substrate
        there = state.active[0, : state.actives[0]].tolist()
        others = tuple(self._beside(b) for b in there if b != a and state.bound[0, b])
        stage, nodes = self._stages(a), self._nodes(a)
        # The DAG's own replicas are no part of the world that it is placed in.
        used, bound = state.used[0].copy(), nodes != UNPLACED
        own = self.fluid.pool.request[self.episode.template[a], stage]
        np.subtract.at(used, nodes[bound], own[bound])
        governed = (self.fluid.ground.region == g) & ~self.episode.down[period]
        cell, rate = int(self.episode.cell[period, a]), float(self.episode.cell_rate[period, a])
        return Problem(
            world=World(substrate, used, others),
            dag=self._dag(a, cell, rate),
            stage=stage,
            fixed=fixed,
            allowed=np.repeat(governed[None], len(stage), axis=0),
            seed=self.seed,
        )

    def _beside(self, b: int) -> PlacedDag:
        """Instance b as others see it; the same object while nothing changes, so that core knows its load."""
        nodes, known = self._nodes(b), self.placed.get(b)
        dag = self._dag(b, int(self.fluid.state.cell[0, b]), float(self.fluid.state.link[0, b]))
        if known is None or known.dag.ingress != dag.ingress or not np.array_equal(known.node, nodes):
            known = self.placed[b] = PlacedDag(dag, self._stages(b), nodes)
        return known

    def _dag(self, a: int, cell: int, rate: float) -> ServiceDag:
        """Instance a with its users in a cell; where no cell is alive, policies go by the last one's rate."""
        dag = self.episode.dags[int(self.episode.template[a])]
        return replace(dag, ingress=Ingress(node=self.world.city.nodes[cell].name, rate=rate or None))

    def _stages(self, a: int) -> IntArray:
        """(S,) stage of each replica."""
        q, pool = int(self.episode.template[a]), self.fluid.pool
        return pool.slot_stage[q, : pool.slots[q]]

    def _nodes(self, a: int) -> IntArray:
        """(S,) node of each replica."""
        return self.fluid.state.node[0, a, : self.fluid.pool.slots[self.episode.template[a]]].copy()

    def _frame(self, period: int, there: IntArray, before: IntArray) -> Frame:
        """What became of the DAGs that were `there` when `period` was served."""
        state, episode, N = self.fluid.state, self.episode, len(self.fluid.ground.region)
        a, slot = np.nonzero((state.node[0] != before) & (state.node[0] >= 0))
        template, served = episode.template[there], state.bound[0, there]
        late = np.array([self._late(int(b)) for b in there]).reshape(len(there), len(CAUSES))
        self.served.update(there[served].tolist())
        return Frame(
            load=state.rho[0, :N].copy(),
            down=episode.down[period],
            arrived=np.stack([episode.cell[period, a], state.node[0][a, slot]], axis=1),
            names=tuple(episode.dags[q].name for q in template),
            kind=tuple(self._kind(int(q)) for q in template),
            latency=np.where(served, state.outcome[0, there, PERCENTILE], np.inf),
            limit=self.fluid.pool.limit[template],
            asked=self.fluid.pool.rate[template] * episode.factor[period, there],
            late=late,
        )

    def _kind(self, q: int) -> str:
        """Class and slice of template q."""
        kind, tenant = self.world.pool.kind[q], self.episode.dags[q].slice
        return f"{kind} of {tenant}" if tenant else kind

    def _late(self, a: int) -> FloatArray:
        """(causes,) shares of instance a's requests."""
        state = self.fluid.state
        if not state.bound[0, a]:
            return self.causes.unserved(again=a in self.served)
        cell, rate = int(state.cell[0, a]), float(state.link[0, a])
        return self.causes.served(
            self._dag(a, cell, rate), self._stages(a), self._nodes(a), state.outcome[0, a]
        )
