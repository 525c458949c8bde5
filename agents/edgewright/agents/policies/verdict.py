"""The last step of every policy: of a few candidate placements, the best feasible one as a Decision."""

import time

import numpy as np

from edgewright.core.feasibility import Gate, full_gate
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.core.substrate import IntArray
from edgewright.core.whynot import why_not


class Verdict:
    """Judges placements of one problem with the scenarios of status and gates (K = 256)."""

    def __init__(self, problem: Problem, policy: str) -> None:
        self.started = time.perf_counter()
        self.problem = problem
        self.policy = policy
        self.evaluations = 0

    @property
    def gate(self) -> Gate:
        """The full check, made when first needed."""
        return full_gate(self.problem)

    @property
    def seconds(self) -> float:
        """Time since the decision began."""
        return time.perf_counter() - self.started

    def best(self, candidates: IntArray, bound: float | None = None) -> Decision | None:
        """The candidate (B, S) of least J that passes the full check; None when none does."""
        values = self.gate.evaluator.objective(candidates)
        self.evaluations += len(candidates)
        for row in np.argsort(values, kind="stable"):
            if self.gate.feasible(candidates[row])[0]:
                return self.placed(candidates[row], float(values[row]), bound)
        return None

    def placed(self, assign: IntArray, objective: float, bound: float | None = None) -> Decision:
        """A Decision for a placement known to be feasible."""
        return Decision(
            assign=assign.astype(np.int32),
            policy=self.policy,
            objective=objective,
            prediction=self.gate.evaluator.evaluate(assign).one(),
            bound=None if bound is None else min(bound, objective),
            evaluations=self.evaluations,
            seconds=self.seconds,
        )

    def refused(self, nearest: IntArray | None = None) -> Decision:
        """The Decision that leaves every free slot unplaced and says why; `nearest` (S,): the least bad."""
        free = self.problem.fixed == UNPLACED
        if nearest is not None and (nearest == UNPLACED).any():
            nearest = None
        return Decision(
            assign=np.where(free, UNPLACED, self.problem.fixed).astype(np.int32),
            policy=self.policy,
            objective=float("inf"),
            violations=why_not(self.problem, nearest),
            evaluations=self.evaluations,
            seconds=self.seconds,
        )
