"""The one interface behind which every placement policy stands."""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edgewright.core.problem import Decision, Problem

if TYPE_CHECKING:
    from edgewright.core.observe import Snapshot

FALLBACK = "heuristic"
"""What `auto` means unless the agent is told another, and what decides where the algorithm asked for is not
available."""
LIBRARIES = {"genetic": "deap", "milp": "highspy"}
"""Optional libraries (the extra `baselines`) that algorithms need; the agents' images have none of them."""


class Policy(Protocol):
    """Places the free slots of a Problem; pure, seeded by `problem.seed`, and never I/O."""

    @property
    def name(self) -> str:
        """The algorithm's name in specs, statuses and metrics."""
        ...

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Decide within about `seconds`; slots in `problem.fixed` stay. Never raises for infeasibility."""
        ...


@runtime_checkable
class ObservingPolicy(Policy, Protocol):
    """A policy that also wants to see what its agent sees; without one, `place` is asked."""

    def place_seeing(self, problem: Problem, snapshot: "Snapshot", *, seconds: float) -> Decision:
        """As `place`; the snapshot's nodes and slots are those of `problem`, in the same order."""
        ...


PolicyFactory = Callable[[], Policy]


class PolicyUnavailableError(RuntimeError):
    """The algorithm exists, but not in this installation; the message says what is missing."""


def unavailable(algorithm: str) -> str:
    """Why an algorithm cannot decide in this installation; empty where it can."""
    needed = LIBRARIES.get(algorithm)
    if needed is None or find_spec(needed) is not None:
        return ""
    return f"{algorithm} needs the library {needed}, which is not installed here (pip: edgewright[baselines])"


def library(algorithm: str, module: str) -> Any:
    """A module of the library that an algorithm needs; raises PolicyUnavailableError where it is missing."""
    why = unavailable(algorithm)
    if why:
        raise PolicyUnavailableError(f"{why}; install it or choose another algorithm")
    return importlib.import_module(module)
