"""What schedulers that take one replica after the other have in common: order, filter, choice, retry."""

from collections.abc import Callable, Sequence

import numpy as np

from edgewright.agents.policies.verdict import Verdict
from edgewright.core.masks import mask_after, node_mask
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.core.substrate import BoolArray, IntArray

Choose = Callable[[IntArray, int, IntArray], int]
"""(placement so far (S,), slot, nodes with room for it) -> one of these nodes, or UNPLACED to refuse all."""


def place_one_by_one(
    problem: Problem, policy: str, order: Sequence[int], begin: Callable[[], Choose], *, seconds: float
) -> Decision:
    """Place the slots of `order` one after the other where the chooser made by `begin` says.

    Fixed slots in `order` are shown to the chooser with their node as the only choice. A group of replicas is
    bound whole or not at all: when a slot finds no node, all are taken back and that slot goes first, once
    per free slot at most, as the co-scheduling plugin tries a gang of pods again.
    """
    verdict, mask = Verdict(problem, policy), node_mask(problem)
    queue = list(order)
    for _ in range(1 + len(problem.free)):
        assign, stuck = _pass(problem, mask, queue, begin())
        if stuck == UNPLACED:
            return verdict.best(assign[None, :]) or verdict.refused(assign)
        if verdict.seconds > seconds:
            break
        queue.remove(stuck)
        queue.insert(0, stuck)
    return verdict.refused()


def _pass(problem: Problem, mask: BoolArray, queue: Sequence[int], choose: Choose) -> tuple[IntArray, int]:
    """The placement (S,) and UNPLACED, or the slot that found no node."""
    assign = problem.fixed.copy()
    for slot in queue:
        if problem.fixed[slot] != UNPLACED:
            choose(assign, slot, problem.fixed[slot : slot + 1])
            continue
        nodes = np.flatnonzero(mask_after(problem, mask, assign, slot)).astype(np.int32)
        node = choose(assign, slot, nodes) if len(nodes) else UNPLACED
        if node == UNPLACED:
            return assign, slot
        assign[slot] = node
    return assign, UNPLACED
