"""One ServiceDAG and its pods, as a region's agent keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgewright.core.problem import PlacedDag
from edgewright.core.service import ServiceDag
from edgewright.kube.objects import Manifest, Pod

Key = tuple[str, str]
"""(namespace, name)."""
_EVER_PLACED = {"NodeLost", "Rebinding", "NoSurgeCapacity", "KubeletRejected"}
"""Reasons of Placed=False that only a DAG has whose initial gang was complete once."""


@dataclass(slots=True)
class DagRecord:
    """One ServiceDAG and its pods."""

    key: Key
    manifest: Manifest | None = None
    dag: ServiceDag | None = None
    """None while the object is not there, or makes no sense (then `error` says why)."""
    error: str = ""
    pods: dict[str, Pod] = field(default_factory=dict)
    """By uid."""
    completed: bool = False
    """Whether the minima of all microservices were bound at some time."""
    part: tuple[ServiceDag, frozenset[str], ServiceDag] | None = None
    """Cache of `questions.present_part`: of which DAG, its present microservices, and the part."""
    placed: PlacedDag | None = None
    """Cache of `questions.placed_dag`."""

    @property
    def label(self) -> str:
        """`namespace/name`, as messages and rejections name it."""
        return "/".join(self.key)

    @property
    def conditions(self) -> list[Mapping[str, Any]]:
        """The object's present conditions."""
        return list((self.manifest.status.get("conditions") or ()) if self.manifest is not None else ())

    @property
    def desired(self) -> dict[str, int]:
        """Replica counts that the operator chose, by microservice."""
        listed = (self.manifest.status.get("desired") or ()) if self.manifest is not None else ()
        return {entry["microservice"]: int(entry.get("replicas", 0)) for entry in listed}


@dataclass(frozen=True)
class Rejected:
    """A pod that its node's kubelet refused."""

    pod: Pod
    count: int
    """How often this replica was refused, this time included."""


def was_complete(record: DagRecord) -> bool:
    """Whether the agent before us reported that the initial gang was complete once."""
    for condition in record.conditions:
        if condition.get("type") == "Placed":
            return condition.get("status") == "True" or condition.get("reason") in _EVER_PLACED
    return False
