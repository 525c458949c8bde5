"""From a ServiceDAG to its Deployments, Services and PodDisruptionBudgets; pure and stable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.kube.crds.microservice import Microservice
from edgewright.kube.names import (
    API_VERSION,
    GROUP,
    LABEL_DAG,
    LABEL_MANAGED_BY,
    LABEL_MICROSERVICE,
    MANAGED_BY,
    SCHEDULER,
)
from edgewright.operator import naming
from edgewright.operator.dag import Dag
from edgewright.operator.pods import pod_template

ANNOTATION_COMPILED = f"{GROUP}/compiled"
"""Hash of the object as compiled, replicas apart: a removed field is noticed although it is absent."""
KINDS = ("Deployment", "Service", "PodDisruptionBudget")
Names = Mapping[tuple[str, str], str]
"""(kind, microservice) to the name of the object."""
TRAFFIC = {"sameZone": "PreferSameZone", "sameNode": "PreferSameNode"}
"""`invocations[].trafficDistribution` to the Service's; `even` leaves the field out."""


@dataclass(frozen=True)
class Compiled:
    """One object that the ServiceDAG needs."""

    kind: str
    name: str
    microservice: str
    body: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """(kind, name)."""
        return self.kind, self.name

    @property
    def digest(self) -> str:
        """The hash in its annotation."""
        return str(self.body["metadata"]["annotations"][ANNOTATION_COMPILED])


def compile_dag(
    dag: Dag, counts: Mapping[str, int], names: Names, resource_names: Mapping[str, str]
) -> tuple[Compiled, ...]:
    """Every object of the ServiceDAG, Deployments first, in the order of its microservices.

    `counts` are the replicas per microservice, `names` the objects' names (`choose_names`),
    `resource_names` the cluster's names of `gpu`, `npu` and `radio`. Equal input gives equal bytes, and a
    Deployment's pod template depends on nothing but the microservice, so repeating it causes no rollout.
    """
    by_name = {service.name: service for service in dag.spec.microservices}
    traffic = traffic_distribution(dag)
    made: list[Compiled] = []
    for kind in KINDS:
        for name, service in by_name.items():
            if kind == "Deployment":
                spec = _deployment(dag, service, counts[name], resource_names)
            elif kind == "Service":
                spec = _service(dag, service, traffic.get(name))
            else:
                spec = _budget(dag, service)
            made.append(
                Compiled(kind, names[kind, name], name, _object(dag, name, kind, names[kind, name], spec))
            )
    return tuple(made)


def acceptable_names(dag: Dag, kind: str, microservice: Microservice) -> tuple[str, ...]:
    """Acceptable names of an object, the preferred one first; one only where the user fixed it."""
    if kind == "Service" and microservice.service.name:
        return (microservice.service.name,)
    return naming.candidates(dag.name, microservice.name)


def labels(dag: str, microservice: str) -> dict[str, str]:
    """Labels of every compiled object and pod."""
    return {**selector(dag, microservice), LABEL_MANAGED_BY: MANAGED_BY}


def selector(dag: str, microservice: str) -> dict[str, str]:
    """Labels that tell the pods of one microservice from all others in the namespace."""
    return {LABEL_DAG: dag, LABEL_MICROSERVICE: microservice}


def traffic_distribution(dag: Dag) -> dict[str, str]:
    """Microservice to the trafficDistribution of its Service, where it is not `even`.

    Callers of one microservice agree: a ServiceDAG where they do not is rejected by `convert.service_dag`.
    """
    return {
        invocation.target: TRAFFIC[invocation.traffic_distribution]
        for invocation in dag.spec.invocations
        if invocation.traffic_distribution in TRAFFIC
    }


def _object(dag: Dag, microservice: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    body = {
        "apiVersion": {"Deployment": "apps/v1", "Service": "v1", "PodDisruptionBudget": "policy/v1"}[kind],
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": dag.namespace,
            "labels": labels(dag.name, microservice),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ServiceDAG",
                    "name": dag.name,
                    "uid": dag.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }
    body["metadata"]["annotations"] = {ANNOTATION_COMPILED: digest_of(body)}  # type: ignore[index]
    return body


def digest_of(body: Mapping[str, Any]) -> str:
    """The hash of a compiled object for its annotation."""
    hashed = {**body, "spec": {field: value for field, value in body["spec"].items() if field != "replicas"}}
    return hashlib.sha256(msgspec.json.encode(hashed, order="deterministic")).hexdigest()[:16]


def _deployment(
    dag: Dag, microservice: Microservice, replicas: int, resource_names: Mapping[str, str]
) -> dict[str, Any]:
    name = dag.name
    return {
        "replicas": replicas,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(name, microservice.name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {"labels": labels(name, microservice.name)},
            "spec": {
                "schedulerName": SCHEDULER,
                **pod_template(microservice, resource_names, dag.spec.placement_policy.on_node_loss),
            },
        },
    }


def _service(dag: Dag, microservice: Microservice, traffic: str | None) -> dict[str, Any]:
    ports = service_ports(microservice)
    spec: dict[str, Any] = {"selector": selector(dag.name, microservice.name)}
    if ports:
        spec["ports"] = ports
    else:
        spec["clusterIP"] = "None"
    if traffic is not None:
        spec["trafficDistribution"] = traffic
    return spec


def service_ports(microservice: Microservice) -> list[dict[str, Any]]:
    """The Service's ports: `service.ports`, else those of the container."""
    if microservice.service.ports:
        return [
            {
                "name": port.name or f"{port.protocol.lower()}-{port.port}",
                "port": port.port,
                "targetPort": port.port if port.target_port is None else port.target_port,
                "protocol": port.protocol,
                **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
            }
            for port in microservice.service.ports
        ]
    return [
        {
            "name": port.name or f"{port.protocol.lower()}-{port.container_port}",
            "port": port.container_port,
            "targetPort": port.container_port,
            "protocol": port.protocol,
        }
        for port in microservice.template.ports
    ]


def _budget(dag: Dag, microservice: Microservice) -> dict[str, Any]:
    return {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector(dag.name, microservice.name)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
