"""From wire formats to the domain types of core: ServiceDAGs, nodes, links, pod requests and foreign load."""

from edgewright.kube.convert.error import ConversionError
from edgewright.kube.convert.links import Origin, origin, topology
from edgewright.kube.convert.nodes import DEFAULT_NAMES, ResourceNames, node, node_load, pod_request
from edgewright.kube.convert.service_dag import HEADROOM, service_dag

__all__ = [
    "DEFAULT_NAMES",
    "HEADROOM",
    "ConversionError",
    "Origin",
    "ResourceNames",
    "node",
    "node_load",
    "origin",
    "pod_request",
    "service_dag",
    "topology",
]
