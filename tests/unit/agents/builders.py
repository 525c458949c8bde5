"""Small objects as an agent's watches deliver them."""

from typing import Any

import msgspec

from edgewright.agents.region import Region
from edgewright.kube import names
from edgewright.kube.objects import Manifest, Node, Pod

NAMESPACE, DAG = "ns", ("ns", "shop")


def node(name: str, cpu: str = "4", **labels: str) -> Node:
    obj = {
        "metadata": {"name": name, "labels": {names.LABEL_TIER: "edge", **labels}},
        "status": {
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    return msgspec.convert(obj, Node)


def controller(*nodes: str, **spec: Any) -> Manifest:
    return msgspec.convert(
        {"metadata": {"name": "ec", "namespace": NAMESPACE}, "spec": spec, "status": {"nodes": list(nodes)}},
        Manifest,
    )


def dag(name: str = "shop", status: dict[str, Any] | None = None, generation: int = 1) -> Manifest:
    services = [
        {
            "name": service,
            "image": "i",
            "resources": {"cpu": "500m", "memory": "64Mi"},
            "workMInstructions": 1,
        }
        for service in ("a", "b")
    ]
    spec = {
        "demand": {"requestsPerSecond": 1},
        "microservices": services,
        "invocations": [{"from": "a", "to": "b", "payloadKB": 1}],
    }
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "generation": generation}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status or {}}, Manifest)


def pod(name: str, on: str = "", *, dag_name: str = "shop", cpu: str = "500m", **status: Any) -> Pod:
    obj = {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {names.LABEL_DAG: dag_name, names.LABEL_MICROSERVICE: name.partition("-")[0]},
        },
        "spec": {
            "schedulerName": names.SCHEDULER,
            "nodeName": on,
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}],
        },
        "status": {"phase": "Pending", **status},
    }
    return msgspec.convert(obj, Pod)


def region_of(*granted: str, nodes: tuple[str, ...] = ("n1", "n2")) -> Region:
    """A region that was granted some of the nodes, with one DAG and no pods."""
    made = Region((NAMESPACE, "ec"), 0.0)
    for name in nodes:
        made.node_changed(name, node(name))
    made.grant_changed(controller(*granted))
    made.dag_changed(DAG, dag())
    return made
