"""The policies that take part, made ready to be timed: compiled and loaded before the first decision."""

from functools import cache

from edgewright.agents.policies import load
from edgewright.agents.policy import Policy, PolicyUnavailableError
from edgewright.emulation.events.fidelity import replicated
from edgewright.emulation.experiments.experiment import ExperimentError
from edgewright.emulation.instances import make_problem

BUDGETS = (0.01, 1.0)
"""Seconds per DAG at which policies are compared."""


def present(*names: str) -> tuple[str, ...]:
    """The names, if they are policies here (or `module:Class`); ExperimentError with the ones there are."""
    for name in names:
        try:
            load(name)
        except (KeyError, ValueError, TypeError, PolicyUnavailableError) as error:
            raise ExperimentError(f"--policy {name}: {error.args[0]}") from error
    return names


@cache
def ready(name: str) -> Policy:
    """The policy after a decision of each flow on a small problem, so that no compiling is timed."""
    policy = load(name)
    flows: set[str] = set()
    seed = 0
    while len(flows) < 2:
        problem = make_problem(seed, stages=4, nodes=8)
        if problem.dag.flow not in flows:
            flows.add(problem.dag.flow)
            policy.place(problem, seconds=0.2)
            policy.place(replicated(problem, 2), seconds=0.2)
        seed += 1
    return policy
