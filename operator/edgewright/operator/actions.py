"""What reconcile may ask for: each action can be repeated, and any of them may be the last before a crash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.operator.compile import Compiled


@dataclass(frozen=True)
class Create:
    """POST an object that was not seen; an existing one of that name is never changed by it."""

    object: Compiled


@dataclass(frozen=True)
class Apply:
    """Server-side apply to the object with `uid`, once its controller is checked on the live object."""

    object: Compiled
    uid: str
    scaled: bool = False
    """An autoscaler owns `spec.replicas`: it is left out."""


@dataclass(frozen=True)
class Delete:
    """Delete the object with `uid` and, in the background, what it owns."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class SetDeletionCost:
    """Make the ReplicaSet choose this pod first when it scales down."""

    pod: str
    uid: str
    cost: int


@dataclass(frozen=True)
class WriteStatus:
    """Apply the operator's part of the ServiceDAG's status."""

    status: Mapping[str, Any]


@dataclass(frozen=True)
class Announce:
    """Record an event about the ServiceDAG."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Requeue:
    """Look again in `seconds` even if nothing happens."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """The status differs in what may wait: look again in `seconds`, when more may have changed with it."""

    seconds: float


Write = Create | Apply | Delete | SetDeletionCost
"""Actions that change the compiled objects."""
Action = Write | WriteStatus | Announce | Requeue | Hold
