"""What reconcile is asked, and how its actions are read."""

from typing import Any

from edgewright.operator.actions import Action, Apply, Create, Delete, SetDeletionCost, WriteStatus
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Desired, Now

NOW = Now(1000.0, "2026-11-21T08:00:00Z")
PLACED = {"type": "Placed", "status": "True", "reason": "PlacedByHeuristic", "observedGeneration": 1}


def desired(dag: Dag, **fields: Any) -> Desired:
    """Min replicas, governed by an agent that is alive."""
    counts = {m.name: m.replicas.min for m in dag.spec.microservices}
    return Desired(**{"dag": dag, "counts": counts, "region": ("region", "ec"), "agent": True, **fields})


def status_of(actions: list[Action]) -> dict[str, Any]:
    """The one status that is written."""
    [status] = [action.status for action in actions if isinstance(action, WriteStatus)]
    return dict(status)


def verdict(actions: list[Action], kind: str) -> tuple[str, str]:
    """Status and reason of one condition."""
    [found] = [c for c in status_of(actions)["conditions"] if c["type"] == kind]
    return found["status"], found["reason"]


def writes(actions: list[Action]) -> list[str]:
    """The writes of objects, in words."""
    said = []
    for action in actions:
        match action:
            case Create(item) | Apply(item, _, _):
                said.append(f"{type(action).__name__} {item.kind} {item.name}")
            case Delete(kind, name, _):
                said.append(f"Delete {kind} {name}")
            case SetDeletionCost(pod, _, _):
                said.append(f"SetDeletionCost {pod}")
    return said
