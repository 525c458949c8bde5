"""The pod template of one microservice: restricted by default, left to the region's agent to bind."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from edgewright.kube import quantities
from edgewright.kube.crds.microservice import Microservice
from edgewright.kube.crds.template import Template
from edgewright.kube.crds.wire import Wire
from edgewright.kube.names import LABEL_TIER, TAINT_EDGE

CONTAINER = "main"
"""Name of a microservice's only container."""
_PATIENT = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
    for state in ("not-ready", "unreachable")
)
"""Tolerations that keep a pod on a node that Kubernetes has lost (`onNodeLoss: keep`)."""


def pod_template(
    microservice: Microservice,
    resource_names: Mapping[str, str],
    on_node_loss: Literal["fast", "safe", "keep"],
) -> dict[str, Any]:
    """The pod's spec without `schedulerName`; values that are Kubernetes' defaults are left out.

    Spread is the agent's business and is not repeated here; tiers and nodeSelector are, so that a kubelet
    refuses what the agent would never bind.
    """
    template = microservice.template
    spec: dict[str, Any] = {
        "containers": [_container(microservice, template, resource_names)],
        "securityContext": _pod_security(template),
        "automountServiceAccountToken": template.service_account_name is not None,
        "enableServiceLinks": False,
        "tolerations": _tolerations(microservice, on_node_loss),
    }
    if template.service_account_name is not None:
        spec["serviceAccountName"] = template.service_account_name
    if template.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret.name} for secret in template.image_pull_secrets]
    if template.termination_grace_period_seconds is not None:
        spec["terminationGracePeriodSeconds"] = template.termination_grace_period_seconds
    if template.volumes:
        spec["volumes"] = [_plain(volume) for volume in template.volumes]
    placement = microservice.placement
    if placement.node_selector:
        spec["nodeSelector"] = dict(placement.node_selector)
    if placement.tiers:
        term = {"key": LABEL_TIER, "operator": "In", "values": sorted(placement.tiers)}
        spec["affinity"] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [term]}]
                }
            }
        }
    return spec


def _container(
    microservice: Microservice, template: Template, resource_names: Mapping[str, str]
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": microservice.image,
        "resources": _resources(microservice, resource_names),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if template.security_context.read_only_root_filesystem is not None:
        read_only = template.security_context.read_only_root_filesystem
        container["securityContext"]["readOnlyRootFilesystem"] = read_only
    if template.command:
        container["command"] = list(template.command)
    if template.args:
        container["args"] = list(template.args)
    lists: dict[str, Sequence[Wire]] = {
        "env": template.env,
        "envFrom": template.env_from,
        "ports": template.ports,
        "volumeMounts": template.volume_mounts,
    }
    container |= {name: [_plain(item) for item in items] for name, items in lists.items() if items}
    probes = {
        "livenessProbe": template.liveness_probe,
        "readinessProbe": template.readiness_probe,
        "startupProbe": template.startup_probe,
    }
    container |= {name: _plain(probe) for name, probe in probes.items() if probe is not None}
    return container


def _plain(item: Wire) -> dict[str, Any]:
    """A part of the template as it stands in a pod, without what is absent."""
    return item.model_dump(mode="json", by_alias=True, exclude_none=True)


def _resources(microservice: Microservice, resource_names: Mapping[str, str]) -> dict[str, Any]:
    """Requests and limits: memory and extended resources may not exceed their request, CPU may."""
    asked = microservice.resources
    extended = {
        resource_names["gpu"]: float(asked.gpu),
        resource_names["npu"]: float(asked.npu),
        resource_names["radio"]: float(asked.radio_mbps),
    }
    fixed = {
        "memory": quantities.whole(quantities.parse(asked.memory)),
        **{name: quantities.whole(value) for name, value in extended.items() if value > 0},
    }
    limits = dict(fixed)
    if asked.limits.cpu is not None:
        limits["cpu"] = quantities.cores(quantities.parse(asked.limits.cpu))
    return {"requests": {"cpu": quantities.cores(quantities.parse(asked.cpu)), **fixed}, "limits": limits}


def _pod_security(template: Template) -> dict[str, Any]:
    asked = template.security_context
    ids = {"runAsUser": asked.run_as_user, "runAsGroup": asked.run_as_group, "fsGroup": asked.fs_group}
    return {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **{name: value for name, value in ids.items() if value is not None},
    }


def _tolerations(microservice: Microservice, on_node_loss: str) -> list[dict[str, Any]]:
    edge: dict[str, Any] = {"key": TAINT_EDGE, "operator": "Exists"}
    own = [
        {name: value for name, value in _plain(toleration).items() if value}
        for toleration in microservice.placement.tolerations
    ]
    patient = [dict(toleration) for toleration in _PATIENT] if on_node_loss == "keep" else []
    return [edge, *[toleration for toleration in own if toleration != edge], *patient]
