"""The path of a branch and bound from the root to its current node, and what is left open beside it."""

import math
from typing import NamedTuple

import numpy as np

from edgewright.core.rules import Rules
from edgewright.core.substrate import FloatArray, IntArray


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
