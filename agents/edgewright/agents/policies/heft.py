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
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate


class Heft:
    """Minimises the makespan of a single request on idle nodes that compute one task at a time.

    Deviations: only nodes with room are candidates; every replica is a task of its own; the users are an
    entry and an exit task at their cell, which count in ranks and in when a source may start; a call counts
    there and back, as often as a request makes it.
    """

    name = "heft"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Take the slots by falling upward rank, each on the node where it would finish first."""
        graph = task_graph(problem)
        mask = node_mask(problem)
        room = np.array([mask[problem.stage == m].any(axis=0) for m in range(len(graph.order))])
        rank = upward_ranks(graph, room)[problem.stage]
        position = np.argsort(graph.order)[problem.stage]
        order = np.lexsort((np.arange(len(rank)), position, -rank)).tolist()
        return place_one_by_one(
            problem, self.name, order, lambda: Schedule(graph, problem.stage).choose, seconds=seconds
        )


class TaskGraph(NamedTuple):
    """The tasks of one request, M of them, on N processors; seconds."""

    order: IntArray
    """(M,) a topological order."""
    edges: list[tuple[int, int]]
    """E pairs of a task and one that needs its result."""
    compute: FloatArray
    """(M, N) time of a task on a processor."""
    move: FloatArray
    """(E, N, N) time of an edge's data between two processors."""
    enter: FloatArray
    """(M, N) when the users' data can be there, 0 for tasks that need none."""
    leave: FloatArray
    """(M, N) time of a result to the users, 0 for tasks that have none for them."""


def task_graph(problem: Problem) -> TaskGraph:
    """Idle times of the DAG's stages and transfers, from the arrays with which core computes latency."""
    substrate = problem.world.substrate
    dag, infra = compile_dag(problem.dag, substrate), infrastructure(substrate)
    speed = np.minimum(dag.cores[:, None], infra.cores) * infra.speed
    work = np.broadcast_to((dag.visits * dag.work)[:, None], speed.shape)
    compute = np.divide(work, speed, out=np.where(work > 0, np.inf, 0.0), where=speed > 0)
    compute += dag.visits[:, None] * infra.compute_delay
    enter, leave = np.zeros_like(compute), np.zeros_like(compute)
    edges, move, responses = [], [], set(dag.back.tolist())
    for t, (source, target) in enumerate(zip(dag.source.tolist(), dag.target.tolist(), strict=True)):
        if USER in (source, target):
            if dag.cell >= 0:
                times = _seconds(dag, substrate, t)
                enter[target] += times[dag.cell] if source == USER else 0.0
                leave[source] += times[:, dag.cell] if target == USER else 0.0
        elif t not in responses:
            edges.append((source, target))
            back = _seconds(dag, substrate, int(dag.back[t])).T if dag.back[t] >= 0 else 0.0
            move.append(_seconds(dag, substrate, t) + back)
    none = np.zeros((0, infra.nodes, infra.nodes))
    return TaskGraph(dag.order, edges, compute, np.array(move) if move else none, enter, leave)


def _seconds(dag: DagArrays, substrate: Substrate, t: int) -> FloatArray:
    """(N, N) idle seconds of transfer t: size over the narrowest hop plus delay; nothing on one node."""
    rate, delay = substrate.path_bandwidth, substrate.path_delay
    if USER in (dag.source[t], dag.target[t]):
        rate, delay = np.minimum(rate, dag.cell_rate), delay + dag.cell_delay
    with np.errstate(divide="ignore"):
        every: FloatArray = float(dag.times[t]) * (float(dag.size[t]) / rate + delay)
    return every


def upward_ranks(graph: TaskGraph, room: BoolArray) -> FloatArray:
    """(M,) rank_u: mean compute time plus the longest mean way on to the end of the request.

    Compute times are averaged over the nodes with `room` (M, N), transfers over pairs of different nodes.
    """
    apart = ~np.eye(graph.compute.shape[1], dtype=bool)
    mean = [_mean(times[apart]) for times in graph.move]
    rank = np.zeros(len(graph.order))
    for m in graph.order[::-1].tolist():
        ahead = [mean[e] + rank[b] for e, (a, b) in enumerate(graph.edges) if a == m]
        rank[m] = _mean(graph.compute[m, room[m]]) + max(_mean(graph.leave[m]), *ahead, 0.0)
    return rank


def _mean(seconds: FloatArray) -> float:
    reached = seconds[np.isfinite(seconds)]
    return float(reached.mean()) if len(reached) else 0.0


class Schedule:
    """When the tasks placed so far run on their processors; `stage` (S,) is the task of each slot."""

    def __init__(self, graph: TaskGraph, stage: IntArray) -> None:
        self._graph, self._stage = graph, stage
        self._busy: dict[int, list[tuple[float, float]]] = {}
        self.finish = np.zeros(len(stage))
        """(S,) when each slot's task is done."""

    def choose(self, assign: IntArray, slot: int, nodes: IntArray) -> int:
        """The node of `nodes` with the earliest finish time, the first among equals; the task is booked."""
        m = int(self._stage[slot])
        best, start, end = UNPLACED, np.inf, np.inf
        for node, ready in zip(nodes.tolist(), self._ready(assign, m, nodes).tolist(), strict=True):
            seconds = float(self._graph.compute[m, node])
            begin = self._gap(node, ready, seconds)
            if best == UNPLACED or begin + seconds < end:
                best, start, end = node, begin, begin + seconds
        self._busy.setdefault(best, []).append((start, end))
        self._busy[best].sort()
        self.finish[slot] = end
        return best

    def _ready(self, assign: IntArray, m: int, nodes: IntArray) -> FloatArray:
        """(nodes,) when the last input of task m is there from the tasks placed so far."""
        ready: FloatArray = self._graph.enter[m, nodes]
        for e, (source, target) in enumerate(self._graph.edges):
            if target == m:
                for slot in np.flatnonzero((self._stage == source) & (assign != UNPLACED)):
                    arrival = self.finish[slot] + self._graph.move[e][assign[slot], nodes]
                    ready = np.maximum(ready, arrival)
        return ready

    def _gap(self, node: int, ready: float, seconds: float) -> float:
        """The earliest start from `ready` on at which the node is idle for so long."""
        start = ready
        for begin, end in self._busy.get(node, ()):
            if start + seconds <= begin:
                break
            start = max(start, end)
        return start
