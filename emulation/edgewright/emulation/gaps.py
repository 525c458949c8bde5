"""How far each policy's placements are from the best known and from a proven bound, as tidy rows."""

import time
from collections.abc import Iterable, Sequence
from typing import TypedDict

from edgewright.agents.policies import load
from edgewright.core.problem import Decision
from edgewright.emulation.instances import make_problem

PROVER, REFERENCE = "exact", "reference"
"""The policy whose proven bound all gaps are measured against, and what its rows are called."""
REFERENCE_SECONDS = 20.0


class Gap(TypedDict):
    """One policy on one instance; J and its bounds as in docs/explanation/model.md."""

    policy: str
    stages: int
    nodes: int
    seed: int
    placed: bool
    objective: float
    """J of the placement; infinite where nothing was placed."""
    best: float
    """Least J known: of all policies here and of the reference; infinite where nobody placed it."""
    bound: float
    """Proven lower bound of J; infinite where it is proven that nothing is feasible, 0 where nothing is."""
    gap_low: float
    """objective / best - 1; NaN where not placed."""
    gap_high: float
    """objective / bound - 1: the true gap is between the two, which agree where the optimum is proven."""
    own_bound: float
    """What the policy itself proved; NaN where it proves nothing."""
    cpu_ms: float
    """CPU time of the decision on its thread."""
    reason: str
    """The first violation where nothing was placed."""


def gaps(
    policies: Sequence[str],
    sizes: Iterable[tuple[int, int]],
    seeds: Iterable[int],
    seconds: float,
    *,
    reference_seconds: float = REFERENCE_SECONDS,
) -> list[Gap]:
    """Rows of every policy on every (stages, nodes) and seed of `emulation.instances`, `seconds` each.

    Policies by name or as `module:Class`. Each instance has one more row, policy `reference`: `exact` with
    `reference_seconds`, so that also an `exact` hurried by `seconds` is measured. Pure but for the clock: the
    same arguments give the same rows, apart from `cpu_ms` and what time limits cut short. Raises as
    `policies.load`.
    """
    made = {name: load(name) for name in policies}
    limits = {**dict.fromkeys(made, seconds), REFERENCE: reference_seconds}
    made[REFERENCE] = load(PROVER)
    rows: list[Gap] = []
    seeds = list(seeds)
    for stages, nodes in sizes:
        for seed in seeds:
            decided = {}
            for name, policy in made.items():
                # A problem of its own: nothing that one decision computed serves the next.
                problem = make_problem(seed, stages=stages, nodes=nodes)
                began = time.thread_time()
                decision = policy.place(problem, seconds=limits[name])
                decided[name] = decision, 1e3 * (time.thread_time() - began)
            best = min(decision.objective for decision, _ in decided.values())
            proven = decided[REFERENCE][0].bound or 0.0
            rows += [
                _row(name, (stages, nodes, seed), decision, milliseconds, best, min(proven, best))
                for name, (decision, milliseconds) in decided.items()
            ]
    return rows


def _row(
    policy: str,
    instance: tuple[int, int, int],
    decision: Decision,
    milliseconds: float,
    best: float,
    bound: float,
) -> Gap:
    stages, nodes, seed = instance
    placed = decision.feasible
    nothing = float("nan")
    return Gap(
        policy=policy,
        stages=stages,
        nodes=nodes,
        seed=seed,
        placed=placed,
        objective=decision.objective,
        best=best,
        bound=bound,
        gap_low=decision.objective / best - 1 if placed else nothing,
        gap_high=(decision.objective / bound - 1 if bound else float("inf")) if placed else nothing,
        own_bound=nothing if decision.bound is None else decision.bound,
        cpu_ms=milliseconds,
        reason=decision.violations[0].message if decision.violations else "",
    )
