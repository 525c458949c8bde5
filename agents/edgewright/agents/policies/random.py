"""The floor of every comparison: nodes drawn at random among those still open to each slot."""

import numpy as np

from edgewright.agents.policies.verdict import Verdict
from edgewright.core.masks import mask_after, node_mask
from edgewright.core.problem import Decision, Problem

TRIES = 64
"""Draws of a whole placement before giving up."""


class Random:
    """The first feasible of up to 64 uniform draws."""

    name = "random"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Draw placements until one passes the full check, at most 64 and for about `seconds`."""
        verdict, mask = Verdict(problem, self.name), node_mask(problem)
        stream, nearest = np.random.default_rng(problem.seed), None
        for _ in range(TRIES):
            assign = problem.fixed.copy()
            for slot in problem.free:
                nodes = np.flatnonzero(mask_after(problem, mask, assign, slot))
                if not len(nodes):
                    break
                assign[slot] = stream.choice(nodes)
            else:
                nearest = assign
                decision = verdict.best(assign[None, :])
                if decision is not None:
                    return decision
            if verdict.seconds > seconds:
                break
        return verdict.refused(nearest)
