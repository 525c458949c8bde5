"""The reference itself: `exact` against brute force, and every other policy against its bound."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from edgewright.agents.policies import create
from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate
from edgewright.core.problem import UNPLACED
from edgewright.core.scenarios import STATUS
from edgewright.emulation.instances import make_problem

SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_is_the_minimum_over_all_placements(seed: int) -> None:
    problem = make_problem(seed, stages=5, nodes=6)
    every = np.array(list(product(range(6), repeat=5)), np.int32)
    evaluator = Evaluator(problem, STATUS)
    feasible = every[Gate(evaluator).feasible(every)]
    decision = create("exact").place(problem, seconds=30)
    if not len(feasible):
        assert not decision.feasible
        return
    least = float(evaluator.objective(feasible).min())
    assert decision.objective == pytest.approx(least, rel=1e-6)
    assert decision.bound is not None
    assert decision.bound == pytest.approx(least, rel=1e-6)
    for name in ("heuristic", "best-fit", "random"):
        other = create(name).place(problem, seconds=5)
        assert not other.feasible or other.objective >= decision.bound


def test_a_microservice_without_any_replica_is_no_obstacle() -> None:
    whole = make_problem(3, stages=5, nodes=8)
    rest = whole.stage != 2
    problem = replace(whole, stage=whole.stage[rest], fixed=whole.fixed[rest], allowed=whole.allowed[rest])
    decision = create("exact").place(problem, seconds=5)
    assert decision.policy == "exact"
    assert (decision.assign != UNPLACED).all()


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_when_time_runs_out(seed: int) -> None:
    problem = make_problem(seed, stages=10, nodes=20)
    short, longer = (create("exact").place(problem, seconds=s) for s in (0.2, 2.0))
    assert short.bound is not None
    assert longer.bound is not None
    assert short.bound <= longer.objective
    assert create("heuristic").place(problem, seconds=5).objective >= longer.bound
