"""The reference: the placement of least J, by branch and bound over core's own evaluator."""

from dataclasses import replace

import numpy as np

from edgewright.agents.policies.heuristic import Heuristic
from edgewright.agents.policies.verdict import Verdict
from edgewright.core.branch import DONE, LEAF, branch, make_tree, open_bound
from edgewright.core.outcome import OUTPUTS
from edgewright.core.problem import Decision, Problem
from edgewright.core.rules import make_rules
from edgewright.core.tables import make_tables

TOLERANCE = 1e-7
"""Relative: subtrees that could be better by less are not searched."""
SLICE = 4_000
"""Bounds computed between looks at the clock."""


class Exact:
    """Minimum of J over all placements of one DAG, replica counts and other DAGs fixed, K = 256 scenarios.

    When time runs out: the best found, with the proven lower bound in `Decision.bound`. The bound is infinite
    where it is proven that nothing is feasible, and absent where nearest-replica routing forbids bounds.
    """

    name = "exact"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Search for about `seconds`; `bound == objective` (within 1e-7) means optimal."""
        verdict = Verdict(problem, self.name)
        gate = verdict.gate
        if not len(problem.free):
            return verdict.best(problem.fixed[None, :]) or verdict.refused(problem.fixed)
        if not gate.mask.any(axis=1).all():
            return replace(verdict.refused(), bound=np.inf)
        if len(np.unique(problem.stage)) < len(problem.dag.microservices):
            # A microservice has no replica at all: J is the same everywhere, and only room counts.
            return replace(Heuristic().place(problem, seconds=seconds), policy=self.name)
        start = Heuristic().place(problem, seconds=min(seconds, 1.0))
        best = start.assign if start.feasible else None
        value = start.objective
        evaluator = gate.evaluator
        stages = [gate.mask[problem.stage == m].any(axis=0) for m in range(len(problem.dag.microservices))]
        tables = make_tables(gate, np.array(stages), evaluator.table)
        # Prices look ahead of the present load; a bound may only count what the others cost anyway.
        rules = make_rules(gate)._replace(
            price=np.zeros_like(evaluator.price), others=evaluator.neighbour_cost
        )
        tree = make_tree(
            rules,
            _sequence(problem, evaluator.dag.order),
            evaluator.table.work.shape[1],
            len(evaluator.dag.source),
            OUTPUTS,
        )
        state = -1
        while state != DONE and (verdict.seconds < seconds or state == LEAF):
            state = branch(
                evaluator.dag,
                evaluator.infra,
                evaluator.table,
                evaluator.layout,
                evaluator.request,
                tables,
                rules,
                tree,
                value * (1 - TOLERANCE),
                SLICE,
            )
            if state == LEAF:
                leaf = float(evaluator.objective(tree.assign)[0])
                if leaf < value and gate.feasible(tree.assign)[0]:
                    best, value = tree.assign[0].copy(), leaf
        verdict.evaluations += int(tree.visited.sum())
        proven = value * (1 - TOLERANCE) if state == DONE else open_bound(tree)
        bound = proven if _provable(problem) else None
        if best is None:
            return replace(verdict.refused(), bound=bound)
        return verdict.placed(best, value, bound)


def _sequence(problem: Problem, order: np.typing.NDArray[np.int32]) -> np.typing.NDArray[np.int32]:
    """(D,) free slots, callers first."""
    rank = np.argsort(order)
    return problem.free[np.argsort(rank[problem.stage[problem.free]], kind="stable")].astype(np.int32)


def _provable(problem: Problem) -> bool:
    """Whether bounds hold: nearest-replica routing moves load between replicas as more of them are placed."""
    several = np.bincount(problem.stage, minlength=len(problem.dag.microservices)) > 1
    return all(
        m.traffic == "even" for m, many in zip(problem.dag.microservices, several, strict=True) if many
    )
