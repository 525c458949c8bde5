"""The policies that take part, made ready to be timed: compiled and loaded before the first decision."""

from functools import cache

from edgewright.agents.policies import create, policies
from edgewright.agents.policy import Policy
from edgewright.emulation.experiments.experiment import ExperimentError
from edgewright.emulation.instances import make_problem

BUDGETS = (0.01, 1.0)
"""Seconds per DAG at which policies are compared."""
FLOOR = ("random", "best-fit")
"""Policies that no one would defend, without which no figure can be read."""


def present(*names: str) -> tuple[str, ...]:
    """Those of the names that this installation has; ExperimentError naming the ones that are unknown."""
    unknown = [name for name in names if name not in policies]
    if unknown:
        known = ", ".join(sorted(set(policies) - {"auto"}))
        raise ExperimentError(f"--policy: {', '.join(unknown)} unknown; choose from {known}")
    return names


@cache
def ready(name: str) -> Policy:
    """The policy after a decision of each flow on a small problem, so that no compiling is timed."""
    policy = create(name)
    flows: set[str] = set()
    seed = 0
    while len(flows) < 2:
        problem = make_problem(seed, stages=4, nodes=8)
        if problem.dag.flow not in flows:
            flows.add(problem.dag.flow)
            policy.place(problem, seconds=0.2)
        seed += 1
    return policy
