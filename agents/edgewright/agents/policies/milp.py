"""Mixed-integer linear programme of one DAG's placement, solved by HiGHS: a linear model to compare with."""

from dataclasses import replace

import numpy as np

from edgewright.agents.policies.heuristic import Heuristic
from edgewright.agents.policies.milp_model import build
from edgewright.agents.policies.verdict import Verdict
from edgewright.agents.policy import library
from edgewright.core.evaluate import WORST
from edgewright.core.feasibility import Gate
from edgewright.core.problem import Decision, Problem
from edgewright.core.units import MS

TOLERANCE = 1e-5
"""Relative error that HiGHS' tolerances may cause in a bound."""


class Milp:
    """Least critical path of mean times, stretches frozen at background plus each job's own load.

    Its answer is HiGHS' placement where that passes core's gate, else the heuristic's from which it started;
    `objective` is core's J of that placement, `bound` the bound of the programme, where it is one of J:

    - a stretch grows with load, and a placement adds the other jobs' load and the overlap of branches to
      what is frozen, so no job of a placement takes less than its coefficient;
    - E[max] >= max E: the mean over the K scenarios of the longest path is at least the longest path of
      means, whose coefficients `milp_model` takes from the same K scenarios;
    - the other DAGs cost at least what they cost without this one;
    - the programme's constraints (room, spread, bandwidth, utilisation) are among the gate's;
    - so with total = the programme's bound, J >= (rate min(total / limit, 10) + others) / total rate.

    No bound is claimed where traffic prefers near replicas, as loads then depend on the whole placement, nor
    where only some of many nodes are candidates or fractional calls make too many paths.
    """

    name = "milp"

    def __init__(self) -> None:
        self._highspy = library(self.name, "highspy")

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Solve for about `seconds`, warm-started from the heuristic."""
        verdict = Verdict(problem, self.name)
        start = Heuristic().place(problem, seconds=min(seconds / 4, 1.0))
        gate = verdict.gate
        whole = len(np.unique(problem.stage)) == len(problem.dag.microservices)
        if not whole or not len(problem.free) or not gate.mask.any(axis=1).all():
            return replace(start, policy=self.name, seconds=verdict.seconds)
        model = build(gate)
        known = model.columns(start.assign) if start.feasible else np.zeros(0, np.int32)
        left = seconds - verdict.seconds
        solution = model.programme.minimise(self._highspy, model.total, known, left, problem.seed)
        bound = _objective(gate, solution.bound * MS * (1 - TOLERANCE)) if model.proves else None
        found = None if solution.values is None else model.placement(solution.values)
        for assign in (found, start.assign if start.feasible else None):
            decision = None if assign is None else verdict.best(assign[None, :], bound)
            if decision is not None:
                return decision
        return verdict.refused(found)


def _objective(gate: Gate, mean: float) -> float:
    """J of a DAG with this mean latency beside the others at their least."""
    evaluator = gate.evaluator
    own = evaluator.dag.rate * min(max(mean, 0.0) / evaluator.dag.limit, WORST)
    return float((own + evaluator.neighbour_cost) / evaluator.total_rate)
