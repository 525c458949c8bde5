"""Placement policies by name; each is one file and passes the contract test in tests/unit/policies."""

from edgewright.agents.policies.best_fit import BestFit
from edgewright.agents.policies.exact import Exact
from edgewright.agents.policies.heuristic import Heuristic
from edgewright.agents.policies.random import Random
from edgewright.agents.policy import Policy, PolicyFactory

__all__ = ["create", "policies"]

policies: dict[str, PolicyFactory] = {
    "auto": Heuristic,
    "best-fit": BestFit,
    "exact": Exact,
    "heuristic": Heuristic,
    "random": Random,
}
"""What `spec.placementPolicy.algorithm` may name; `auto` is the best that needs no training."""


def create(name: str) -> Policy:
    """A new policy; raises KeyError with the known names."""
    if name not in policies:
        raise KeyError(f"algorithm {name!r} is unknown; choose one of {', '.join(sorted(policies))}")
    return policies[name]()
