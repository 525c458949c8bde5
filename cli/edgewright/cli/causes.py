"""Why pods have no node, from what the API server knows about them; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewright.cli.holders import Holder
from edgewright.cli.remedies import CONDITIONS, CONSTRAINTS
from edgewright.kube.conditions import ConditionType, Reason, find
from edgewright.kube.names import LABEL_DAG, LABEL_MICROSERVICE, SCHEDULER

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Cause:
    """One reason for which something has no node."""

    reason: str
    message: str
    remedy: str
    microservice: str = ""


@dataclass(frozen=True)
class Facts:
    """What was read; None stands for what may not be."""

    pods: Sequence[Object]
    dags: Sequence[Object]
    deployments: Sequence[Object] | None
    events: Sequence[Object] | None
    governors: Mapping[str, Object] | None
    """EdgeController by governed namespace."""
    agents: Mapping[str, Holder] = field(default_factory=dict)
    """Holder of the agent's Lease by the EdgeController's namespace, where it may be read."""
    operator: Holder | None = None


def of_pod(facts: Facts, pod: Object, dag: Object | None) -> Iterator[Cause]:
    """Why one pod has no node; the first cause is the one to mend first."""
    first = next(_of_its_own(pod, dag), None)
    if first is not None:
        yield first
    elif dag is not None:
        microservice = label(pod, LABEL_MICROSERVICE)
        found = list(_of_dag(facts, dag))
        # Without a cause of its own it waits for the others of its group: theirs are its causes.
        own = [c for c in found if c.microservice in {"", microservice}]
        yield from own or found or [_scheduled(facts, pod)]
    else:
        yield from _ungoverned(facts, pod["metadata"]["namespace"])
        yield Cause(
            "NoServiceDAG",
            "no ServiceDAG owns it; agents place pods of ServiceDAGs only",
            "apply a ServiceDAG instead of the pod, or choose another schedulerName",
        )


def of_missing(facts: Facts, dag: Object) -> Iterator[Cause]:
    """Why pods of a DAG do not exist."""
    found = [*_of_spec(facts, dag), *_refused(facts, dag)]
    yield from found or [
        Cause(
            "NoPods",
            "Kubernetes has not made them, and no refusal is recorded",
            "see the Deployments and whether kube-controller-manager runs: "
            f"`kubectl describe deployments -l {LABEL_DAG}={dag['metadata']['name']}`",
        )
    ]


def _of_its_own(pod: Object, dag: Object | None) -> Iterator[Cause]:
    """Causes that stand in the pod itself."""
    spec, status, metadata = pod["spec"], pod.get("status") or {}, pod["metadata"]
    if metadata.get("deletionTimestamp"):
        yield Cause("Terminating", "it is being deleted", "wait for its replacement")
    if spec.get("nodeName"):
        yield Cause(
            "Bound", _on_its_node(spec["nodeName"], status), f"kubectl describe pod {metadata['name']}"
        )
    if gates := [gate["name"] for gate in spec.get("schedulingGates") or ()]:
        yield Cause(
            "SchedulingGated",
            f"scheduling gates hold it: {', '.join(gates)}",
            "whoever set a gate takes it off when the pod may go: `kubectl get pod "
            f"{metadata['name']} -o yaml`",
        )
    scheduler = spec.get("schedulerName") or "default-scheduler"
    if scheduler != SCHEDULER:
        said = _scheduled_message(status)
        yield Cause(
            "OtherScheduler",
            f"schedulerName is {scheduler!r}, so no agent of Edgewright looks at it"
            + (f"; it says: {said}" if said else ""),
            f"mend what {scheduler} says, or let a ServiceDAG make the pod (schedulerName {SCHEDULER})",
        )
    if dag is None and label(pod, LABEL_DAG):
        yield Cause(
            "NoServiceDAG",
            f"its ServiceDAG {label(pod, LABEL_DAG)!r} does not exist (any more)",
            "apply the ServiceDAG again, or delete the Deployment that makes the pod",
        )


def _of_dag(facts: Facts, dag: Object) -> Iterator[Cause]:
    """Why the existing pods of a DAG have no node."""
    spec = [*_of_spec(facts, dag)]
    if spec:
        yield from spec
        return
    yield from _refused(facts, dag)
    yield from _agent(facts, dag["metadata"]["namespace"])
    status = dag.get("status") or {}
    for entry in status.get("unplaced") or ():
        constraint = str(entry.get("constraint", ""))
        yield Cause(
            constraint,
            str(entry.get("message") or f"{constraint} fails on {entry.get('where') or 'all nodes'}"),
            CONSTRAINTS.get(constraint, "see `edgewright explain`"),
            str(entry.get("microservice") or ""),
        )
    placed = find(status.get("conditions") or (), ConditionType.PLACED)
    if placed is not None and placed.get("reason") in CONDITIONS:
        yield Cause(placed["reason"], str(placed.get("message", "")), CONDITIONS[Reason(placed["reason"])])


def _of_spec(facts: Facts, dag: Object) -> Iterator[Cause]:
    """What keeps a whole DAG from being compiled."""
    metadata, status = dag["metadata"], dag.get("status") or {}
    accepted = find(status.get("conditions") or (), ConditionType.ACCEPTED)
    if facts.operator is not None and not facts.operator.alive:
        yield Cause(
            "NoOperator",
            f"the operator's Lease: {facts.operator.state}",
            "start the operator: `edgewright doctor`",
        )
    elif (status.get("observedGeneration") or 0) < (metadata.get("generation") or 0):
        yield Cause(
            "NotSeenYet", "the operator has not come to this version of the spec yet", "wait a moment"
        )
    if accepted is not None and accepted.get("status") == "False":
        yield Cause(
            accepted["reason"],
            str(accepted.get("message", "")),
            "mend the spec; its fields: `kubectl explain sdag.spec`",
        )
    elif not list(_ungoverned(facts, metadata["namespace"])):
        if (dag["spec"].get("placementPolicy") or {}).get("dryRun"):
            yield Cause(
                Reason.DRY_RUN, "spec.placementPolicy.dryRun is true: nothing is created", "set it to false"
            )
    else:
        yield from _ungoverned(facts, metadata["namespace"])


def _ungoverned(facts: Facts, namespace: str) -> Iterator[Cause]:
    if facts.governors is not None and namespace not in facts.governors:
        yield Cause(
            Reason.NO_EDGE_CONTROLLER,
            f"no EdgeController governs namespace {namespace}",
            "create one there (manifests/samples/region.yaml), or name it in spec.namespaces of another",
        )


def _agent(facts: Facts, namespace: str) -> Iterator[Cause]:
    """What keeps the namespace's agent from deciding."""
    controller = (facts.governors or {}).get(namespace)
    if controller is None:
        return
    home, name = controller["metadata"]["namespace"], controller["metadata"]["name"]
    held = facts.agents.get(home)
    ready = find((controller.get("status") or {}).get("conditions") or (), ConditionType.READY)
    if held is not None and not held.alive:
        failing = ready is not None and ready.get("reason") == Reason.AGENT_FAILING
        yield Cause(
            Reason.AGENT_FAILING if failing else Reason.AGENT_MISSING,
            f"no agent decides for EdgeController {home}/{name}; its Lease: {held.state}"
            + (f"; {ready.get('message', '')}" if failing and ready is not None else ""),
            f"see why it does not run: `kubectl get pods -n {home}`, or start one with `edgewright agent`",
        )
    elif ready is not None and ready.get("reason") == Reason.NO_NODES:
        yield Cause(
            Reason.NO_NODES, f"EdgeController {home}/{name}: {ready.get('message', '')}", "label nodes for it"
        )


def _refused(facts: Facts, dag: Object) -> Iterator[Cause]:
    """Refusals of the DAG's pods by quota or admission, in the API server's words."""
    for deployment in facts.deployments or ():
        if deployment["metadata"]["namespace"] != dag["metadata"]["namespace"]:
            continue
        if label(deployment, LABEL_DAG) != dag["metadata"]["name"]:
            continue
        for condition in (deployment.get("status") or {}).get("conditions") or ():
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                yield _refusal(label(deployment, LABEL_MICROSERVICE), str(condition.get("message", "")))


def _refusal(microservice: str, message: str) -> Cause:
    if "quota" in message:
        remedy = "raise the ResourceQuota, or lower requests or replicas: `kubectl describe resourcequota`"
        return Cause(Reason.QUOTA_EXCEEDED, message, remedy, microservice)
    remedy = (
        "mend what the message names: `kubectl describe limitrange`, Pod Security or another admission rule"
    )
    return Cause(Reason.POD_REJECTED, message, remedy, microservice)


def _scheduled(facts: Facts, pod: Object) -> Cause:
    """The last word on a pod for which no other cause is known: its condition, else its last warning."""
    said = _scheduled_message(pod.get("status") or {}) or _last_warning(facts, pod)
    if said:
        return Cause(
            Reason.NO_FEASIBLE_PLACEMENT, said, "see `edgewright explain` and `edgewright top nodes`"
        )
    message = "nothing stands in its way that can be seen: the agent has not come to it yet"
    return Cause(
        Reason.WAITING_FOR_AGENT, message, "look again in a moment; if it stays: `edgewright doctor`"
    )


def _scheduled_message(status: Object) -> str:
    return next(
        (
            str(c.get("message", ""))
            for c in status.get("conditions") or ()
            if c["type"] == "PodScheduled" and c["status"] == "False"
        ),
        "",
    )


def _last_warning(facts: Facts, pod: Object) -> str:
    warnings = [
        event
        for event in facts.events or ()
        if event.get("type") == "Warning"
        and (event.get("involvedObject") or {}).get("uid") == pod["metadata"].get("uid")
    ]
    warnings.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return str(warnings[-1].get("message", "")) if warnings else ""


def _on_its_node(node: str, status: Object) -> str:
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            said = f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip()
            return f"it is bound to {node}; its container waits: {said}"
    return f"it is bound to {node}; phase {status.get('phase', 'Unknown')}"


def key(item: Object) -> tuple[str, str]:
    """(namespace, name)."""
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])


def label(item: Object, name: str) -> str:
    """A label's value, empty if the object has none such."""
    return str((item["metadata"].get("labels") or {}).get(name, ""))
