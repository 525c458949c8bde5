"""From nodes, pods and NodeLoads to core's nodes and request vectors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.core import substrate
from edgewright.core.units import MBPS, MS
from edgewright.kube import crds, names, objects
from edgewright.kube.convert.error import ConversionError
from edgewright.kube.quantities import parse, pod_requests


@dataclass(frozen=True)
class ResourceNames:
    """The cluster's names of the extended resources."""

    gpu: str = names.RESOURCE_GPU
    npu: str = names.RESOURCE_NPU
    radio: str = names.RESOURCE_RADIO


DEFAULT_NAMES = ResourceNames()


def node(
    obj: objects.Node | Mapping[str, Any],
    *,
    resource_names: ResourceNames = DEFAULT_NAMES,
    fraction: float = 1.0,
) -> substrate.Node:
    """A Kubernetes node as core sees it, with `fraction` of its allocatable capacity (shared nodes).

    Devices and radio capacity are shared by whole numbers. `schedulable` is Ready and not cordoned. Raises
    ConversionError naming the label, annotation or quantity that makes no sense.
    """
    found = obj if isinstance(obj, objects.Node) else msgspec.convert(dict(obj), objects.Node)
    metadata = found.metadata
    target = f"Node {metadata.name}"
    tier = metadata.labels.get(names.LABEL_TIER, "edge")
    if tier not in substrate.TIERS:
        raise ConversionError(
            target, f"label {names.LABEL_TIER}", f"{tier!r} is not one of {', '.join(substrate.TIERS)}"
        )
    latency = _numbers(target, metadata, names.ANNOTATION_LATENCY, 3)
    location = _numbers(target, metadata, names.ANNOTATION_LOCATION, 2)
    radio = metadata.labels.get(names.LABEL_RADIO, "")
    return substrate.Node(
        name=metadata.name,
        capacity=_capacity(target, found.status.allocatable, resource_names, fraction),
        tier=tier,
        region=metadata.labels.get(names.LABEL_REGION, ""),
        zone=metadata.labels.get(names.LABEL_ZONE, ""),
        location=None if location is None else (location[0], location[1]),
        radio=frozenset(band for band in radio.split("_") if band),
        latency=(0.0, 0.0, 0.0) if latency is None else (latency[0] * MS, latency[1] * MS, latency[2] * MS),
        labels=metadata.labels,
        taints=tuple(
            substrate.Taint(taint.key, taint.value, taint.effect)
            for taint in found.spec.taints
            if taint.effect in {"NoSchedule", "NoExecute"}
        ),
        serving=found.ready,
        schedulable=found.ready and not found.spec.unschedulable and metadata.deletion_timestamp is None,
    )


def _capacity(
    target: str, allocatable: objects.Quantities, resource_names: ResourceNames, fraction: float
) -> tuple[float, ...]:
    try:
        cpu, memory, pods = (parse(allocatable.get(name, 0)) for name in ("cpu", "memory", "pods"))
        gpu, npu, radio = (
            float(math.floor(parse(allocatable.get(name, 0)) * fraction + 1e-9))
            for name in (resource_names.gpu, resource_names.npu, resource_names.radio)
        )
    except ValueError as error:
        raise ConversionError(target, "status.allocatable", str(error)) from error
    return (
        cpu * fraction,
        memory * fraction,
        gpu,
        npu,
        radio * MBPS,
        float(math.floor(pods * fraction + 1e-9)),
    )


def _numbers(
    target: str, metadata: objects.Metadata, annotation: str, count: int
) -> tuple[float, ...] | None:
    text = metadata.annotations.get(annotation)
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise ConversionError(
            target, f"annotation {annotation}", f"{text!r} is not {count} numbers separated by commas"
        )
    return values


def pod_request(pod: objects.Pod, resource_names: ResourceNames = DEFAULT_NAMES) -> tuple[float, ...]:
    """What a pod takes of its node, in the order of `core.service.RESOURCES` (radio in bit/s, 1 pod)."""
    requests = pod_requests(pod)
    order = ("cpu", "memory", resource_names.gpu, resource_names.npu, resource_names.radio)
    cpu, memory, gpu, npu, radio = (requests.get(name, 0.0) for name in order)
    return cpu, memory, gpu, npu, radio * MBPS, 1.0


def node_load(obj: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Foreign requests by node of one NodeLoad, in the order of `core.service.RESOURCES`."""
    load = crds.NodeLoad.model_validate(obj)
    return {
        entry.name: (
            entry.requests.cpu,
            entry.requests.memory,
            entry.requests.gpu,
            entry.requests.npu,
            entry.requests.radio_mbps * MBPS,
            entry.requests.pods,
        )
        for entry in load.spec.nodes
    }
