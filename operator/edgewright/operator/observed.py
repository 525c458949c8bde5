"""What the operator sees of one ServiceDAG's objects, and what it wants; the input of reconcile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgewright.kube.conditions import Reason
from edgewright.kube.names import LABEL_MICROSERVICE
from edgewright.kube.objects import Manifest
from edgewright.operator.claims import Key
from edgewright.operator.compile import ANNOTATION_COMPILED
from edgewright.operator.dag import Dag
from edgewright.operator.foreign_load import DEFAULT_NAMES
from edgewright.operator.measurement import Measurement

ObjectKey = tuple[str, str]
"""(kind, name)."""


@dataclass(frozen=True)
class Stranger:
    """An object of a name that we need, which is not ours."""

    owner: str
    """Who has it, for people."""
    rank: Literal["other", "dag", "ancestor"]
    """Someone else's, another ServiceDAG's, or one of a deleted ServiceDAG of the same name (soon gone)."""
    seen: float
    """Monotonic time of the refused attempt."""


@dataclass(frozen=True)
class Failure:
    """The API server refused a write of an object for a reason that trying again does not mend."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Replica:
    """A pod of a microservice, as scaling down sees it."""

    name: str
    uid: str
    microservice: str
    sound: bool
    """Its node is Ready and schedulable."""
    cost: int = 0


@dataclass(frozen=True)
class Rejection:
    """Why the spec cannot be acted on; running objects stay as they are."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Desired:
    """What the ServiceDAG and its region ask for."""

    dag: Dag
    counts: Mapping[str, int]
    """Replicas per microservice; empty if there is a rejection."""
    rejection: Rejection | None = None
    resource_names: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_NAMES))
    region: Key | None = None
    """The EdgeController that governs the namespace."""
    agent: bool = False
    """Whether the region's agent holds its Lease."""


@dataclass(frozen=True)
class Observed:
    """What exists, as the watches last told it."""

    objects: Mapping[ObjectKey, Manifest] = field(default_factory=dict)
    """Objects that carry the ServiceDAG's label."""
    strangers: Mapping[ObjectKey, Stranger] = field(default_factory=dict)
    failures: Mapping[ObjectKey, Failure] = field(default_factory=dict)
    settled: Mapping[ObjectKey, tuple[str, int]] = field(default_factory=dict)
    """Objects that someone else changes back at once: uid and generation after our last apply."""
    scaled: frozenset[str] = frozenset()
    """Names of Deployments that an autoscaler targets."""
    replicas: tuple[Replica, ...] = ()
    status_written: float = float("-inf")
    """Monotonic time of the last status write."""
    status_held: float | None = None
    """Since when a change of the status that may wait has been held back."""
    asked: bool = False
    """Whether a Prometheus is asked how users' requests fare."""
    measured: Measurement | None = None
    """What it said of this ServiceDAG lately, if there were enough requests."""


@dataclass(frozen=True)
class Now:
    """The present moment: monotonic seconds and the API's text form."""

    monotonic: float
    stamp: str


def owned(item: Manifest, dag: Dag) -> bool:
    """Whether `dag`, this very incarnation of it, is the object's controller."""
    controller = item.metadata.controller
    return controller is not None and controller.uid == dag.uid


def microservice_of(item: Manifest) -> str:
    """The microservice that an object was compiled for."""
    return item.metadata.labels.get(LABEL_MICROSERVICE, "")


def compiled_digest(item: Manifest) -> str:
    """The hash of what the object was last compiled to."""
    return item.metadata.annotations.get(ANNOTATION_COMPILED, "")


def ready_replicas(deployment: Manifest | None) -> int:
    """Ready pods of a Deployment, old and new ones."""
    return 0 if deployment is None else int(deployment.status.get("readyReplicas") or 0)


def replica_failure(deployment: Manifest | None) -> str | None:
    """The API server's words if it refuses the Deployment's pods."""
    if deployment is None:
        return None
    for entry in deployment.status.get("conditions") or []:
        if entry.get("type") == "ReplicaFailure" and entry.get("status") == "True":
            return str(entry.get("message") or "pods are refused")
    return None


def progress(deployment: Manifest) -> tuple[object, ...]:
    """Everything in a Deployment's status that reconciling reads."""
    names = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas")
    return (*(deployment.status.get(name) or 0 for name in names), replica_failure(deployment))


def rolled_out(deployment: Manifest, least: int) -> bool:
    """Whether at least `least` pods of the newest template are Ready and no fewer than all are of it."""
    status = deployment.status
    return (
        int(status.get("observedGeneration") or 0) >= deployment.metadata.generation
        and int(status.get("updatedReplicas") or 0) >= least
        and ready_replicas(deployment) >= least
        and int(status.get("replicas") or 0) == int(status.get("updatedReplicas") or 0)
    )
