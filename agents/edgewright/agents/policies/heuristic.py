"""The default policy: a beam over the DAG that looks ahead to the users, then descent on core's objective."""

import numpy as np

from edgewright.agents.policies.best_fit import BestFit
from edgewright.agents.policies.verdict import Verdict
from edgewright.core.candidates import candidates
from edgewright.core.descent import refine
from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.outcome import OUTPUTS
from edgewright.core.problem import Decision, Problem
from edgewright.core.rules import make_rules
from edgewright.core.scenarios import SEARCH
from edgewright.core.search import beam, make_workspace
from edgewright.core.substrate import IntArray
from edgewright.core.tables import make_tables, single_scenario

WIDTH, LEAST_WIDTH = 32, 8
"""Partial placements that the beam keeps: for up to ten slots, and at least, as each of many slots costs."""
STARTS = 3
"""Beam results from which descent starts."""
TRIES = 30
"""Moves that are scored before descent gives up."""
BUDGET = 200
"""Scores per descent of up to ten slots; fewer in proportion for more, whose scores cost more each."""
SHORT = 0.02
"""Seconds below which only the best beam result is improved."""
POOLS = (24, 48)
"""Candidate nodes per microservice, at first and when no placement on them is feasible."""


class Heuristic:
    """Beam search with dynamic-programming tails, descent by single moves and exchanges, final check."""

    name = "heuristic"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Place the free slots; the same problem and seed give the same answer unless `seconds` run out."""
        verdict = Verdict(problem, self.name)
        gate = Gate(Evaluator(problem, SEARCH))
        if not len(problem.free):
            return verdict.best(problem.fixed[None, :]) or verdict.refused(problem.fixed)
        if not gate.mask.any(axis=1).all():
            return verdict.refused()
        nearest = None
        # Latency is undefined while a microservice has no replica at all: then only room counts.
        whole = len(np.unique(problem.stage)) == len(problem.dag.microservices)
        for pool in POOLS if whole else ():
            found = _Search(gate, pool).run(verdict, seconds)
            if len(found):
                nearest = found[0]
                decision = verdict.best(found)
                if decision is not None:
                    return decision
            if pool >= gate.mask.shape[1] or verdict.seconds > seconds:
                break
        packed = BestFit().place(problem, seconds=seconds)
        if packed.feasible:
            return verdict.placed(packed.assign, packed.objective)
        return verdict.refused(nearest)


class _Search:
    """One run over a pool of candidate nodes."""

    def __init__(self, gate: Gate, pool: int) -> None:
        self.gate, self.evaluator, self.rules = gate, gate.evaluator, make_rules(gate)
        self.single = single_scenario(len(self.evaluator.dag.work) + len(self.evaluator.dag.source))
        self.tables = make_tables(gate, candidates(gate, pool), self.single)

    def run(self, verdict: Verdict, seconds: float) -> IntArray:
        """(B, S) distinct whole placements, best first by search score."""
        problem, dag = self.gate.problem, self.evaluator.dag
        rank = np.argsort(dag.order)
        free = problem.free
        callers_first = free[np.argsort(rank[problem.stage[free]], kind="stable")]
        scarce_first = free[np.argsort(self.gate.mask[free].sum(axis=1), kind="stable")]
        wide = max(LEAST_WIDTH, WIDTH * 10 // max(10, len(free)))
        for order, width in ((callers_first, wide), (scarce_first, 4 * wide)):
            space = make_workspace(self.rules, self.tables, OUTPUTS, width)
            sequence = np.asarray(order, np.int32)
            count = beam(dag, self.single, self.tables, self.evaluator.start, self.rules, space, sequence)
            if count:
                break
        if not count:
            return np.zeros((0, len(problem.stage)), np.int32)
        found = space.states[0, :count].copy()
        # For a single slot the beam holds every candidate: scoring them is all there is to do.
        starts = 0 if len(free) == 1 else STARTS if seconds > SHORT else 1
        values, e = np.zeros(count), self.evaluator
        verdict.evaluations += refine(
            e.dag,
            e.infra,
            e.table,
            e.layout,
            e.request,
            self.single,
            self.tables,
            self.rules,
            space,
            free,
            found,
            values,
            starts,
            TRIES,
            BUDGET * 10 // max(10, len(free)),
        )
        found = found[np.argsort(values, kind="stable")]
        _, first = np.unique(found, axis=0, return_index=True)
        return np.ascontiguousarray(found[np.sort(first)][: min(STARTS, 1 + len(free))])
