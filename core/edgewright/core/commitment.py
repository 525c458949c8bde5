"""What a lower bound gains when the first stages not placed yet are each on one node for all scenarios."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.lanes import LANES, alike, take, total
from edgewright.core.request import Request, times_called
from edgewright.core.rules import Rules, has_room
from edgewright.core.scenarios import Scenarios
from edgewright.core.service import CPU
from edgewright.core.stations import Layout
from edgewright.core.tables import Tables, join, run, seconds_in_lanes
from edgewright.core.tree import Tree


@kernel
def weigh(dag: DagArrays, table: Scenarios, req: Request, tab: Tables, tree: Tree) -> None:
    """Fill `tree.weight`: the longest way of each scenario through the known stages, into the first unknown.

    With these ways chosen, the latency is a sum over jobs, and what any other way would take is only more.
    """
    tree.weight[:] = 0.0
    for k in range(len(req.total)):
        _visit(dag, tree, _longest_entry(dag, req, tab, tree, k), k, 1.0)
    for m in dag.order:
        if tree.known[m]:
            for k in range(len(req.total)):
                if tree.weight[m, k] > 0.0:
                    _go_on(dag, table, tree, m, k)


@inlined
def _longest_entry(dag: DagArrays, req: Request, tab: Tables, tree: Tree, k: int) -> int:
    """The users' transfer with which the longest way of scenario k begins."""
    M, best, longest = len(dag.work), -1, -1.0
    for t in dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]:
        trip, m = tab.entry[t, k], dag.target[t]
        if tree.known[m]:
            trip = req.seconds[M + t, k] + tree.rest[m, k]
            back = _way_back(dag, t)
            if back >= 0:
                trip += req.seconds[M + back, k]
        if trip > longest:
            best, longest = t, trip
    return best


@inlined
def _go_on(dag: DagArrays, table: Scenarios, tree: Tree, m: int, k: int) -> None:
    """Count what the longest way of scenario k does after stage m: sequential calls, the longest other."""
    best, longest, often = -1, 0.0, 1.0
    for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
        if dag.target[t] < 0 and not dag.pipeline:
            continue
        calls = 1.0 if dag.pipeline else times_called(dag, table, t, k)
        if not dag.pipeline and not dag.parallel[t]:
            _visit(dag, tree, t, k, tree.weight[m, k] * calls)
        elif tree.onward[t, k] * calls > longest:
            best, longest, often = t, tree.onward[t, k] * calls, calls
    if best >= 0 and dag.target[best] >= 0:
        _visit(dag, tree, best, k, tree.weight[m, k] * often)


@inlined
def _visit(dag: DagArrays, tree: Tree, t: int, k: int, times: float) -> None:
    """Count transfer t, and its target where that is known."""
    if tree.known[dag.target[t]]:
        tree.weight[dag.target[t], k] += times
    else:
        tree.weight[len(dag.work) + t, k] += times


@kernel
def regret(dag: DagArrays, table: Scenarios, lay: Layout, tab: Tables, rules: Rules, tree: Tree) -> float:
    """Mean seconds that the best tails of each scenario are too low, as their first stage is on one node.

    For each step from a known stage (or the users) to an unknown one, weighted by `tree.weight`: the least
    over nodes with room of the sum over scenarios, minus the sum of the least. Replicated ends count nothing.
    """
    M, K, regretted = len(dag.work), table.work.shape[1], 0.0
    for t in range(len(dag.source)):
        source, target = dag.source[t], dag.target[t]
        if target < 0 or tree.known[target] or lay.total[target] != 1:
            continue
        if source >= 0 and (not tree.known[source] or lay.total[source] != 1):
            continue
        weight, frozen = tree.weight[M + t], tab.entry[t] if source < 0 else tree.onward[t]
        sums, least = alike(0.0), np.inf
        for k in range(0, K, LANES):
            sums = sums + take(weight, k) * take(frozen, k)
        counted = total(sums)
        if counted == 0.0:
            continue
        for node in range(rules.mask.shape[1]):
            j = tab.row[target, node]
            if j >= 0 and has_room(rules, lay.start, tree.left, tree.assign[0], lay.start[target], node):
                least = min(least, _step(dag, table, lay, tab, rules, tree, t, j))
        regretted += max(least - counted, 0.0)
    mean: float = regretted / K
    return mean


@inlined
def _step(
    dag: DagArrays, table: Scenarios, lay: Layout, tab: Tables, rules: Rules, tree: Tree, t: int, j: int
) -> float:
    """Sum over scenarios of `tree.weight` times transfer t to candidate j, its tail, and the way back."""
    M, K, source, target = len(dag.work), table.work.shape[1], dag.source[t], dag.target[t]
    frozen, weight, tail = tab.lay, tree.weight[M + t], tab.tail[target, j]
    i, node = 0, frozen.node[frozen.start[target] + j]
    if source >= 0:
        i = tab.row[source, lay.node[lay.start[source]]]
    if tree.left[node, CPU] < rules.free[node, CPU]:  # the tail was computed for an empty node
        tab.taken[0, :] = 0.0
        join(tab, tree.left[node], target, node, 0)
        run(dag, table, tab, tree.left[node], target, j, 1)
        tail = tab.reach[1]
    pair, value, back = frozen.pair_start[t] + i * frozen.placed[target] + j, alike(0.0), _way_back(dag, t)
    for k in range(0, K, LANES):
        value = value + take(weight, k) * (seconds_in_lanes(table, frozen, t, pair, k) + take(tail, k))
    if back >= 0:
        pair = frozen.pair_start[back] + (j * frozen.placed[source] + i if source >= 0 else j)
        for k in range(0, K, LANES):
            value = value + take(weight, k) * seconds_in_lanes(table, frozen, back, pair, k)
    seconds: float = total(value)
    return seconds


@inlined
def _way_back(dag: DagArrays, t: int) -> int:
    """The response of call t, or the answer to the users of their transfer t; -1 in a pipeline."""
    M = len(dag.work)
    if dag.pipeline:
        return -1
    if dag.source[t] >= 0:
        back: int = dag.back[t]
        return back
    first = dag.outward_start[M]
    for e in range(first, dag.outward_start[M + 1]):
        if dag.outward[e] == t:
            break
    answer: int = dag.inward[dag.inward_start[M] + e - first]
    return answer
