"""A ServiceDAG as the operator reads it: identity, validated spec, and the status that others wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from edgewright.kube.crds.service_dag import ServiceDagSpec


@dataclass(frozen=True)
class Dag:
    """One ServiceDAG at one resource version."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: ServiceDagSpec
    status: Mapping[str, Any]
    """As stored, written by operator and agent."""
    deleted: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From the object as the API serves it; raises pydantic.ValidationError if its spec is not valid."""
        metadata = body["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            generation=int(metadata.get("generation") or 1),
            spec=ServiceDagSpec.model_validate(body.get("spec") or {}),
            status=body.get("status") or {},
            deleted=bool(metadata.get("deletionTimestamp")),
        )

    def refreshed(self, body: Mapping[str, Any]) -> Self:
        """The same spec with the present status; `body` must be of the same generation."""
        deleted = bool(body["metadata"].get("deletionTimestamp"))
        return replace(self, status=body.get("status") or {}, deleted=deleted)

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name

    @property
    def conditions(self) -> list[Mapping[str, Any]]:
        """The conditions as stored, the agent's `Placed` included."""
        return list(self.status.get("conditions") or [])
