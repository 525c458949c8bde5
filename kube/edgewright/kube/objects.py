"""The fields that hot paths read of pods, nodes and Leases, decoded by msgspec and nothing else kept."""

from typing import Any

import msgspec


class Fields(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """Some fields of an API object. They refer to no cycle, so the garbage collector need not know them."""


class OwnerReference(Fields, frozen=True):
    """Who owns an object; `controller` marks the one that manages it."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    controller: bool = False


class Metadata(Fields, frozen=True):
    """Object metadata; timestamps stay RFC 3339 text."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None

    @property
    def version(self) -> int:
        """The resource version as a number."""
        return version_number(self.resource_version)

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name); the namespace is empty for cluster-scoped objects."""
        return self.namespace, self.name

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages the object, if any."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class Resource(Fields, frozen=True):
    """What a reflector needs of any object: its metadata."""

    metadata: Metadata


class Manifest(Resource, frozen=True):
    """Any object with its spec and status as plain JSON, for kinds that change seldom."""

    api_version: str = ""
    kind: str = ""
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}


class Condition(Fields, frozen=True):
    """One status condition of a built-in kind."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Toleration(Fields, frozen=True):
    """A pod's toleration; empty `key` with operator Exists tolerates everything."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class Taint(Fields, frozen=True):
    """A node's taint."""

    key: str
    effect: str
    value: str = ""

    def tolerated_by(self, tolerations: list[Toleration]) -> bool:
        """Whether one of the tolerations matches, as kube-scheduler decides it."""
        return any(
            (not t.effect or t.effect == self.effect)
            and (
                (t.operator == "Exists" and (not t.key or t.key == self.key))
                or (t.operator != "Exists" and t.key == self.key and t.value == self.value)
            )
            for t in tolerations
        )


Quantities = dict[str, str | int | float]
"""Resource name to Kubernetes quantity, as in `requests`, `limits` and `allocatable`."""


class ContainerResources(Fields, frozen=True):
    """A container's requests and limits."""

    requests: Quantities = {}
    limits: Quantities = {}


class Container(Fields, frozen=True):
    """A container's name and resources; `restart_policy` Always marks a sidecar among init containers."""

    name: str
    resources: ContainerResources = ContainerResources()
    restart_policy: str | None = None


class SchedulingGate(Fields, frozen=True):
    """A gate that keeps a pod from being bound."""

    name: str


class PodSpec(Fields, frozen=True):
    """What placement reads of a pod's spec."""

    containers: list[Container] = []
    init_containers: list[Container] = []
    node_name: str = ""
    scheduler_name: str = ""
    priority: int = 0
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    scheduling_gates: list[SchedulingGate] = []
    overhead: Quantities = {}
    resources: ContainerResources | None = None


class PodStatus(Fields, frozen=True):
    """What placement reads of a pod's status."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = []


class Pod(Resource, frozen=True):
    """A pod as placement sees it."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def terminal(self) -> bool:
        """Whether the pod has ended, so that it holds no resources any more."""
        return self.status.phase in {"Succeeded", "Failed"}

    @property
    def ready(self) -> bool:
        """Whether the pod is Ready and not being deleted."""
        return self.metadata.deletion_timestamp is None and has_condition(self.status.conditions, "Ready")


class _Waiting(Fields, frozen=True):
    reason: str = ""
    message: str = ""


class _Terminated(Fields, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""


class _State(Fields, frozen=True):
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class ContainerStatus(Fields, frozen=True):
    """How a container is."""

    name: str = ""
    image: str = ""
    ready: bool = False
    restart_count: int = 0
    state: _State = _State()
    last_state: _State = _State()


class _StartingPodStatus(Fields, frozen=True):
    conditions: list[Condition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []


class StartingPod(Resource, frozen=True):
    """A pod with what tells why it does not start, for the few pods where that matters."""

    status: _StartingPodStatus = _StartingPodStatus()


class NodeSpec(Fields, frozen=True):
    """What placement reads of a node's spec."""

    unschedulable: bool = False
    taints: list[Taint] = []


class NodeStatus(Fields, frozen=True):
    """What placement reads of a node's status."""

    allocatable: Quantities = {}
    conditions: list[Condition] = []


class Node(Resource, frozen=True):
    """A node as placement sees it."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def ready(self) -> bool:
        """Whether the node's Ready condition is True."""
        return has_condition(self.status.conditions, "Ready")


class LeaseSpec(Fields, frozen=True):
    """Who holds a Lease and for how long since when; times are RFC 3339 text with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Resource, frozen=True):
    """A coordination Lease."""

    spec: LeaseSpec = LeaseSpec()


def version_number(resource_version: str) -> int:
    """A resource version as a number: those of one kind are ordered; 0 if it is none."""
    return int(resource_version) if resource_version.isdigit() else 0


def has_condition(conditions: list[Condition], kind: str, status: str = "True") -> bool:
    """Whether a condition of type `kind` has `status`."""
    return any(condition.type == kind and condition.status == status for condition in conditions)
