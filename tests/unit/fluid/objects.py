"""A simulated city as the Kubernetes objects that an agent of a real one watches."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgewright.core.load import FOREIGN_USE
from edgewright.core.service import CPU, GPU, MEMORY, NPU, PODS, ServiceDag
from edgewright.core.substrate import Link, Node, Substrate
from edgewright.core.units import KB, M_INSTRUCTIONS, MBPS, MS
from edgewright.kube import names, objects
from edgewright.kube.objects import Manifest, Pod

NAMESPACE = "region"


def node(given: Node, *, ready: bool) -> objects.Node:
    """The Node of a node; one that is down is not Ready."""
    x, y = given.location or (0.0, 0.0)
    metadata = {
        "name": given.name,
        "labels": {
            names.LABEL_TIER: given.tier,
            names.LABEL_ZONE: given.zone,
            names.LABEL_RADIO: "_".join(sorted(given.radio)),
        },
        "annotations": {
            names.ANNOTATION_LOCATION: f"{x},{y}",
            names.ANNOTATION_LATENCY: ",".join(str(seconds / MS) for seconds in given.latency),
        },
    }
    allocatable = {
        "cpu": str(given.capacity[CPU]),
        "memory": str(int(given.capacity[MEMORY])),
        "pods": str(int(given.capacity[PODS])),
        names.RESOURCE_GPU: str(int(given.capacity[GPU])),
        names.RESOURCE_NPU: str(int(given.capacity[NPU])),
    }
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    status = {"allocatable": allocatable, "conditions": conditions}
    return msgspec.convert({"metadata": metadata, "status": status}, objects.Node)


def edge_topology(links: Sequence[Link]) -> dict[str, Any]:
    """All links of the city."""
    made = [
        {"source": x.source, "target": x.target, "bandwidthMbps": x.bandwidth / MBPS, "delayMs": x.delay / MS}
        for x in links
    ]
    return {"metadata": {"name": "city"}, "spec": {"links": made}}


def edge_controller(nodes: Sequence[str]) -> Manifest:
    """The EdgeController whose nodes these are."""
    return _manifest("ec", {}, {"nodes": list(nodes)})


def node_load(elsewhere: float) -> Manifest:
    """What the operator reports where no pods are foreign and the neighbours use so much of their CPU."""
    spec = {
        "edgeController": {"namespace": NAMESPACE, "name": "ec"},
        "observedAt": "2026-01-01T00:00:00Z",
        "requestedElsewhere": elsewhere / FOREIGN_USE,
    }
    return _manifest("load-0", spec, {})


def service_dag(name: str, dag: ServiceDag, cell: str, status: Mapping[str, Any]) -> Manifest:
    """The ServiceDAG of a template whose users are at the cell of a node."""
    services = [
        {
            "name": m.name,
            "image": "i",
            "resources": {
                "cpu": str(m.request[CPU]),
                "memory": str(int(m.request[MEMORY])),
                "gpu": int(m.request[GPU]),
                "npu": int(m.request[NPU]),
            },
            "workMInstructions": m.work / M_INSTRUCTIONS,
            "replicas": {"min": m.min_replicas, "max": m.max_replicas},
        }
        for m in dag.microservices
    ]
    calls = [
        {
            "from": i.source,
            "to": i.target,
            "payloadKB": i.payload / KB,
            "responseKB": i.response / KB,
            "calls": i.calls,
        }
        for i in dag.invocations
    ]
    limit = {} if dag.qos.max_latency is None else {"maxLatencyMs": dag.qos.max_latency / MS}
    spec = {
        "flow": dag.flow,
        "demand": {
            "requestsPerSecond": dag.demand.rate,
            "payloadKB": dag.demand.payload / KB,
            "responseKB": dag.demand.response / KB,
        },
        "ingress": {"node": cell},
        "qos": limit,
        "placementPolicy": {"migration": {"maxPerMinute": dag.policy.max_migrations_per_minute}},
        "microservices": services,
        "invocations": calls,
    }
    return _manifest(name, spec, status)


def pod(dag_name: str, dag: ServiceDag, stage: int, slot: int, on: str) -> Pod:
    """The pod of a replica slot; one without a node waits."""
    service = dag.microservices[stage]
    requests = {
        "cpu": str(service.request[CPU]),
        "memory": str(int(service.request[MEMORY])),
        names.RESOURCE_GPU: str(int(service.request[GPU])),
        names.RESOURCE_NPU: str(int(service.request[NPU])),
    }
    body = {
        "metadata": {
            "name": f"{dag_name}-{slot:02d}",
            "namespace": NAMESPACE,
            "uid": f"{dag_name}-{slot:02d}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {names.LABEL_DAG: dag_name, names.LABEL_MICROSERVICE: service.name},
        },
        "spec": {
            "schedulerName": names.SCHEDULER,
            "nodeName": on,
            "containers": [{"name": "c", "resources": {"requests": requests}}],
        },
    }
    return msgspec.convert(body, Pod)


def nodes(substrate: Substrate, down: Sequence[bool]) -> dict[str, objects.Node]:
    """All Nodes of the city by name."""
    return {each.name: node(each, ready=not lost) for each, lost in zip(substrate.nodes, down, strict=True)}


def _manifest(name: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": name, "generation": 1}
    return msgspec.convert({"metadata": metadata, "spec": dict(spec), "status": dict(status)}, Manifest)
