"""Network-aware scheduling as by the scheduler-plugins of Kubernetes: TopologicalSort, NetworkOverhead."""

from collections.abc import Iterator

import numpy as np

from edgewright.agents.policies.kube import BEST, WEIGHT_BALANCED, WEIGHT_SPREAD, Scores
from edgewright.agents.policies.one_by_one import place_one_by_one
from edgewright.core.masks import spread_keys
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.core.service import Invocation, topological_order
from edgewright.core.substrate import BoolArray, IntArray, Substrate

WEIGHT_NETWORK = 5
"""Of NetworkOverhead in the plugins' example profile, which disables NodeResourcesFit."""
SAME_ZONE, FARTHEST = 1, 100
"""Network cost between nodes of one zone, and the most between two zones; on one node it is 0."""


class NetworkAware:
    """Pods in topological order (KahnSort), each near the dependencies that are placed already.

    Deviations: the plugin looks at a pod's own dependencies only, which KahnSort places after it, so here
    callers count as well; costs between zones, which an administrator would write, are mean path delays; a
    dependency's minBandwidth, announced for the plugin, is kept here. Users are no pods: they do not count.
    """

    name = "network-aware"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Place each free slot on its node of least network cost, weighed against balance and spread."""
        stage = problem.stage
        order = [slot for m in topological_order(problem.dag) for slot in np.flatnonzero(stage == m).tolist()]
        network, scores = _Network(problem), Scores(problem)
        stream = np.random.default_rng(problem.seed)

        def choose(assign: IntArray, slot: int, nodes: IntArray) -> int:
            nodes = nodes[network.permits(assign, slot, nodes)]
            if not len(nodes):
                return UNPLACED
            total = (
                WEIGHT_NETWORK * network.overhead(assign, slot, nodes)
                + WEIGHT_BALANCED * scores.balanced(assign, slot, nodes)
                + WEIGHT_SPREAD * scores.spread(assign, slot, nodes)
            )
            return int(stream.choice(nodes[total == total.max()]))

        free = [slot for slot in order if problem.fixed[slot] == UNPLACED]
        return place_one_by_one(problem, self.name, free, lambda: choose, seconds=seconds)


class _Network:
    """What the network between a pod's dependencies and each node costs and carries."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._substrate = problem.world.substrate
        self._cost = zone_costs(self._substrate)
        index = {m.name: i for i, m in enumerate(problem.dag.microservices)}
        self._edges = [(index[i.source], index[i.target], i) for i in problem.dag.invocations]

    def permits(self, assign: IntArray, slot: int, nodes: IntArray) -> BoolArray:
        """NetworkOverhead's filter: no node where more dependencies are broken than kept.

        A dependency is kept on the same node and, where the path carries its minBandwidth, in the same zone
        or within its maxLatency (the plugin's maxNetworkCost); a path that is too narrow is never permitted.
        """
        substrate, zones = self._substrate, spread_keys(self._substrate, "zone")
        kept, wide = np.zeros(len(nodes), int), np.ones(len(nodes), bool)
        for there, invocation in self._placed(assign, slot):
            limit = np.inf if invocation.max_latency is None else invocation.max_latency
            near = (zones[nodes] == zones[there]) | (substrate.path_delay[nodes, there] <= limit)
            kept += np.where(near, 1, -1)
            wide &= substrate.path_bandwidth[nodes, there] >= invocation.min_bandwidth
            wide &= substrate.path_bandwidth[nodes, there] > 0
        permitted: BoolArray = (kept >= 0) & wide
        return permitted

    def overhead(self, assign: IntArray, slot: int, nodes: IntArray) -> IntArray:
        """NetworkOverhead's score: the accumulated cost, turned over so that the least is 100."""
        cost = np.zeros(len(nodes))
        for there, _ in self._placed(assign, slot):
            cost += self._cost[nodes, there]
        if not cost.any():
            return np.zeros(len(nodes), np.int32)
        worse = (cost - cost.min()) / max(cost.max() - cost.min(), 1)
        score: IntArray = (BEST - np.floor(BEST * worse)).astype(np.int32)
        return score

    def _placed(self, assign: IntArray, slot: int) -> Iterator[tuple[int, Invocation]]:
        """The node of every placed replica that the slot's microservice calls or is called by."""
        stage = self._problem.stage
        for source, target, invocation in self._edges:
            other = {source: target, target: source}.get(int(stage[slot]))
            if other is not None:
                for node in assign[(stage == other) & (assign != UNPLACED)].tolist():
                    yield node, invocation


def zone_costs(substrate: Substrate) -> IntArray:
    """(N, N) network cost: 0 on one node, 1 in one zone, else the zones' mean path delay.

    Delays become whole numbers up to 100 by the largest between two zones; 100 where there is no path.
    """
    zones = spread_keys(substrate, "zone")
    names, member = np.unique(zones, return_inverse=True)
    belongs = (member[None, :] == np.arange(len(names))[:, None]).astype(float)
    reached = np.isfinite(substrate.path_delay)
    delay = np.where(reached, substrate.path_delay, 0.0)
    paths = belongs @ reached @ belongs.T
    mean = np.divide(belongs @ delay @ belongs.T, paths, out=np.full_like(paths, np.inf), where=paths > 0)
    apart = mean[~np.eye(len(names), dtype=bool) & np.isfinite(mean)]
    scale = FARTHEST / apart.max() if apart.size and apart.max() > 0 else 0.0
    between = np.where(np.isfinite(mean), np.ceil(np.where(np.isfinite(mean), mean, 0.0) * scale), FARTHEST)
    cost = np.clip(between, SAME_ZONE, FARTHEST)[np.ix_(member, member)]
    cost[zones[:, None] == zones] = SAME_ZONE
    np.fill_diagonal(cost, 0)
    return cost.astype(np.int32)
