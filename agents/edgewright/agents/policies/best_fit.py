"""Best fit, the classic of bin packing: each slot goes where it leaves the least of its dominant resource."""

import numpy as np

from edgewright.agents.policies.verdict import Verdict
from edgewright.core.masks import free_capacity, mask_after, node_mask, requests
from edgewright.core.problem import Decision, Problem
from edgewright.core.substrate import BoolArray, FloatArray, IntArray


class BestFit:
    """Best fit by the resource of which a slot takes the largest share; latency plays no part."""

    name = "best-fit"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Pack in the order written, else by falling, else by rising size; the first feasible counts."""
        verdict, mask, request = Verdict(problem, self.name), node_mask(problem), requests(problem)
        share = _dominant(problem, request)
        size = share.max(axis=1)
        orders = (
            problem.free,
            sorted(problem.free, key=lambda s: -size[s]),
            sorted(problem.free, key=size.item),
        )
        nearest = None
        for order in orders:
            assign = _pack(problem, mask, request, share, np.array(order, np.int32))
            if (assign >= 0).all():
                nearest = assign
                decision = verdict.best(assign[None, :])
                if decision is not None:
                    return decision
            if verdict.seconds > seconds:
                break
        return verdict.refused(nearest)


def _dominant(problem: Problem, request: FloatArray) -> FloatArray:
    """(S, R) requests as shares of what all nodes offer together."""
    offered = problem.world.substrate.capacity.sum(axis=0)
    shares: FloatArray = np.divide(request, offered, out=np.zeros_like(request), where=offered > 0)
    return shares


def _pack(
    problem: Problem, mask: BoolArray, request: FloatArray, share: FloatArray, order: IntArray
) -> IntArray:
    """Place the slots of `order` one after the other; stops at the first that fits nowhere."""
    assign, left = problem.fixed.copy(), free_capacity(problem).copy()
    capacity = problem.world.substrate.capacity
    for slot in order:
        nodes = np.flatnonzero(mask_after(problem, mask, assign, slot))
        if not len(nodes):
            break
        r = int(share[slot].argmax())
        over = (left[nodes, r] - request[slot, r]) / np.maximum(capacity[nodes, r], 1e-12)
        assign[slot] = nodes[int(over.argmin())]
        left[assign[slot]] -= request[slot]
    return assign
