"""Condition types and their closed set of reasons, each with its meaning, and how conditions are merged."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

Status = Literal["True", "False", "Unknown"]


class _Explained(StrEnum):
    """A string with one line of meaning, from which the reference is generated."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class ConditionType(_Explained):
    """What a condition of a ServiceDAG or EdgeController speaks about."""

    READY = (
        "Ready",
        "Accepted, placed, at least min replicas of every microservice Ready, QoS met if required",
    )
    ACCEPTED = "Accepted", "The spec is sound and its objects could be created"
    PLANNED = "Planned", "A planner's plan guides the placement"
    PLACED = "Placed", "At least min replicas of every microservice are bound to nodes"
    QOS_MET = "QoSMet", "The quality of service, observed where it is, else predicted, is within the limits"
    DEGRADED = "Degraded", "Something needs attention although the service may still answer"


class Reason(_Explained):
    """Why a condition has its status; no other reason is ever written."""

    # Ready
    AVAILABLE = "Available", "Everything that the spec asks for is running"
    REPLICAS_NOT_READY = "ReplicasNotReady", "Pods are bound, but fewer than min of a microservice are Ready"
    # Accepted
    VALID = "Valid", "The spec is sound and the objects exist"
    CYCLIC_GRAPH = "CyclicGraph", "The invocations form a cycle; nothing is created until it is broken"
    INVALID_SPEC = "InvalidSpec", "A rule that the schema cannot express is broken; the message says which"
    UNKNOWN_TIER = "UnknownTier", "A tier is named that no node of the region has"
    NO_EDGE_CONTROLLER = "NoEdgeController", "No EdgeController governs the namespace"
    NAME_CONFLICT = "NameConflict", "An object of the needed name belongs to someone else and is left alone"
    OBJECT_REFUSED = "ObjectRefused", "The API server refuses one of the objects; the message is its own"
    TRAFFIC_CONFLICT = "TrafficConflict", "Callers of one microservice ask for different trafficDistribution"
    # Planned
    PLANNER_UNAVAILABLE = "PlannerUnavailable", "No planner answers; placement goes on without its advice"
    # Placed
    PLACED_BY_HEURISTIC = "PlacedByHeuristic", "The look-ahead heuristic chose the nodes"
    PLACED_BY_EXACT = "PlacedByExact", "The exact search chose the nodes"
    PLACED_BY_BEST_FIT = "PlacedByBestFit", "The best-fit baseline chose the nodes"
    PLACED_BY_MILP = "PlacedByMilp", "The integer programme chose the nodes"
    PLACED_BY_GENETIC = "PlacedByGenetic", "The genetic search chose the nodes"
    PLACED_BY_HEFT = "PlacedByHeft", "List scheduling by upward rank chose the nodes"
    PLACED_BY_NETWORK_AWARE = "PlacedByNetworkAware", "The network-aware baseline chose the nodes"
    PLACED_BY_KUBE = "PlacedByKube", "The scores of the default kube-scheduler chose the nodes"
    PLACED_BY_RANDOM = "PlacedByRandom", "The random baseline chose the nodes"
    PLACED_BY_POLICY = "PlacedByPolicy", "A policy that the agent was started with chose the nodes"
    DRY_RUN = "DryRun", "The placement is only shown; no pod is created"
    WAITING_FOR_AGENT = "WaitingForAgent", "The region's agent has not decided yet, or is not running"
    WAITING_FOR_PODS = "WaitingForPods", "The pods of the initial group do not all exist yet"
    NO_FEASIBLE_PLACEMENT = "NoFeasiblePlacement", "No assignment satisfies every hard limit; see unplaced"
    BINDING_FAILED = "BindingFailed", "The API server refused a binding; the group is completed elsewhere"
    REBINDING = "Rebinding", "Replacements of lost or deleted replicas are being placed"
    # QoSMet
    WITHIN_LIMITS = "WithinLimits", "Every value is within its limit; the message says which were observed"
    NO_LIMITS = "NoLimits", "The spec sets no QoS limit"
    LIMIT_EXCEEDED = (
        "LimitExceeded",
        "A value, observed or predicted, exceeds its limit; the message says which",
    )
    NOT_PLACED = "NotPlaced", "There is no placement to predict from"
    # Degraded
    AS_EXPECTED = "AsExpected", "Nothing needs attention"
    NODE_LOST = "NodeLost", "Replicas stood on a node that stopped renewing its Lease"
    NO_SURGE_CAPACITY = "NoSurgeCapacity", "A rolling update waits for room; the old replicas stay"
    KUBELET_REJECTED = "KubeletRejected", "Kubelets refused a replica three times after it was bound"
    QUOTA_EXCEEDED = "QuotaExceeded", "A ResourceQuota of the namespace refuses the pods"
    POD_REJECTED = "PodRejected", "A LimitRange or another admission rule refuses the pods"
    EXTERNALLY_SCALED = "ExternallyScaled", "An autoscaler owns a replica count; the operator leaves it alone"
    LOAD_STALE = "LoadStale", "Other namespaces' load was not reported lately; more headroom is kept"
    # EdgeController
    AGENT_READY = "AgentReady", "The agent holds its Lease and decides"
    AGENT_MISSING = "AgentMissing", "No agent holds the region's Lease"
    AGENT_FAILING = "AgentFailing", "Pods of the agent's Deployment cannot start; the message says why"
    NO_NODES = "NoNodes", "The nodeSelector matches no node"
    NODE_CLAIMED = "NodeClaimed", "Nodes that it selects belong to an older EdgeController"
    SHARES_EXCEEDED = "SharesExceeded", "The fractions shared of a node add up to more than all of it"
    NAMESPACE_CLAIMED = "NamespaceClaimed", "A namespace that it names belongs to an older EdgeController"


def now() -> str:
    """The present time as the API writes it in conditions: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find(conditions: Iterable[Mapping[str, Any]], kind: ConditionType) -> Mapping[str, Any] | None:
    """The condition of type `kind`, if there is one."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def is_true(conditions: Iterable[Mapping[str, Any]], kind: ConditionType) -> bool:
    """Whether the condition of type `kind` exists and is True."""
    found = find(conditions, kind)
    return found is not None and found.get("status") == "True"


def condition(
    kind: ConditionType,
    status: Status,
    reason: Reason,
    message: str = "",
    *,
    generation: int,
    previous: Iterable[Mapping[str, Any]] = (),
    at: str | None = None,
) -> dict[str, Any]:
    """A condition as the API stores it; `lastTransitionTime` moves only when `status` differs from before.

    `previous` are the object's present conditions, `generation` is the `metadata.generation` that was judged,
    `at` the time of a change (default: now). The message is cut at 1,024 characters.
    """
    before = find(previous, kind)
    unchanged = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime") if before is not None and unchanged else None
    return {
        "type": str(kind),
        "status": status,
        "reason": str(reason),
        "message": message if len(message) <= 1024 else message[:1021] + "...",
        "observedGeneration": generation,
        "lastTransitionTime": since or at or now(),
    }


def merge(
    conditions: Iterable[Mapping[str, Any]], changes: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The conditions with those of the same type replaced and new types appended, order kept."""
    merged = {str(entry["type"]): dict(entry) for entry in conditions}
    for change in changes:
        merged[str(change["type"])] = dict(change)
    return list(merged.values())
