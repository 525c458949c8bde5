"""Turns a city into Kubernetes objects: nodes, region namespaces, EdgeControllers and the EdgeTopology."""

from typing import TYPE_CHECKING, Any

from edgewright.core.service import CPU, GPU, MEMORY, NPU, PODS, RADIO
from edgewright.core.units import MBPS, MIB, MS
from edgewright.emulation.testbed.control_plane import KWOK_ANNOTATION
from edgewright.kube import names

if TYPE_CHECKING:
    from edgewright.core.substrate import Node
    from edgewright.emulation.city import City, Place, Region

LABEL_HOSTNAME = "kubernetes.io/hostname"
LABEL_TOPOLOGY_REGION = "topology.kubernetes.io/region"
ANNOTATION_SITE = f"{names.GROUP}/site"
"""What people call the place."""
ANNOTATION_DEGREES = f"{names.GROUP}/degrees"
"""`latitude,longitude` of the place (WGS 84)."""
BANDS = ("sub6", "mmw", "thz")
MAX_LINKS = 1000
"""Of one EdgeTopology."""


def node(city: "City", given: "Node", *, taint: bool = False) -> dict[str, Any]:
    """The Node object of a node, to be played by KWOK; edge nodes carry the taint that keeps others off.

    With `taint` every node does: beside a real node nobody else's pod shall run where nothing really runs.
    """
    place = city.places[given.name]
    capacity = {
        "cpu": f"{given.capacity[CPU]:g}",
        "memory": f"{given.capacity[MEMORY] / MIB:.0f}Mi",
        "pods": f"{given.capacity[PODS]:.0f}",
        "ephemeral-storage": "100Gi",
        names.RESOURCE_GPU: f"{given.capacity[GPU]:.0f}",
        names.RESOURCE_NPU: f"{given.capacity[NPU]:.0f}",
        names.RESOURCE_RADIO: f"{given.capacity[RADIO] / MBPS:.0f}",
    }
    capacity = {name: quantity for name, quantity in capacity.items() if quantity != "0"}
    taints = [{"key": names.TAINT_EDGE, "effect": "NoSchedule"}] if taint or given.tier == "edge" else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": given.name,
            "labels": _labels(city, given),
            "annotations": _annotations(given, place),
        },
        "spec": {"taints": taints},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def _labels(city: "City", given: "Node") -> dict[str, str]:
    labels = {
        **given.labels,
        LABEL_HOSTNAME: given.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        names.LABEL_TIER: given.tier,
        LABEL_TOPOLOGY_REGION: given.region or city.scenario.name,
        names.LABEL_ZONE: given.zone,
    }
    if given.region:
        labels[names.LABEL_REGION] = given.region
    if given.radio:
        labels[names.LABEL_RADIO] = "_".join(band for band in BANDS if band in given.radio)
    return labels


def _annotations(given: "Node", place: "Place") -> dict[str, str]:
    x, y = given.location or (0.0, 0.0)
    return {
        KWOK_ANNOTATION: "fake",
        names.ANNOTATION_LOCATION: f"{x:g},{y:g}",
        names.ANNOTATION_LATENCY: ",".join(f"{seconds / MS:.3g}" for seconds in given.latency),
        ANNOTATION_SITE: place.title,
        ANNOTATION_DEGREES: f"{place.latitude:.6f},{place.longitude:.6f}",
    }


def namespace(region: "Region") -> dict[str, Any]:
    """The Namespace of a region."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": region.name, "labels": {names.LABEL_REGION: region.name}},
    }


def operator_role(region: "Region") -> dict[str, Any]:
    """The RoleBinding by which the operator may write in the region's namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": names.ROLE_OPERATOR_REGION, "namespace": region.name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": names.ROLE_OPERATOR_REGION},
        "subjects": [
            {"kind": "ServiceAccount", "name": names.OPERATOR_ACCOUNT, "namespace": names.OPERATOR_NAMESPACE}
        ],
    }


def edge_controller(city: "City", region: "Region") -> dict[str, Any]:
    """The EdgeController of a region: its own nodes, and its fraction of the core and of shared links."""
    # Rounded down, so that the fractions of all regions never add up to more than 1.
    fraction = 1000 // len(city.regions) / 1000
    shared: list[dict[str, Any]] = [{"nodeSelector": {names.LABEL_TIER: "core"}, "fraction": fraction}]
    controllers = {other.controller for other in city.regions}
    trunks = [
        {"source": link.source, "target": link.target}
        for link in city.links
        if {link.source, link.target} <= controllers
    ]
    if trunks:
        shared.append({"links": trunks, "fraction": fraction})
    return {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeController",
        "metadata": {"name": region.name, "namespace": region.name},
        "spec": {"nodeSelector": {names.LABEL_REGION: region.name}, "shared": shared},
    }


def edge_topologies(city: "City") -> list[dict[str, Any]]:
    """The city's links and the origin of its map, in as few EdgeTopology objects as may hold them."""
    origin = {"latitude": round(city.frame.latitude, 6), "longitude": round(city.frame.longitude, 6)}
    links = [
        {
            "source": link.source,
            "target": link.target,
            "bandwidthMbps": round(link.bandwidth / MBPS, 3),
            "delayMs": round(link.delay / MS, 3),
            "class": link.link_class,
        }
        for link in city.links
    ]
    return [
        {
            "apiVersion": names.API_VERSION,
            "kind": "EdgeTopology",
            "metadata": {"name": city.scenario.name + (f"-{start // MAX_LINKS + 1}" if start else "")},
            "spec": {"origin": origin, "links": links[start : start + MAX_LINKS]},
        }
        for start in range(0, len(links), MAX_LINKS)
    ]
