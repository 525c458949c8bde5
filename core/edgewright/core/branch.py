"""Depth-first branch and bound over placements, in slices: proves how good the best placement can be."""

import math
from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.evaluate import WORST
from edgewright.core.kernel import entry, kernel
from edgewright.core.overlap import overlap
from edgewright.core.request import Request, draw, mean_of, times_called
from edgewright.core.rules import Rules, has_room, score, take
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, copy, settle, time
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.tables import Tables, follow, join, run

DONE, LEAF, PAUSED = range(3)
"""Why `branch` returned: tree exhausted; a better placement stands in `assign`; budget spent."""


class Tree(NamedTuple):
    """The path from the root to the current node; D free slots, N nodes."""

    sequence: IntArray
    """(D,) free slots, callers first."""
    twin: IntArray
    """(D,) the slot before it in `sequence` that is its interchangeable replica; -1 where there is none."""
    depth: IntArray
    """(1,)."""
    children: IntArray
    """(D,) number of children of each open node."""
    child: IntArray
    """(D, N) their nodes, best bound first."""
    bound: FloatArray
    """(D, N) their bounds."""
    at: IntArray
    """(D,) next child."""
    assign: IntArray
    """(1, S) the partial placement."""
    left: FloatArray
    """(N, R)."""
    known: IntArray
    """(M,) 1 where every slot of a stage is placed."""
    rest: FloatArray
    """(M, K) seconds from the start of a known stage to the user (or to its reply)."""
    ahead: FloatArray
    """(K,) work space."""
    onward: FloatArray
    """(T, K) seconds from the end of a known stage on through each transfer out of it, of one call."""
    weight: FloatArray
    """(M + T, K) how often the longest way of a scenario visits each stage and each transfer."""
    floor: FloatArray
    """(M + T,) zeros."""
    visited: IntArray
    """(2,) bounds computed and leaves scored."""
    broken: IntArray
    out: FloatArray


def make_tree(rules: Rules, sequence: IntArray, scenarios: int, transfers: int, outputs: int) -> Tree:
    """A tree whose root is the fixed slots alone."""
    D, N, M = len(sequence), rules.mask.shape[1], len(rules.apart)
    left = rules.free.copy()
    twin = np.full(D, -1, np.int32)
    for d in range(1, D):
        a, b = int(sequence[d - 1]), int(sequence[d])
        same = rules.stage[a] == rules.stage[b] and np.array_equal(rules.request[a], rules.request[b])
        if same and np.array_equal(rules.mask[a], rules.mask[b]):
            twin[d] = a
    return Tree(
        sequence=sequence,
        twin=twin,
        depth=np.full(1, -1, np.int32),
        children=np.zeros(max(D, 1), np.int32),
        child=np.zeros((max(D, 1), N), np.int32),
        bound=np.zeros((max(D, 1), N)),
        at=np.zeros(max(D, 1), np.int32),
        assign=rules.fixed[None, :].copy(),
        left=left,
        known=np.zeros(M, np.int32),
        rest=np.zeros((M, scenarios)),
        ahead=np.zeros(scenarios),
        onward=np.zeros((transfers, scenarios)),
        weight=np.zeros((M + transfers, scenarios)),
        floor=np.zeros(M + transfers),
        visited=np.zeros(2, np.int32),
        broken=np.zeros(1, np.int32),
        out=np.zeros(outputs),
    )


def open_bound(tree: Tree) -> float:
    """The least bound among subtrees not yet searched: with the incumbent, the proven bound."""
    least = math.inf
    for d in range(int(tree.depth[0]) + 1):
        first = int(tree.at[d])  # the child before it is finished, or opened one level down
        if first < tree.children[d]:
            least = min(least, float(tree.bound[d, first : tree.children[d]].min()))
    return least


@entry
def branch(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    tab: Tables,
    rules: Rules,
    tree: Tree,
    incumbent: float,
    budget: int,
) -> int:
    """Search on for `budget` bounds or until a leaf below `incumbent`; DONE, LEAF or PAUSED.

    Bounds: the load of unplaced slots and all overlap are dropped, which only lowers every scenario's
    latency; unplaced stages stand for the tails of `tab` in each scenario; the other DAGs cost at least what
    they cost without this one.
    """
    for station in range(len(rules.background)):
        req.rho[station] = rules.background[station]
    D, spent = len(tree.sequence), 0
    if tree.depth[0] < 0:
        _expand(dag, infra, table, lay, req, tab, rules, tree, 0, incumbent)
        tree.depth[0] = 0
    while spent < budget:
        d = tree.depth[0]
        slot = tree.sequence[d]
        if tree.assign[0, slot] >= 0:
            take(rules, tree.left, slot, tree.assign[0, slot], -1.0)
            tree.assign[0, slot] = -1
        if tree.at[d] >= tree.children[d] or tree.bound[d, tree.at[d]] >= incumbent:
            tree.children[d] = 0
            tree.at[d] = 0
            if d == 0:
                return DONE
            tree.depth[0] = d - 1
            continue
        node = tree.child[d, tree.at[d]]
        tree.at[d] += 1
        tree.assign[0, slot] = node
        take(rules, tree.left, slot, node, 1.0)
        if d + 1 < D:
            spent += _expand(dag, infra, table, lay, req, tab, rules, tree, d + 1, incumbent)
            tree.depth[0] = d + 1
            continue
        tree.visited[1] += 1
        spent += 3
        if _leaf(dag, infra, table, lay, req, rules, tree) < incumbent:
            return LEAF
    return PAUSED


@kernel
def _leaf(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    rules: Rules,
    tree: Tree,
) -> float:
    """J of a whole placement with the other DAGs at their least; infinite when it breaks a rule."""
    value = score(dag, infra, table, lay, req, rules, tree.assign, tree.broken, tree.out)
    return np.inf if tree.broken[0] else value


@kernel
def _expand(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    tab: Tables,
    rules: Rules,
    tree: Tree,
    d: int,
    incumbent: float,
) -> int:
    """List the children of the current node at depth d by ascending bound; returns how many were bounded."""
    slot, count = tree.sequence[d], 0
    m = rules.stage[slot]
    least = tree.assign[0, tree.twin[d]] if tree.twin[d] >= 0 else 0
    for node in range(least, rules.mask.shape[1]):
        if tab.row[m, node] < 0 or not has_room(rules, lay.start, tree.left, tree.assign[0], slot, node):
            continue
        tree.assign[0, slot] = node
        take(rules, tree.left, slot, node, 1.0)
        value = bound(dag, infra, table, lay, req, tab, rules, tree, incumbent)
        take(rules, tree.left, slot, node, -1.0)
        tree.assign[0, slot] = -1
        tree.visited[0] += 1
        at = count
        while at > 0 and tree.bound[d, at - 1] > value:
            tree.bound[d, at], tree.child[d, at] = tree.bound[d, at - 1], tree.child[d, at - 1]
            at -= 1
        tree.bound[d, at], tree.child[d, at] = value, node
        count += 1
    tree.children[d], tree.at[d] = count, 0
    return count


@kernel
def bound(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    tab: Tables,
    rules: Rules,
    tree: Tree,
    incumbent: float,
) -> float:
    """Lower bound of J over all completions of `tree.assign`; infinite where it overloads a station.

    Below `incumbent` it is sharpened by what it costs that a stage is on one node in all scenarios.
    """
    settle(dag, infra, lay, tree.assign[0], False, True)
    rho, overloaded = req.rho, False
    for station in lay.touched[: lay.used[0]]:
        rho[station] = rules.background[station] + lay.rho[station]
        overloaded = overloaded or rho[station] > rules.most[station] * (1.0 + 1e-9)
    if not overloaded:
        time(dag, infra, lay, rho, rules.idle)
        overlap(dag, infra, lay, rho, table.overlap_choice, req.chosen, req.duration, req.begin, req.added)
        draw(dag, infra, lay, table, req, tree.floor)
    for station in lay.touched[: lay.used[0]]:
        rho[station] = rules.background[station]
    if overloaded:
        return np.inf
    for at in range(len(dag.work) - 1, -1, -1):
        m = dag.order[at]
        tree.known[m] = 1 if lay.placed[m] == lay.total[m] else 0
        if tree.known[m]:
            _rest(dag, table, lay, req, tab, rules, tree, m)
    _total(dag, lay, req, tab, tree)
    value = _cost(dag, rules, mean_of(req.total))
    if value < incumbent:
        _weigh(dag, table, req, tab, tree)
        value = _cost(dag, rules, mean_of(req.total) + _regret(dag, table, lay, tab, rules, tree))
    return value


@kernel
def _cost(dag: DagArrays, rules: Rules, mean: float) -> float:
    """J with this mean latency and the other DAGs at their least."""
    value: float = (dag.rate * min(mean / dag.limit, WORST) + rules.others) / rules.total_rate
    return value


@kernel
def _rest(
    dag: DagArrays,
    table: Scenarios,
    lay: Layout,
    req: Request,
    tab: Tables,
    rules: Rules,
    tree: Tree,
    m: int,
) -> None:
    """Seconds from the start of known stage m on, per scenario; unknown callees: their best tails."""
    M, K = len(dag.work), len(req.total)
    rest = tree.rest[m]
    req.latest[:] = 0.0
    for k in range(K):
        rest[k] = req.seconds[m, k]
    for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
        if dag.target[t] < 0:
            if dag.pipeline:
                for k in range(K):
                    tree.onward[t, k] = req.seconds[M + t, k]
                    req.latest[k] = max(req.latest[k], req.seconds[M + t, k])
            continue
        _follow(dag, table, lay, req, tab, rules, tree, t)
        copy(req.earliest, tree.onward[t])
        if dag.pipeline:
            for k in range(K):
                req.latest[k] = max(req.latest[k], req.earliest[k])
            continue
        for k in range(K):
            trip = req.earliest[k] * times_called(dag, table, t, k)
            if dag.parallel[t]:
                req.latest[k] = max(req.latest[k], trip)
            else:
                rest[k] += trip
    for k in range(K):
        rest[k] += req.latest[k]


@kernel
def _follow(
    dag: DagArrays,
    table: Scenarios,
    lay: Layout,
    req: Request,
    tab: Tables,
    rules: Rules,
    tree: Tree,
    t: int,
) -> None:
    """Seconds (K,) in `req.earliest` from the end of transfer t's known source on."""
    M, K, m, target = len(dag.work), len(req.total), dag.source[t], dag.target[t]
    if tree.known[target]:
        for k in range(K):
            req.earliest[k] = req.seconds[M + t, k] + tree.rest[target, k]
        if not dag.pipeline:
            for k in range(K):
                req.earliest[k] += req.seconds[M + dag.back[t], k]
        return
    tab.taken[0, :] = 0.0
    for i in range(lay.placed[m]):
        node = lay.node[lay.start[m] + i]
        row = tab.row[m, node]
        if _may_join(rules, lay.start, tree, target, node):
            follow(dag, table, tab, tree.left[node], t, row, tree.ahead)
        else:
            copy(tab.apart[t, row], tree.ahead)
        for k in range(K):
            if req.picked[k, m] == i:
                req.earliest[k] = tree.ahead[k]


@kernel
def _may_join(rules: Rules, start: IntArray, tree: Tree, m: int, node: int) -> bool:
    """Whether a replica of stage m is on `node`, or may still go there."""
    for slot in range(start[m], start[m + 1]):
        placed = tree.assign[0, slot]
        if placed == node:
            return True
        if placed < 0 and has_room(rules, start, tree.left, tree.assign[0], slot, node):
            return True
    return False


@kernel
def _total(dag: DagArrays, lay: Layout, req: Request, tab: Tables, tree: Tree) -> None:
    """`req.total` (K,) from the users through each source."""
    M, K, first = len(dag.work), len(req.total), dag.outward_start[len(dag.work)]
    req.total[:] = 0.0
    for e in range(first, dag.outward_start[M + 1]):
        t = dag.outward[e]
        m = dag.target[t]
        if not tree.known[m]:
            for k in range(K):
                req.total[k] = max(req.total[k], tab.entry[t, k])
            continue
        leave = -1 if dag.pipeline else dag.inward[dag.inward_start[M] + e - first]
        for k in range(K):
            trip = req.seconds[M + t, k] + tree.rest[m, k]
            if leave >= 0:
                trip += req.seconds[M + leave, k]
            req.total[k] = max(req.total[k], trip)


@kernel
def _weigh(dag: DagArrays, table: Scenarios, req: Request, tab: Tables, tree: Tree) -> None:
    """Fill `tree.weight`: the longest way of each scenario through the known stages, into the first unknown.

    With these ways chosen, the latency is a sum over jobs, and what any other way would take is only more.
    """
    M, K, weight = len(dag.work), len(req.total), tree.weight
    weight[:] = 0.0
    first, last = dag.outward_start[M], dag.outward_start[M + 1]
    for k in range(K):
        best, longest = -1, -1.0
        for e in range(first, last):
            t = dag.outward[e]
            m = dag.target[t]
            trip = tab.entry[t, k]
            if tree.known[m]:
                trip = req.seconds[M + t, k] + tree.rest[m, k]
                if not dag.pipeline:
                    trip += req.seconds[M + dag.inward[dag.inward_start[M] + e - first], k]
            if trip > longest:
                best, longest = t, trip
        _visit(dag, tree, best, k, 1.0)
    for m in dag.order:
        if not tree.known[m]:
            continue
        for k in range(K):
            if weight[m, k] == 0.0:
                continue
            best, longest = -1, 0.0
            for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
                if dag.target[t] < 0 and not dag.pipeline:
                    continue
                calls = 1.0 if dag.pipeline else times_called(dag, table, t, k)
                if not dag.pipeline and not dag.parallel[t]:
                    _visit(dag, tree, t, k, weight[m, k] * calls)
                elif tree.onward[t, k] * calls > longest:
                    best, longest = t, tree.onward[t, k] * calls
            if best >= 0 and dag.target[best] >= 0:
                calls = 1.0 if dag.pipeline else times_called(dag, table, best, k)
                _visit(dag, tree, best, k, weight[m, k] * calls)


@kernel
def _visit(dag: DagArrays, tree: Tree, t: int, k: int, times: float) -> None:
    """Count transfer t, and its target where that is known."""
    if tree.known[dag.target[t]]:
        tree.weight[dag.target[t], k] += times
    else:
        tree.weight[len(dag.work) + t, k] += times


@kernel
def _regret(dag: DagArrays, table: Scenarios, lay: Layout, tab: Tables, rules: Rules, tree: Tree) -> float:
    """Mean seconds that the best tails of each scenario are too low, as their first stage is on one node.

    For each step from a known stage (or the users) to an unknown one, weighted by `tree.weight`: the least
    over nodes with room of the sum over scenarios, minus the sum of the least. Replicated ends count nothing.
    """
    M, K, total = len(dag.work), table.work.shape[1], 0.0
    for t in range(len(dag.source)):
        source, target = dag.source[t], dag.target[t]
        if target < 0 or tree.known[target] or lay.total[target] != 1:
            continue
        if source >= 0 and (not tree.known[source] or lay.total[source] != 1):
            continue
        weight, frozen = tree.weight[M + t], tab.entry[t] if source < 0 else tree.onward[t]
        counted, least = 0.0, np.inf
        for k in range(K):
            counted += weight[k] * frozen[k]
        if counted == 0.0:
            continue
        for node in range(rules.mask.shape[1]):
            j = tab.row[target, node]
            if j >= 0 and has_room(rules, lay.start, tree.left, tree.assign[0], lay.start[target], node):
                least = min(least, _step(dag, table, lay, tab, tree, t, j))
        total += max(least - counted, 0.0)
    return total / K


@kernel
def _step(dag: DagArrays, table: Scenarios, lay: Layout, tab: Tables, tree: Tree, t: int, j: int) -> float:
    """Sum over scenarios of `tree.weight` times transfer t to candidate j, its tail, and the way back."""
    M, K, source, target = len(dag.work), table.work.shape[1], dag.source[t], dag.target[t]
    frozen, weight, tail = tab.lay, tree.weight[M + t], tab.tail[target, j]
    i, node = 0, frozen.node[frozen.start[target] + j]
    if source >= 0:
        here = lay.node[lay.start[source]]
        i = tab.row[source, here]
        if here == node:
            tab.taken[0, :] = 0.0
            join(tab, tree.left[node], target, node, 0)
            run(dag, table, tab, tree.left[node], target, j, 1)
            tail = tab.reach[1]
    pair, value = frozen.pair_start[t] + i * frozen.placed[target] + j, 0.0
    for k in range(K):
        trip = table.payload[t, k] * frozen.ideal[pair] + table.payload_wait[t, k] * frozen.wait[pair]
        value += weight[k] * (trip + frozen.fixed[pair] + tail[k])
    back = _way_back(dag, t)
    if back >= 0:
        pair = frozen.pair_start[back] + (j * frozen.placed[source] + i if source >= 0 else j)
        for k in range(K):
            trip = (
                table.payload[back, k] * frozen.ideal[pair] + table.payload_wait[back, k] * frozen.wait[pair]
            )
            value += weight[k] * (trip + frozen.fixed[pair])
    return value


@kernel
def _way_back(dag: DagArrays, t: int) -> int:
    """The response of call t, or the answer to the users of their transfer t; -1 in a pipeline."""
    M = len(dag.work)
    if dag.pipeline or dag.source[t] >= 0:
        return -1 if dag.pipeline else dag.back[t]
    first = dag.outward_start[M]
    for e in range(first, dag.outward_start[M + 1]):
        if dag.outward[e] == t:
            return dag.inward[dag.inward_start[M] + e - first]
    return -1
