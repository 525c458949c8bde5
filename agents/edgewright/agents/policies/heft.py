"""HEFT: list scheduling of one request's tasks by upward rank and earliest finish time with insertion.

H. Topcuoglu, S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task scheduling for
heterogeneous computing", IEEE Transactions on Parallel and Distributed Systems 13(3), 2002.
"""

from typing import NamedTuple

import numpy as np

from edgewright.agents.policies.one_by_one import place_one_by_one
from edgewright.core.arrays import USER, DagArrays, compile_dag
from edgewright.core.load import infrastructure
from edgewright.core.masks import node_mask
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.core.substrate import FloatArray, IntArray, Substrate


class Heft:
    """Minimises the makespan of a single request on idle nodes that compute one task at a time.

    Deviations: only nodes with room are candidates; every replica is a task of its own; the users are an
    entry and an exit task at their cell; a call counts there and back, as often as a request makes it. The
    users' exit counts in ranks, not when a sink chooses, as its task has no choice of processor.
    """

    name = "heft"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Take the slots by falling upward rank, each on the node where it would finish first."""
        costs = _costs(problem)
        rank = costs.rank[problem.stage]
        position = np.argsort(np.argsort(costs.dag.order))[problem.stage]
        order = np.lexsort((np.arange(len(rank)), position, -rank)).tolist()
        return place_one_by_one(
            problem, self.name, order, lambda: _Schedule(problem, costs).choose, seconds=seconds
        )


class _Costs(NamedTuple):
    """Seconds of every task and transfer of one request, idle, and the ranks that follow."""

    dag: DagArrays
    compute: FloatArray
    """(M, N) of a stage on a node, all its visits."""
    move: FloatArray
    """(T, N, N) of a transfer between two nodes, response included; the user is always at `cell`."""
    cell: int
    rank: FloatArray
    """(M,) upward rank: mean cost of the longest way from a task's start to the users."""


def _costs(problem: Problem) -> _Costs:
    substrate = problem.world.substrate
    dag, infra = compile_dag(problem.dag, substrate), infrastructure(substrate)
    speed = np.minimum(dag.cores[:, None], infra.cores) * infra.speed
    work = (dag.visits * dag.work)[:, None]
    compute = np.divide(work, speed, out=np.where(work > 0, np.inf, 0.0) + 0.0 * speed, where=speed > 0)
    compute += dag.visits[:, None] * infra.compute_delay
    forward = [_seconds(dag, substrate, t) for t in range(len(dag.source))]
    move = np.array(forward)
    for t, back in enumerate(dag.back.tolist()):
        if back >= 0:
            move[t] += forward[back].T
    return _Costs(dag, compute, move, max(dag.cell, 0), _ranks(problem, dag, compute, move))


def _seconds(dag: DagArrays, substrate: Substrate, t: int) -> FloatArray:
    """(N, N) idle seconds of transfer t: size over the narrowest hop plus delay; nothing on one node."""
    rate, delay = substrate.path_bandwidth, substrate.path_delay
    if USER in (dag.source[t], dag.target[t]):
        if dag.cell < 0:
            return np.zeros_like(delay)
        rate, delay = np.minimum(rate, dag.cell_rate), delay + dag.cell_delay
    with np.errstate(divide="ignore"):
        once: FloatArray = dag.size[t] / rate + delay
    every: FloatArray = float(dag.times[t]) * once
    return every


def _ranks(problem: Problem, dag: DagArrays, compute: FloatArray, move: FloatArray) -> FloatArray:
    """Mean compute time over the nodes with room, mean transfer time over pairs of different nodes."""
    mask = node_mask(problem)
    rank = np.zeros(len(compute))
    apart = ~np.eye(compute.shape[1], dtype=bool)
    for m in dag.order[::-1]:
        room = mask[problem.stage == m].any(axis=0) & np.isfinite(compute[m])
        ahead = 0.0
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
            target = dag.target[t]
            pairs = move[t][:, max(dag.cell, 0)] if target == USER else move[t][apart]
            pairs = pairs[np.isfinite(pairs)]
            mean = float(pairs.mean()) if len(pairs) else 0.0
            ahead = max(ahead, mean + (0.0 if target == USER else rank[target]))
        rank[m] = (float(compute[m, room].mean()) if room.any() else 0.0) + ahead
    return rank


class _Schedule:
    """When the tasks placed so far run on their nodes."""

    def __init__(self, problem: Problem, costs: _Costs) -> None:
        self._problem, self._costs = problem, costs
        self._busy: dict[int, list[tuple[float, float]]] = {}
        self._finish = np.zeros(len(problem.stage))

    def choose(self, assign: IntArray, slot: int, nodes: IntArray) -> int:
        """The node of `nodes` with the earliest finish time, the first among equals; the task is booked."""
        m = int(self._problem.stage[slot])
        best, start, end = UNPLACED, np.inf, np.inf
        for node, ready in zip(nodes.tolist(), self._ready(assign, m, nodes).tolist(), strict=True):
            seconds = float(self._costs.compute[m, node])
            begin = self._gap(node, ready, seconds)
            if best == UNPLACED or begin + seconds < end:
                best, start, end = node, begin, begin + seconds
        self._busy.setdefault(best, []).append((start, end))
        self._busy[best].sort()
        self._finish[slot] = end
        return best

    def _ready(self, assign: IntArray, m: int, nodes: IntArray) -> FloatArray:
        """(nodes,) when the last input of stage m has arrived there from the tasks placed so far."""
        dag, move, ready = self._costs.dag, self._costs.move, np.zeros(len(nodes))
        for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
            if dag.source[t] == USER:
                ready = np.maximum(ready, move[t][self._costs.cell, nodes])
                continue
            for slot in np.flatnonzero((self._problem.stage == dag.source[t]) & (assign != UNPLACED)):
                ready = np.maximum(ready, self._finish[slot] + move[t][assign[slot], nodes])
        return ready

    def _gap(self, node: int, ready: float, seconds: float) -> float:
        """The earliest start from `ready` on at which the node is idle for so long."""
        start = ready
        for begin, end in self._busy.get(node, ()):
            if start + seconds <= begin:
                break
            start = max(start, end)
        return start
