"""The one interface behind which every placement policy stands."""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

from edgewright.core.problem import Decision, Problem


class Policy(Protocol):
    """Places the free slots of a Problem; pure, seeded by `problem.seed`, and never I/O."""

    @property
    def name(self) -> str:
        """The algorithm's name in specs, statuses and metrics."""
        ...

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        """Decide within about `seconds`; slots in `problem.fixed` stay. Never raises for infeasibility."""
        ...


PolicyFactory = Callable[[], Policy]


class PolicyUnavailableError(RuntimeError):
    """The algorithm exists, but not in this installation; the message says what is missing."""


def library(algorithm: str, module: str) -> Any:
    """The module of an optional library; raises PolicyUnavailableError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PolicyUnavailableError(
            f"algorithm {algorithm} needs the library {module.partition('.')[0]}, which is not installed: "
            "install edgewright[baselines], or choose another algorithm"
        ) from error
