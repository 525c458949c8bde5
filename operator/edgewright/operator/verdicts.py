"""How each condition of a ServiceDAG is judged; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgewright.kube.conditions import ConditionType, Reason, Status, find
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Desired, Observed, owned, ready_replicas, replica_failure

_AGENT_TROUBLE = {
    Reason.NODE_LOST,
    Reason.REBINDING,
    Reason.NO_SURGE_CAPACITY,
    Reason.KUBELET_REJECTED,
    Reason.LOAD_STALE,
    Reason.BINDING_FAILED,
}
"""Reasons of the agent's `Placed` that make a ServiceDAG degraded, whatever its status."""


@dataclass(frozen=True)
class Verdict:
    """Status, reason and message of one condition."""

    status: Status
    reason: Reason
    message: str = ""


def accepted(observed: Observed, desired: Desired, compiled: Sequence[Compiled]) -> Verdict:
    """Whether the spec is sound and its objects could be created."""
    if desired.rejection is not None:
        return Verdict("False", desired.rejection.reason, desired.rejection.message)
    conflicts = list(name_conflicts(observed, desired.dag, compiled))
    if conflicts:
        return Verdict("False", Reason.NAME_CONFLICT, " ".join(conflicts))
    refused = [
        f"{item.kind} {item.name}: {failure.message}"
        for item in compiled
        if (failure := observed.failures.get(item.key)) is not None
        and failure.reason is not Reason.QUOTA_EXCEEDED
    ]
    if refused:
        first = next(f for item in compiled if (f := observed.failures.get(item.key)) is not None)
        return Verdict("False", first.reason, " ".join(refused[:3]))
    return Verdict("True", Reason.VALID, "The spec is sound.")


def name_conflicts(observed: Observed, dag: Dag, compiled: Sequence[Compiled]) -> Iterator[str]:
    """One sentence per wanted name that someone else has."""
    for item in compiled:
        owner = _holder(observed, dag, item)
        if owner:
            how = (
                "set another service.name or delete that Service"
                if item.kind == "Service"
                else f"delete that {item.kind} or rename the ServiceDAG"
            )
            yield f"{item.kind} {dag.namespace}/{item.name} belongs to {owner} and is left alone; {how}."


def _holder(observed: Observed, dag: Dag, item: Compiled) -> str:
    present = observed.objects.get(item.key)
    if present is not None:
        if owned(present, dag):
            return ""
        controller = present.metadata.controller
        if controller is not None and (controller.kind, controller.name) == ("ServiceDAG", dag.name):
            return ""  # of an earlier ServiceDAG of this name; the garbage collector is on its way
        return "someone else" if controller is None else f"{controller.kind} {controller.name}"
    stranger = observed.strangers.get(item.key)
    return stranger.owner if stranger is not None and stranger.rank != "ancestor" else ""


def degraded(observed: Observed, desired: Desired, compiled: Sequence[Compiled]) -> Verdict:
    """Whether something needs attention although the service may still answer."""
    refusal = pod_refusal(observed, compiled)
    if refusal is not None:
        return Verdict("True", *refusal)
    placed = find(desired.dag.conditions, ConditionType.PLACED)
    if placed is not None and placed.get("reason") in _AGENT_TROUBLE:
        return Verdict("True", Reason(placed["reason"]), str(placed.get("message") or ""))
    if desired.region is not None and not desired.agent and placed is not None:
        return Verdict("True", Reason.WAITING_FOR_AGENT, _agent_missing(desired))
    scaled = sorted(
        item.name for item in compiled if item.kind == "Deployment" and item.name in observed.scaled
    )
    if scaled:
        return Verdict(
            "False", Reason.EXTERNALLY_SCALED, f"An autoscaler sets the replicas of {', '.join(scaled)}."
        )
    return Verdict("False", Reason.AS_EXPECTED)


def pod_refusal(observed: Observed, compiled: Sequence[Compiled]) -> tuple[Reason, str] | None:
    """The API server's words if it refuses a Deployment, or the pods of one, for quota or admission."""
    for item in compiled:
        failure = observed.failures.get(item.key)
        if failure is not None and failure.reason is Reason.QUOTA_EXCEEDED:
            return failure.reason, f"{item.kind} {item.name}: {failure.message}"
        if item.kind != "Deployment":
            continue
        message = replica_failure(observed.objects.get(item.key))
        if message is not None:
            quota = "exceeded quota" in message or "failed quota" in message
            return (
                Reason.QUOTA_EXCEEDED if quota else Reason.POD_REJECTED
            ), f"{item.microservice}: {message}"
    return None


def ready(  # noqa: PLR0911 - one return per rule, the first that applies
    observed: Observed,
    desired: Desired,
    compiled: Sequence[Compiled],
    acceptance: Verdict,
    quality: Verdict,
    trouble: Verdict,
) -> Verdict:
    """Accepted, placed, min replicas of every microservice Ready, and QoSMet if it is required."""
    if acceptance.status != "True":
        return Verdict("False", acceptance.reason, acceptance.message)
    dag = desired.dag
    if dag.spec.placement_policy.dry_run:
        return Verdict(
            "False", Reason.DRY_RUN, "spec.placementPolicy.dryRun is true: nothing is created or changed."
        )
    short = list(_short(observed, dag, compiled))
    if short and trouble.reason in {Reason.QUOTA_EXCEEDED, Reason.POD_REJECTED}:
        return Verdict("False", trouble.reason, trouble.message)
    placed = find(dag.conditions, ConditionType.PLACED)
    if placed is None or placed.get("status") == "Unknown":
        message = "The region's agent has not decided yet." if desired.agent else _agent_missing(desired)
        return Verdict("False", Reason.WAITING_FOR_AGENT, message)
    if placed.get("status") != "True":
        if not desired.agent:
            return Verdict("False", Reason.WAITING_FOR_AGENT, _agent_missing(desired))
        return Verdict("False", Reason(placed["reason"]), str(placed.get("message") or ""))
    if short:
        return Verdict("False", Reason.REPLICAS_NOT_READY, f"Ready replicas of min: {', '.join(short)}.")
    if dag.spec.qos.required and quality.status != "True":
        return Verdict("False", quality.reason, quality.message)
    return Verdict("True", Reason.AVAILABLE, "All microservices have their replicas.")


def _short(observed: Observed, dag: Dag, compiled: Sequence[Compiled]) -> Iterator[str]:
    """Microservices with fewer than min replicas Ready, as `name 1/2`."""
    least = {microservice.name: microservice.replicas.min for microservice in dag.spec.microservices}
    for item in compiled:
        if item.kind != "Deployment":
            continue
        present = observed.objects.get(item.key)
        count = ready_replicas(present) if present is not None and owned(present, dag) else 0
        if count < least[item.microservice]:
            yield f"{item.microservice} {count}/{least[item.microservice]}"


def _agent_missing(desired: Desired) -> str:
    region = "/".join(desired.region) if desired.region is not None else desired.dag.namespace
    return f"No agent holds the Lease of EdgeController {region}; start one with `edgewright agent`."
