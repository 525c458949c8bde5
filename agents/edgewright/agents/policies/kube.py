"""The default kube-scheduler, to compare with: pod by pod, by the scores of its default profile."""

import numpy as np

from edgewright.agents.policies.one_by_one import place_one_by_one
from edgewright.core.masks import free_capacity, requests, spread_keys
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.core.service import CPU, MEMORY
from edgewright.core.substrate import FloatArray, IntArray

BEST = 100
"""MaxNodeScore: every plugin scores in whole numbers from 0 to this."""
LEAST_REQUEST = {CPU: 0.1, MEMORY: 200 * 2**20}
"""What NodeResourcesFit takes a pod without requests to ask for."""
WEIGHT_FIT, WEIGHT_BALANCED, WEIGHT_SPREAD = 1, 1, 2
"""The default profile's weights. Its other scores are the same for every node here: InterPodAffinity (no
terms), NodeAffinity (no preferences), TaintToleration (core sees no PreferNoSchedule) and ImageLocality."""
SKEW_NODE, SKEW_ZONE = 3, 5
"""maxSkew of the default soft constraints of PodTopologySpread, by host and by zone."""


class Kube:
    """NodeResourcesFit (LeastAllocated), NodeResourcesBalancedAllocation and PodTopologySpread.

    Pods come in the order of creation, here the order of the slots; among the best nodes one is drawn at
    random, by the problem's seed. All feasible nodes are scored (kube-scheduler looks at some 50 % of more
    than 100 nodes), and a group that does not fit is tried again (see `one_by_one`).
    """

    name = "kube"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Place each free slot on its best node, latency unseen; nothing is ever reconsidered for it."""
        stream, scores = np.random.default_rng(problem.seed), Scores(problem)

        def choose(assign: IntArray, slot: int, nodes: IntArray) -> int:
            total = (
                WEIGHT_FIT * scores.fit(assign, slot, nodes)
                + WEIGHT_BALANCED * scores.balanced(assign, slot, nodes)
                + WEIGHT_SPREAD * scores.spread(assign, slot, nodes)
            )
            return int(stream.choice(nodes[total == total.max()]))

        order = problem.free.tolist()
        return place_one_by_one(problem, self.name, order, lambda: choose, seconds=seconds)


class Scores:
    """The plugins' scores of nodes for the next pod, each (nodes,) whole numbers from 0 to 100."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._need, self._capacity = requests(problem), problem.world.substrate.capacity
        self._used = self._capacity - free_capacity(problem)
        self._zones = spread_keys(problem.world.substrate, "zone")
        self._zoned = np.array([bool(node.zone) for node in problem.world.substrate.nodes])

    def fit(self, assign: IntArray, slot: int, nodes: IntArray) -> IntArray:
        """LeastAllocated: the mean free share of CPU and memory once the pod is there."""
        asked = self._need[slot].copy()
        for resource, least in LEAST_REQUEST.items():
            asked[resource] = asked[resource] or least
        share, offered = self._shares(assign, asked, nodes)
        free = np.where(share <= 1, np.floor(BEST * (1 - share)), 0) * offered
        return _whole(free.sum(axis=1) / np.maximum(offered.sum(axis=1), 1))

    def balanced(self, assign: IntArray, slot: int, nodes: IntArray) -> IntArray:
        """1 minus the standard deviation of the used shares of CPU and memory."""
        share, offered = self._shares(assign, self._need[slot], nodes)
        both = offered.all(axis=1)
        apart = np.where(both, np.abs(np.diff(np.minimum(share, 1), axis=1)[:, 0]) / 2, 0)
        return _whole(BEST * (1 - apart))

    def spread(self, assign: IntArray, slot: int, nodes: IntArray) -> IntArray:
        """PodTopologySpread by its default soft constraints: few replicas of a stage per host and zone."""
        stage = self._problem.stage
        mates = assign[(stage == stage[slot]) & (assign != UNPLACED)]
        zones = self._zones[nodes]
        by_node = np.bincount(mates, minlength=len(self._zones))[nodes]
        by_zone = np.bincount(self._zones[mates], minlength=len(self._zones))[zones]
        raw = by_node * np.log(len(nodes) + 2) + SKEW_NODE - 1
        raw += (by_zone * np.log(len(np.unique(zones)) + 2) + SKEW_ZONE - 1) * self._zoned[nodes]
        score = np.floor(raw + 0.5)
        return _whole(BEST * (score.max() + score.min() - score) / score.max())

    def _shares(self, assign: IntArray, asked: FloatArray, nodes: IntArray) -> tuple[FloatArray, FloatArray]:
        """(nodes, 2) used shares of CPU and memory with the pod there, and 1 where the node offers any."""
        used = self._used.copy()
        placed = np.flatnonzero((assign != UNPLACED) & (self._problem.fixed == UNPLACED))
        np.add.at(used, assign[placed], self._need[placed])
        columns = [CPU, MEMORY]
        capacity = self._capacity[nodes][:, columns]
        total = used[nodes][:, columns] + asked[columns]
        share = np.divide(total, capacity, out=np.zeros_like(total), where=capacity > 0)
        return share, (capacity > 0).astype(float)


def _whole(score: FloatArray) -> IntArray:
    """Scores are cut to whole numbers, a hair above so that 100 * 0.29 is 29 as with whole bytes."""
    return np.floor(score + 1e-9).astype(np.int32)
