"""Times of single jobs on single nodes, tabled, and the shortest tails that dynamic programming finds."""

import math
from typing import Any, NamedTuple

import numpy as np

from edgewright.core.arrays import EVEN, DagArrays
from edgewright.core.feasibility import Gate
from edgewright.core.kernel import entry, inlined, kernel
from edgewright.core.lanes import take
from edgewright.core.request import times_called
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import (
    Infrastructure,
    Layout,
    copy,
    make_layout,
    replicas,
    settle,
    time_pair,
    time_stage,
)
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

RUN = 6
"""Longest run of stages on one node whose joint demand is counted; beyond, a bound forgets it."""
SLACK = 1.0 + 1e-9


class Tables(NamedTuple):
    """Every job of a DAG on every candidate: stretches frozen at the world's load plus the job's own.

    Frozen times never exceed those of a whole placement, whose other jobs only add load: what dynamic
    programming finds in them is a lower bound.
    """

    lay: Layout
    """A layout in which stage m has its candidates as replicas, in node order."""
    row: IntArray
    """(M, N) place of a node among the candidates of a stage; -1 when it is none."""
    tail: FloatArray
    """(M, C, K) seconds from the start of a stage on a candidate to the user (or to its reply)."""
    onward: FloatArray
    """(T, C, K) the same from the end of the source, through transfer t and its best target."""
    apart: FloatArray
    """(T, C, K) the same when the source's node has no room for the target."""
    entry: FloatArray
    """(T, K) the least latency through the users' transfer t (0 for others)."""
    need: FloatArray
    """(M, R) what the stage takes on a node, as far as it is certain."""
    stack: IntArray
    """(RUN, 3) work space of `run`: stage, candidate, next transfer."""
    taken: FloatArray
    """(RUN, R) work space of `run`: taken by each run so far."""
    reach: FloatArray
    """(RUN, K) work space of `run`: seconds from the start of each of its stages."""
    longest: FloatArray
    """(RUN, K) the same, for the parallel part."""


def make_tables(gate: Gate, candidates: BoolArray, table: Scenarios) -> Tables:
    """Tables for the stages' candidate nodes (M, N) and the scenarios of `table`.

    Raises ValueError when a stage has no candidate.
    """
    counts = candidates.sum(axis=1)
    if not counts.all():
        raise ValueError(f"stage {int(counts.argmin())} has no candidate node; check node_mask first")
    evaluator = gate.evaluator
    dag, infra = evaluator.dag, evaluator.infra
    C, K = int(counts.max()), table.work.shape[1]
    start = np.append(0, np.cumsum(counts)).astype(np.int32)
    lay = make_layout(dag, infra, start)
    row = np.full(candidates.shape, -1, np.int32)
    stage, node = np.nonzero(candidates)
    row[stage, node] = np.arange(len(node)) - start[stage]
    tables = Tables(
        lay=lay,
        row=row,
        tail=np.zeros((len(dag.work), C, K)),
        onward=np.zeros((len(dag.source), C, K)),
        apart=np.zeros((len(dag.source), C, K)),
        entry=np.zeros((len(dag.source), K)),
        need=_needs(gate),
        stack=np.zeros((RUN, 3), np.int32),
        taken=np.zeros((RUN, gate.request.shape[1])),
        reach=np.zeros((RUN, K)),
        longest=np.zeros((RUN, K)),
    )
    slots = np.diff(evaluator.start).astype(np.float64)
    fill(
        dag, infra, table, tables, node.astype(np.int32), gate.free, slots, evaluator.load.rho, evaluator.idle
    )
    return tables


def _needs(gate: Gate) -> FloatArray:
    """(M, R) what a stage takes on a node; nothing where replicas are several or fixed: bounds stay low."""
    stage = gate.problem.stage
    need = np.zeros((len(gate.evaluator.dag.work), gate.request.shape[1]))
    for m in range(len(need)):
        slots = np.flatnonzero(stage == m)
        if len(slots) == 1 and gate.fixed[slots[0]] < 0:
            need[m] = gate.request[slots[0]]
    return need


def single_scenario(rows: int) -> Scenarios:
    """A table of one scenario, every factor at its mean: tails are then critical paths of means."""
    ones, half = np.ones((rows, 1)), np.full((rows, 1), 0.5)
    return Scenarios(
        work=ones,
        work_wait=ones,
        work_overlap=ones,
        payload=ones,
        payload_wait=ones,
        payload_overlap=ones,
        choice=half,
        call=half,
        overlap_choice=half,
    )


@entry
def fill(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    tab: Tables,
    nodes: IntArray,
    free: FloatArray,
    slots: FloatArray,
    rho: FloatArray,
    backlog: FloatArray,
) -> None:
    """Time every candidate at utilisation `rho` plus the job's own share, then run the tails backwards.

    `free` (N, R) capacity; `slots` (M,) replicas that split a stage's traffic.
    """
    lay = tab.lay
    settle(dag, infra, lay, nodes, True, False)
    for m in range(len(dag.work)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            lay.share[slot] = 1.0 / slots[m]
            load = dag.rate * dag.visits[m] * dag.work[m] * lay.share[slot]
            time_stage(dag, infra, lay, rho, backlog, m, slot, load if dag.traffic[m] == EVEN else 0.0)
    for t in range(len(dag.source)):
        source, target = dag.source[t], dag.target[t]
        count = replicas(lay, source) * replicas(lay, target)
        load = dag.rate * dag.times[t] * dag.size[t]
        if source >= 0:
            load = load / slots[source] if dag.traffic[source] == EVEN else 0.0
        if target >= 0:
            load = load / slots[target] if dag.traffic[target] == EVEN else 0.0
        for pair in range(lay.pair_start[t], lay.pair_start[t] + count):
            time_pair(dag, infra, lay, rho, backlog, t, pair, load, load)
    for at in range(len(dag.work) - 1, -1, -1):
        _tail(dag, table, tab, free, dag.order[at])
        _reach(dag, table, tab, free, dag.order[at])
    _enter(dag, table, tab)


@kernel
def seconds(table: Scenarios, lay: Layout, t: int, pair: int, k: int) -> float:
    """Transfer t over one node pair in scenario k, without overlap."""
    ideal: float = table.payload[t, k] * lay.ideal[pair]
    wait: float = table.payload_wait[t, k] * lay.wait[pair]
    fixed: float = lay.late[pair]
    return ideal + wait + fixed


@inlined
def seconds_in_lanes(table: Scenarios, lay: Layout, t: int, pair: int, k: int) -> Any:
    """`seconds` in LANES scenarios from k on."""
    wait = take(table.payload_wait[t], k) * lay.wait[pair]
    return take(table.payload[t], k) * lay.ideal[pair] + wait + lay.late[pair]


@kernel
def _tail(dag: DagArrays, table: Scenarios, tab: Tables, free: FloatArray, m: int) -> None:
    """Fill `tail` of stage m, whose callees are done: a run of stages on one node starts with it."""
    for i in range(tab.lay.placed[m]):
        node = tab.lay.node[tab.lay.start[m] + i]
        for r in range(free.shape[1]):
            tab.taken[0, r] = tab.need[m, r]
        run(dag, table, tab, free[node], m, i, 0)
        for k in range(tab.reach.shape[1]):
            tab.tail[m, i, k] = tab.reach[0, k]


@kernel
def run(dag: DagArrays, table: Scenarios, tab: Tables, left: FloatArray, m: int, i: int, first: int) -> None:
    """Write to `tab.reach[first]` the least seconds from the start of stage m on candidate i.

    Each callee either joins the run on the same node, as long as `left` (R,) holds what the chain of callers
    in the run takes (`tab.taken[first]`, m included), or starts a run of its own on another node. Depth first
    with a stack, as cached kernels may not call themselves.
    """
    depth, node = first, tab.lay.node[tab.lay.start[m] + i]
    _begin(dag, table, tab, m, i, depth)
    while True:
        m, i = tab.stack[depth, 0], tab.stack[depth, 1]
        if tab.stack[depth, 2] == dag.outward_start[m + 1]:
            for k in range(tab.reach.shape[1]):
                tab.reach[depth, k] += tab.longest[depth, k]
            if depth == first:
                return
            depth -= 1
            t = dag.outward[tab.stack[depth, 2] - 1]
            _merge(dag, table, tab, t, tab.stack[depth, 1], i, depth)
            continue
        t = dag.outward[tab.stack[depth, 2]]
        tab.stack[depth, 2] += 1
        target = dag.target[t]
        if target < 0:
            if dag.pipeline:
                _leave(table, tab, t, i, depth)
            continue
        j = join(tab, left, target, node, depth)
        if j >= 0 and depth + 2 < RUN:
            depth += 1
            _begin(dag, table, tab, target, j, depth)
            continue
        if j >= 0:
            copy(tab.tail[target, j], tab.reach[depth + 1])
        _merge(dag, table, tab, t, i, j, depth)


@kernel
def _begin(dag: DagArrays, table: Scenarios, tab: Tables, m: int, i: int, depth: int) -> None:
    """Push stage m on candidate i: its own time, no callee yet."""
    slot = tab.lay.start[m] + i
    ideal, wait, fixed = tab.lay.stage_ideal[slot], tab.lay.stage_wait[slot], tab.lay.stage_late[slot]
    for k in range(tab.reach.shape[1]):
        tab.reach[depth, k] = table.work[m, k] * ideal + table.work_wait[m, k] * wait + fixed
        tab.longest[depth, k] = 0.0
    tab.stack[depth, 0], tab.stack[depth, 1], tab.stack[depth, 2] = m, i, dag.outward_start[m]


@kernel
def _leave(table: Scenarios, tab: Tables, t: int, i: int, depth: int) -> None:
    """Count the transfer to the user."""
    for k in range(tab.reach.shape[1]):
        out = seconds(table, tab.lay, t, tab.lay.pair_start[t] + i, k)
        tab.longest[depth, k] = max(tab.longest[depth, k], out)


@kernel
def _merge(dag: DagArrays, table: Scenarios, tab: Tables, t: int, i: int, j: int, depth: int) -> None:
    """Count transfer t: the least of going apart and, for j >= 0, joining the run, times its calls."""
    for k in range(tab.reach.shape[1]):
        trip = tab.apart[t, i, k]
        if j >= 0:
            trip = min(trip, tab.reach[depth + 1, k] + _between(dag, table, tab, t, i, j, k))
        if not dag.pipeline:
            trip *= times_called(dag, table, t, k)
        if dag.pipeline or dag.parallel[t]:
            tab.longest[depth, k] = max(tab.longest[depth, k], trip)
        else:
            tab.reach[depth, k] += trip


@kernel
def join(tab: Tables, left: FloatArray, target: int, node: int, depth: int) -> int:
    """Candidate by which stage `target` may join the run on `node`, -1 where it may not; fills `taken`."""
    for r in range(len(left)):
        tab.taken[depth + 1, r] = tab.taken[depth, r] + tab.need[target, r]
        if tab.need[target, r] > 0.0 and tab.taken[depth + 1, r] > left[r] * SLACK:
            return -1
    row: int = tab.row[target, node]
    return row


@kernel
def _reach(dag: DagArrays, table: Scenarios, tab: Tables, free: FloatArray, m: int) -> None:
    """Fill `onward` and `apart` of the transfers into stage m, whose `tail` is done."""
    K, lay = table.work.shape[1], tab.lay
    for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
        source = dag.source[t]
        if source < 0:
            continue
        for i in range(lay.placed[source]):
            here = lay.node[lay.start[source] + i]
            for k in range(K):
                tab.apart[t, i, k] = math.inf
            for j in range(lay.placed[m]):
                if lay.node[lay.start[m] + j] != here:
                    for k in range(K):
                        trip = tab.tail[m, j, k] + _between(dag, table, tab, t, i, j, k)
                        tab.apart[t, i, k] = min(tab.apart[t, i, k], trip)
            for r in range(free.shape[1]):
                tab.taken[0, r] = tab.need[source, r]
            follow(dag, table, tab, free[here], t, i, tab.onward[t, i])


@kernel
def follow(
    dag: DagArrays, table: Scenarios, tab: Tables, left: FloatArray, t: int, i: int, out: FloatArray
) -> None:
    """Least seconds (K,) from the end of transfer t's source on candidate i, with `left` (R,) on its node.

    `tab.taken[0]` says what of `left` is taken already.
    """
    target, K = dag.target[t], len(out)
    j = join(tab, left, target, tab.lay.node[tab.lay.start[dag.source[t]] + i], 0)
    if j >= 0:
        run(dag, table, tab, left, target, j, 1)
    for k in range(K):
        out[k] = tab.apart[t, i, k]
        if j >= 0:
            out[k] = min(out[k], tab.reach[1, k] + _between(dag, table, tab, t, i, j, k))


@kernel
def _between(dag: DagArrays, table: Scenarios, tab: Tables, t: int, i: int, j: int, k: int) -> float:
    """Transfer t between two candidates, and the way back of a call."""
    lay, source, target = tab.lay, dag.source[t], dag.target[t]
    trip = seconds(table, lay, t, lay.pair_start[t] + i * lay.placed[target] + j, k)
    if not dag.pipeline:
        back = dag.back[t]
        trip += seconds(table, lay, back, lay.pair_start[back] + j * lay.placed[source] + i, k)
    return trip


@kernel
def _enter(dag: DagArrays, table: Scenarios, tab: Tables) -> None:
    """Fill `entry`: from the users through each source, and back for calls."""
    M, K, lay = len(dag.work), table.work.shape[1], tab.lay
    first = dag.outward_start[M]
    for e in range(first, dag.outward_start[M + 1]):
        t = dag.outward[e]
        leave = -1 if dag.pipeline else dag.inward[dag.inward_start[M] + e - first]
        m = dag.target[t]
        for k in range(K):
            tab.entry[t, k] = math.inf
            for j in range(lay.placed[m]):
                trip = seconds(table, lay, t, lay.pair_start[t] + j, k) + tab.tail[m, j, k]
                if leave >= 0:
                    trip += seconds(table, lay, leave, lay.pair_start[leave] + j, k)
                tab.entry[t, k] = min(tab.entry[t, k], trip)
