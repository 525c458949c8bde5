"""Lower bounds of J over all completions of a partial placement, scenario by scenario."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.commitment import regret, weigh
from edgewright.core.kernel import inlined, kernel
from edgewright.core.lanes import LANES, larger, put, take
from edgewright.core.overlap import overlap
from edgewright.core.request import Request, draw, mean_of, times_in_lanes
from edgewright.core.rewards import WORST
from edgewright.core.rules import Rules, has_room
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, copy, settle, time
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.tables import Tables, follow
from edgewright.core.tree import Tree


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
        weigh(dag, table, req, tab, tree)
        value = _cost(dag, rules, mean_of(req.total) + regret(dag, table, lay, tab, rules, tree))
    return value


@kernel
def _cost(dag: DagArrays, rules: Rules, mean: float) -> float:
    """J with this mean latency and the other DAGs at their least."""
    value: float = (dag.rate * min(mean / dag.limit, WORST) + rules.others) / rules.total_rate
    return value


@inlined
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
    copy(req.seconds[m], rest)
    for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
        if dag.target[t] < 0:
            if dag.pipeline:
                copy(req.seconds[M + t], tree.onward[t])
                _raise(req.latest, tree.onward[t])
            continue
        _follow(dag, table, lay, req, tab, rules, tree, t)
        copy(req.earliest, tree.onward[t])
        if dag.pipeline:
            _raise(req.latest, req.earliest)
            continue
        for k in range(0, K, LANES):
            trip = take(req.earliest, k) * times_in_lanes(dag, table, t, k)
            if dag.parallel[t]:
                put(req.latest, k, larger(take(req.latest, k), trip))
            else:
                put(rest, k, take(rest, k) + trip)
    _add(rest, req.latest)


@inlined
def _raise(row: FloatArray, other: FloatArray) -> None:
    """row = max(row, other)."""
    for k in range(0, len(row), LANES):
        put(row, k, larger(take(row, k), take(other, k)))


@inlined
def _add(row: FloatArray, other: FloatArray) -> None:
    """row += other."""
    for k in range(0, len(row), LANES):
        put(row, k, take(row, k) + take(other, k))


@inlined
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
        copy(tree.rest[target], req.earliest)
        _add(req.earliest, req.seconds[M + t])
        if not dag.pipeline:
            _add(req.earliest, req.seconds[M + dag.back[t]])
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


@inlined
def _may_join(rules: Rules, start: IntArray, tree: Tree, m: int, node: int) -> bool:
    """Whether a replica of stage m is on `node`, or may still go there."""
    for slot in range(start[m], start[m + 1]):
        placed = tree.assign[0, slot]
        if placed == node:
            return True
        if placed < 0 and has_room(rules, start, tree.left, tree.assign[0], slot, node):
            return True
    return False


@inlined
def _total(dag: DagArrays, lay: Layout, req: Request, tab: Tables, tree: Tree) -> None:
    """`req.total` (K,) from the users through each source."""
    M, K, first = len(dag.work), len(req.total), dag.outward_start[len(dag.work)]
    req.total[:] = 0.0
    for e in range(first, dag.outward_start[M + 1]):
        t = dag.outward[e]
        m = dag.target[t]
        if not tree.known[m]:
            _raise(req.total, tab.entry[t])
            continue
        leave = -1 if dag.pipeline else dag.inward[dag.inward_start[M] + e - first]
        for k in range(0, K, LANES):
            trip = take(req.seconds[M + t], k) + take(tree.rest[m], k)
            if leave >= 0:
                trip = trip + take(req.seconds[M + leave], k)
            put(req.total, k, larger(take(req.total, k), trip))
