"""The Deployment of a region's agents and its budget, and what their pods' statuses mean; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from edgewright.kube.conditions import Reason
from edgewright.kube.names import (
    AGENT_ACCOUNT,
    APP_AGENT,
    LABEL_APP,
    LABEL_MANAGED_BY,
    MANAGED_BY,
)
from edgewright.kube.objects import Manifest, StartingPod
from edgewright.operator.agent_template import CONTAINER, AgentTemplate
from edgewright.operator.compile import ANNOTATION_COMPILED, Compiled, digest_of
from edgewright.operator.observed import replica_failure
from edgewright.operator.regions import LABEL_REGION_OWNER, Controller, Trouble, owner_reference

LISTEN = "0.0.0.0:8080"
"""Where an agent pod serves metrics and its health."""
SELECTOR = {LABEL_APP: APP_AGENT}
READY_SECONDS = 180
"""After which new agents that are not Ready are worth a word; the first start on a machine compiles."""
_PULLS = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
_STARTS = {"ContainerCreating", "PodInitializing", ""}
_WORDS = 300


def agent_objects(controller: Controller, template: AgentTemplate) -> tuple[Compiled, Compiled]:
    """Deployment and PodDisruptionBudget of the region's agents."""
    spec = controller.spec
    deployment = {
        "replicas": spec.replicas,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": READY_SECONDS,
        "selector": {"matchLabels": SELECTOR},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": _pod(controller, template),
    }
    budget = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": SELECTOR},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return (
        _object(controller, "apps/v1", "Deployment", deployment),
        _object(controller, "policy/v1", "PodDisruptionBudget", budget),
    )


def _object(controller: Controller, version: str, kind: str, spec: dict[str, Any]) -> Compiled:
    body: dict[str, Any] = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": APP_AGENT,
            "namespace": controller.key[0],
            "labels": {**SELECTOR, LABEL_MANAGED_BY: MANAGED_BY, LABEL_REGION_OWNER: controller.uid},
            "ownerReferences": [owner_reference(controller)],
        },
        "spec": spec,
    }
    body["metadata"]["annotations"] = {ANNOTATION_COMPILED: digest_of(body)}
    return Compiled(kind, APP_AGENT, "", body)


def _pod(controller: Controller, template: AgentTemplate) -> dict[str, Any]:
    containers = [
        _container(controller, each) if each["name"] == CONTAINER else each
        for each in template.spec["containers"]
    ]
    metadata: dict[str, Any] = {"labels": {**template.labels, **SELECTOR}}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    account = {"serviceAccountName": AGENT_ACCOUNT, "automountServiceAccountToken": True}
    return {"metadata": metadata, "spec": {**template.spec, **account, "containers": containers}}


def _container(controller: Controller, given: Mapping[str, Any]) -> dict[str, Any]:
    command = ["agent", "--namespace", controller.key[0], "--listen", LISTEN]
    made = {**given, "args": [*command, *given.get("args", [])]}
    asked = controller.spec.resources.model_dump(exclude_none=True)
    resources = {**given.get("resources", {})}
    for part in ("requests", "limits"):
        merged = {**resources.get(part, {}), **{name: str(amount) for name, amount in asked[part].items()}}
        if merged:
            resources[part] = merged
    if resources:
        made["resources"] = resources
    return made


def owned_by(metadata: Any, controller: Controller) -> bool:
    """Whether this very EdgeController is the object's controller."""
    owner = metadata.controller
    return owner is not None and owner.uid == controller.uid


def trouble(deployment: Manifest | None, pods: Iterable[StartingPod]) -> Trouble | None:
    """Why agents of a Deployment do not start; None while they run or are only starting.

    The words do not name pods or count attempts, so that a failure is told once.
    """
    refused = replica_failure(deployment)
    if refused is not None:
        reason = Reason.QUOTA_EXCEEDED if "quota" in refused else Reason.POD_REJECTED
        return Trouble(reason, f"Pods of the agent are refused: {refused}")
    living = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    said = [words for pod in living if (words := _complaint(pod))]
    if said:
        first = max(sorted(set(said)), key=said.count)
        return Trouble(Reason.AGENT_FAILING, f"{len(said)} of {len(living)} agent pods: {first}")
    if living and _stuck(deployment):
        words = f"New agent pods were not Ready within {READY_SECONDS} s; their logs say why."
        return Trouble(Reason.AGENT_FAILING, words)
    return None


def _stuck(deployment: Manifest | None) -> bool:
    """Whether the Deployment gave up waiting for its newest pods."""
    conditions = () if deployment is None else deployment.status.get("conditions") or ()
    return any(entry.get("reason") == "ProgressDeadlineExceeded" for entry in conditions)


def _complaint(pod: StartingPod) -> str:
    """What keeps one pod from running, in words; empty if nothing does."""
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"no node takes it: {condition.message or condition.reason}"[:_WORDS]
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting, ended = (
            container.state.waiting,
            container.state.terminated or container.last_state.terminated,
        )
        if waiting is not None and waiting.reason in _PULLS:
            return f"image {container.image} cannot be pulled (ImagePullBackOff); name one that can be."
        if waiting is not None and waiting.reason not in _STARTS | {"CrashLoopBackOff"}:
            return f"{waiting.reason}: {waiting.message}"[:_WORDS]
        if ended is not None and container.restart_count and not container.ready:
            why = f" ({ended.reason})" if ended.reason else ""
            last = (
                f": {ended.message.strip()}" if ended.message.strip() else "; see `kubectl logs --previous`"
            )
            return f"the {container.name} keeps ending with exit code {ended.exit_code}{why}{last}"[:_WORDS]
    return ""
