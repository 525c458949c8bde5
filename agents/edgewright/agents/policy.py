"""The one interface behind which every placement policy stands."""

from collections.abc import Callable
from typing import Protocol

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
