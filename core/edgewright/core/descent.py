"""Descent on J from complete placements: a slot to another node, or two slots exchanged."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.request import Request
from edgewright.core.rules import PENALTY, Rules, has_room, score, take
from edgewright.core.scenarios import Scenarios
from edgewright.core.search import Workspace, fill_left, glance
from edgewright.core.stations import Infrastructure, Layout, copy
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.tables import Tables


@entry
def refine(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    single: Scenarios,
    tab: Tables,
    rules: Rules,
    space: Workspace,
    free: IntArray,
    found: IntArray,
    values: FloatArray,
    starts: int,
    tries: int,
    budget: int,
) -> int:
    """Score placements `found` (B, S) into `values` (B,) and improve the best `starts` of them in place.

    Twice as many are tried while none keeps the rules. Returns the evaluations used.
    """
    for station in range(len(rules.background)):
        req.rho[station] = rules.background[station]
    used = len(found)
    for b in range(used):
        values[b] = score(dag, infra, table, lay, req, rules, found[b : b + 1], space.broken, space.out)
        space.picked[b] = values[b]
    for start in range(len(found)):
        best = 0
        for b in range(len(found)):
            if space.picked[b] < space.picked[best]:
                best = b
        enough = 2 * starts if _least(values) >= PENALTY / 2.0 else starts
        if start >= enough or not space.picked[best] < np.inf:
            break
        space.picked[best] = np.inf
        values[best], spent = _descend(
            dag,
            infra,
            table,
            lay,
            req,
            single,
            tab,
            rules,
            space,
            free,
            found[best : best + 1],
            values[best],
            tries,
            budget,
        )
        used += spent
    return used


@kernel
def _least(values: FloatArray) -> float:
    least: float = values[0]
    for value in values:
        least = min(least, value)
    return least


@kernel
def _descend(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    single: Scenarios,
    tab: Tables,
    rules: Rules,
    space: Workspace,
    free: IntArray,
    assign: IntArray,
    value: float,
    tries: int,
    budget: int,
) -> tuple[float, int]:
    """Improve `assign` (1, S) in place by its best-looking moves; returns (score, evaluations used).

    Moves: a slot to another node, two slots exchanged. They are ranked by `glance`; the best `tries` of them
    are scored, each improvement is made at once, until none of them improves or `budget` scores are spent.
    """
    used, better = 0, True
    while better and used < budget:
        count = _list_moves(dag, single, tab, lay.start, rules, space, free, assign[0])
        better = False
        for _ in range(min(tries, count, budget - used)):
            best = 0
            for i in range(1, count):
                if space.key[i] < space.key[best]:
                    best = i
            if not space.key[best] < np.inf:
                break
            space.key[best] = np.inf
            _apply(space, assign[0], space.trial[0], best)
            trial = score(dag, infra, table, lay, req, rules, space.trial, space.broken, space.out)
            used += 1
            if trial < value * (1.0 - 1e-7):
                value, better = trial, True
                copy(space.trial[0], assign[0])
    return value, used


@kernel
def _apply(space: Workspace, assign: IntArray, trial: IntArray, move: int) -> None:
    copy(assign, trial)
    trial[space.move[move, 0]] = space.move[move, 1]
    if space.move[move, 2] >= 0:
        trial[space.move[move, 2]] = space.move[move, 3]


@kernel
def _list_moves(
    dag: DagArrays,
    table: Scenarios,
    tab: Tables,
    start: IntArray,
    rules: Rules,
    space: Workspace,
    free: IntArray,
    assign: IntArray,
) -> int:
    """Fill `space.move` and `space.key` with the moves that capacity and spread permit."""
    N, count, trial = rules.mask.shape[1], 0, space.trial[0]
    fill_left(rules, space.left, assign)
    copy(assign, trial)
    for a in range(len(free)):
        slot = free[a]
        node, m = assign[slot], rules.stage[slot]
        for other in range(N):
            if other == node or tab.row[m, other] < 0:
                continue
            if has_room(rules, start, space.left, assign, slot, other):
                trial[slot] = other
                count = _note(dag, table, tab, start, space, count, slot, other, -1, -1)
        trial[slot] = node
    for a in range(len(free)):
        for b in range(a):
            count = _list_pair(dag, table, tab, start, rules, space, assign, count, free[a], free[b])
    return count


@kernel
def _list_pair(
    dag: DagArrays,
    table: Scenarios,
    tab: Tables,
    start: IntArray,
    rules: Rules,
    space: Workspace,
    assign: IntArray,
    count: int,
    first: int,
    second: int,
) -> int:
    """The exchange of two slots."""
    u, v, trial = assign[first], assign[second], space.trial[0]
    if u == v or rules.stage[first] == rules.stage[second]:
        return count
    if tab.row[rules.stage[first], v] < 0 or tab.row[rules.stage[second], u] < 0:
        return count
    take(rules, space.left, first, u, -1.0)
    take(rules, space.left, second, v, -1.0)
    fits = has_room(rules, start, space.left, assign, first, v)
    fits = fits and has_room(rules, start, space.left, assign, second, u)
    take(rules, space.left, first, u, 1.0)
    take(rules, space.left, second, v, 1.0)
    if fits:
        trial[first], trial[second] = v, u
        count = _note(dag, table, tab, start, space, count, first, v, second, u)
        trial[first], trial[second] = u, v
    return count


@kernel
def _note(
    dag: DagArrays,
    table: Scenarios,
    tab: Tables,
    start: IntArray,
    space: Workspace,
    count: int,
    slot: int,
    node: int,
    second: int,
    other: int,
) -> int:
    if count >= len(space.key):
        return count
    space.key[count] = glance(dag, table, tab, start, space.cost, space.trial[0])
    space.move[count, 0], space.move[count, 1] = slot, node
    space.move[count, 2], space.move[count, 3] = second, other
    return count + 1
