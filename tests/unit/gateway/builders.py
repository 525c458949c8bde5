"""API objects of a small cluster, as the gateway's watches tell them."""

from typing import Any

import msgspec

from edgewright.emulation.gateway.picture import Picture
from edgewright.emulation.testbed.nodes import CUT_HOLDER
from edgewright.kube import names
from edgewright.kube.objects import Lease, Manifest, Node, Pod

KEY = ("city", "overlay")


def node(name: str, *, ready: bool = True) -> Node:
    number = int(name[1:])
    obj = {
        "metadata": {
            "name": name,
            "labels": {names.LABEL_TIER: "edge", names.LABEL_RADIO: "mmw"},
            "annotations": {names.ANNOTATION_LOCATION: f"{300 * number},0"},
        },
        "status": {
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
    return msgspec.convert(obj, Node)


def dag(*, generation: int = 1, rate: float = 20.0, **spec: Any) -> Manifest:
    """`decode` calls nothing but feeds `render`; its users are at n0."""
    service = {"image": "example", "resources": {"cpu": "500m", "memory": "64Mi"}}
    obj = {
        "apiVersion": names.API_VERSION,
        "kind": "ServiceDAG",
        "metadata": {"namespace": KEY[0], "name": KEY[1], "uid": "dag-1", "generation": generation},
        "spec": {
            "ingress": {"location": {"x": 0, "y": 0}},
            "demand": {"requestsPerSecond": rate, "payloadKB": 100, "responseKB": 20},
            "microservices": [
                {"name": "decode", "workMInstructions": 10, **service},
                {"name": "render", "workMInstructions": 20, **service},
            ],
            "invocations": [{"from": "decode", "to": "render", "payloadKB": 30}],
            **spec,
        },
    }
    return msgspec.convert(obj, Manifest)


def pod(microservice: str, node_name: str = "", *, name: str = "", ready: bool = True, **labels: str) -> Pod:
    name = name or f"{microservice}-0"
    obj = {
        "metadata": {
            "namespace": KEY[0],
            "name": name,
            "uid": f"uid-{name}",
            "labels": {names.LABEL_DAG: KEY[1], names.LABEL_MICROSERVICE: microservice, **labels},
        },
        "spec": {
            "nodeName": node_name,
            "containers": [{"name": "main", "resources": {"requests": {"cpu": "500m"}}}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
    return msgspec.convert(obj, Pod)


def stranger(node_name: str, cpu: str) -> Pod:
    obj = {
        "metadata": {"namespace": "elsewhere", "name": "stranger", "uid": "uid-stranger"},
        "spec": {
            "nodeName": node_name,
            "containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}],
        },
        "status": {"phase": "Running"},
    }
    return msgspec.convert(obj, Pod)


def lease(holder: str = CUT_HOLDER) -> Lease:
    return msgspec.convert({"metadata": {"name": "n"}, "spec": {"holderIdentity": holder}}, Lease)


def picture(*nodes: str, pods: tuple[Pod, ...] = (), manifest: Manifest | None = None) -> Picture:
    """A cluster with these nodes, pods and the DAG."""
    made = Picture()
    for name in nodes or ("n0", "n1", "n2", "n3"):
        made.node_changed(name, node(name))
    made.dag_changed(KEY, manifest or dag())
    for each in pods:
        made.pod_changed(None, each)
    return made
