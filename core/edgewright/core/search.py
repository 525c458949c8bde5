"""Search for placements: a beam over the DAG with dynamic-programming tails."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.rules import Rules, has_room, take
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import copy
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.tables import Tables, seconds


class Workspace(NamedTuple):
    """Arrays that the kernels write; W beam states, S slots, N nodes."""

    left: FloatArray
    """(N, R) free capacity beside the placement at hand."""
    cost: FloatArray
    """(M, C) seconds from a stage's start on, of its placed replicas; refreshed by `glance`."""
    trial: IntArray
    """(1, S)."""
    broken: IntArray
    """(1,)."""
    out: FloatArray
    """(OUTPUTS,)."""
    key: FloatArray
    """(moves,) glance of each move."""
    move: IntArray
    """(moves, 4) slot, node, second slot or -1, its node."""
    picked: FloatArray
    """(W,) values of beam states."""
    origin: IntArray
    """(W, 2) state and node that each kept expansion comes from."""
    states: IntArray
    """(2, W, S)."""


def make_workspace(rules: Rules, tables: Tables, outputs: int, width: int) -> Workspace:
    """Empty work space for a beam of `width` states."""
    S, N = rules.mask.shape
    M, C = tables.tail.shape[:2]
    moves = S * N + 2 * S * S
    return Workspace(
        left=np.zeros_like(rules.free),
        cost=np.zeros((M, C)),
        trial=np.zeros((1, S), np.int32),
        broken=np.zeros(1, np.int32),
        out=np.zeros(outputs),
        key=np.zeros(moves),
        move=np.zeros((moves, 4), np.int32),
        picked=np.zeros(width),
        origin=np.zeros((width, 2), np.int32),
        states=np.zeros((2, width, S), np.int32),
    )


@kernel
def glance(
    dag: DagArrays, table: Scenarios, tab: Tables, start: IntArray, cost: FloatArray, assign: IntArray
) -> float:
    """Critical path of mean frozen times of a partial placement (S,); best tails stand for unplaced slots.

    `table` has one scenario; `cost` (M, C) is work space.
    """
    M, lay = len(dag.work), tab.lay
    for at in range(M - 1, -1, -1):
        m = dag.order[at]
        for slot in range(start[m], start[m + 1]):
            if assign[slot] < 0:
                continue
            i = tab.row[m, assign[slot]]
            own = lay.stage_ideal[lay.start[m] + i] + lay.stage_wait[lay.start[m] + i]
            own += lay.stage_fixed[lay.start[m] + i]
            longest = 0.0
            for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
                target = dag.target[t]
                if target < 0:
                    if dag.pipeline:
                        longest = max(longest, seconds(table, lay, t, lay.pair_start[t] + i, 0))
                    continue
                trip = _onward(dag, table, tab, start, cost, assign, t, i)
                if dag.pipeline:
                    longest = max(longest, trip)
                elif dag.parallel[t]:
                    longest = max(longest, trip * dag.calls[t])
                else:
                    own += trip * dag.calls[t]
            cost[m, i] = own + longest
    return _from_users(dag, table, tab, start, cost, assign)


@kernel
def _from_users(
    dag: DagArrays, table: Scenarios, tab: Tables, start: IntArray, cost: FloatArray, assign: IntArray
) -> float:
    """The longest way from the users through a source, mean over its replicas, and back for calls."""
    M, lay, longest = len(dag.work), tab.lay, 0.0
    first = dag.outward_start[M]
    for e in range(first, dag.outward_start[M + 1]):
        t = dag.outward[e]
        leave = -1 if dag.pipeline else dag.inward[dag.inward_start[M] + e - first]
        m, total = dag.target[t], 0.0
        for slot in range(start[m], start[m + 1]):
            if assign[slot] < 0:
                total += tab.entry[t, 0]
                continue
            i = tab.row[m, assign[slot]]
            total += seconds(table, lay, t, lay.pair_start[t] + i, 0) + cost[m, i]
            if leave >= 0:
                total += seconds(table, lay, leave, lay.pair_start[leave] + i, 0)
        longest = max(longest, total / (start[m + 1] - start[m]))
    return longest


@kernel
def _onward(
    dag: DagArrays,
    table: Scenarios,
    tab: Tables,
    start: IntArray,
    cost: FloatArray,
    assign: IntArray,
    t: int,
    i: int,
) -> float:
    """Mean over the target's replicas of transfer t from candidate i and what follows."""
    lay, target = tab.lay, dag.target[t]
    total: float = 0.0
    width = lay.placed[target]
    for slot in range(start[target], start[target + 1]):
        if assign[slot] < 0:
            total += tab.onward[t, i, 0]
            continue
        j = tab.row[target, assign[slot]]
        total += seconds(table, lay, t, lay.pair_start[t] + i * width + j, 0) + cost[target, j]
        if not dag.pipeline:
            back = dag.back[t]
            pair = lay.pair_start[back] + j * lay.placed[dag.source[t]] + i
            total += seconds(table, lay, back, pair, 0)
    return total / float(start[target + 1] - start[target])


@entry
def beam(
    dag: DagArrays,
    table: Scenarios,
    tab: Tables,
    start: IntArray,
    rules: Rules,
    space: Workspace,
    sequence: IntArray,
) -> int:
    """Place the free slots in `sequence`, keeping the W states of least glance; returns how many are left.

    The complete placements stand in `space.states[0]`, best first, as far as capacity and spread go.
    """
    N, W = rules.mask.shape[1], len(space.picked)
    old, new, count = 0, 1, 1
    copy(rules.fixed, space.states[0, 0])
    for slot in sequence:
        m, kept = rules.stage[slot], 0
        for b in range(count):
            state = space.states[old, b]
            fill_left(rules, space.left, state)
            for node in range(N):
                if tab.row[m, node] < 0 or not has_room(rules, start, space.left, state, slot, node):
                    continue
                state[slot] = node
                value = glance(dag, table, tab, start, space.cost, state)
                state[slot] = -1
                kept = _keep(space, kept, W, value, b, node)
        for b in range(kept):
            copy(space.states[old, space.origin[b, 0]], space.states[new, b])
            space.states[new, b, slot] = space.origin[b, 1]
        old, new, count = new, old, kept
    if old == 1:
        for b in range(count):
            copy(space.states[1, b], space.states[0, b])
    return count


@kernel
def _keep(space: Workspace, kept: int, width: int, value: float, state: int, node: int) -> int:
    """Insert an expansion into the sorted best `width`."""
    if kept == width and value >= space.picked[width - 1]:
        return kept
    at = kept if kept < width else width - 1
    while at > 0 and space.picked[at - 1] > value:
        space.picked[at] = space.picked[at - 1]
        space.origin[at, 0], space.origin[at, 1] = space.origin[at - 1, 0], space.origin[at - 1, 1]
        at -= 1
    space.picked[at] = value
    space.origin[at, 0], space.origin[at, 1] = state, node
    return min(kept + 1, width)


@kernel
def fill_left(rules: Rules, left: FloatArray, assign: IntArray) -> None:
    """Free capacity `left` (N, R) beside a partial placement (S,)."""
    for n in range(left.shape[0]):
        for r in range(left.shape[1]):
            left[n, r] = rules.free[n, r]
    for slot in range(len(assign)):
        if rules.fixed[slot] < 0 and assign[slot] >= 0:
            take(rules, left, slot, assign[slot], 1.0)
