"""What an agent remembers about a DAG between decisions, beyond its pods: for reports and deadlines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgewright.agents.groups import Plan
from edgewright.core.problem import Decision, Violation

if TYPE_CHECKING:
    from edgewright.agents.choice import Choice


@dataclass(slots=True)
class Standing:
    """How a DAG stands; times are the agent's monotonic seconds."""

    algorithm: str = ""
    """Policy that made the last decision."""
    unavailable: str = ""
    """Why the algorithm that the spec asks for did not decide; empty where it did."""
    violations: tuple[Violation, ...] = ()
    unplaced: frozenset[str] = frozenset()
    """Pods for which no place was found."""
    missing: Mapping[str, int] = field(default_factory=dict)
    waiting_since: float | None = None
    """Since when the initial gang waits for the same pods that do not exist."""
    pending_since: float | None = None
    """Since when pods wait for a decision."""
    partial_since: float | None = None
    """Since when an initial gang is bound in part."""
    failure: str = ""
    """What the API server said to the last binding that failed; empty after one that succeeded."""
    imagined: "Choice | None" = None
    """The answer to a dry run."""

    def note_plan(self, plan: Plan, now: float) -> None:
        """Take over what the DAG waits for."""
        if plan.missing != self.missing:  # pods still come
            self.waiting_since = None
        self.missing = plan.missing
        self.waiting_since = _since(self.waiting_since, bool(plan.missing), now)
        self.pending_since = _since(self.pending_since, bool(plan.groups), now)
        self.partial_since = _since(self.partial_since, plan.partial, now)

    def decided(self, decision: Decision, now: float) -> None:
        """A placement was found and is being bound."""
        self.algorithm, self.violations, self.unplaced = decision.policy, (), frozenset()
        self.failure = ""

    def binding_failed(self, message: str) -> None:
        """The API server refused a binding."""
        self.failure = message

    def overdue(self, now: float, deadline: float) -> bool:
        """Whether the gang has been incomplete for longer than `deadline` seconds."""
        return self.partial_since is not None and now - self.partial_since > deadline


def _since(before: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before
