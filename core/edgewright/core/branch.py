"""Depth-first branch and bound over placements, in slices: proves how good the best placement can be."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.completions import bound
from edgewright.core.kernel import entry, kernel
from edgewright.core.request import Request
from edgewright.core.rules import Rules, has_room, score, take
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout
from edgewright.core.tables import Tables
from edgewright.core.tree import Tree

DONE, LEAF, PAUSED = range(3)
"""Why `branch` returned: tree exhausted; a better placement stands in `assign`; budget spent."""


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
