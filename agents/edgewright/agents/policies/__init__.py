"""Placement policies by name; each is one file and passes the contract test in tests/unit/policies."""

import importlib

from edgewright.agents.policies.best_fit import BestFit
from edgewright.agents.policies.exact import Exact
from edgewright.agents.policies.genetic import Genetic
from edgewright.agents.policies.heft import Heft
from edgewright.agents.policies.heuristic import Heuristic
from edgewright.agents.policies.kube import Kube
from edgewright.agents.policies.milp import Milp
from edgewright.agents.policies.network_aware import NetworkAware
from edgewright.agents.policies.random import Random
from edgewright.agents.policy import Policy, PolicyFactory

__all__ = ["create", "load", "policies"]

policies: dict[str, PolicyFactory] = {
    "auto": Heuristic,
    "best-fit": BestFit,
    "exact": Exact,
    "genetic": Genetic,
    "heft": Heft,
    "heuristic": Heuristic,
    "kube": Kube,
    "milp": Milp,
    "network-aware": NetworkAware,
    "random": Random,
}
"""What `spec.placementPolicy.algorithm` may name; `auto` is the best that needs no training."""


def create(name: str) -> Policy:
    """A new policy; KeyError with the known names, PolicyUnavailableError where its library is missing."""
    if name not in policies:
        raise KeyError(f"algorithm {name!r} is unknown; choose one of {', '.join(sorted(policies))}")
    return policies[name]()


def load(name: str) -> Policy:
    """A new policy by its name here or, for one of your own, as `module:Class`.

    For command lines and experiments only: a ServiceDAG must never name code to run. Raises KeyError as
    `create`, ValueError where there is no such module or class, TypeError where it is no policy.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return create(name)
    try:
        policy = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"policy {name}: {error}; name it as module:Class, importable from here") from error
    if not callable(getattr(policy, "place", None)) or not isinstance(getattr(policy, "name", None), str):
        raise TypeError(
            f"policy {name}: {attribute} has no `name` and `place(problem, *, seconds)`; "
            "see docs/how-to/add-a-policy.md"
        )
    return policy  # type: ignore[no-any-return]
