import copy
from typing import Any

import pytest

from edgewright.core.service import Toleration
from edgewright.kube import convert
from edgewright.kube.conditions import Reason
from edgewright.kube.objects import Container, ContainerResources, Metadata, Pod, PodSpec

DAG: dict[str, Any] = {
    "metadata": {
        "namespace": "metro-1",
        "name": "shop",
        "uid": "u-1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    },
    "spec": {
        "flow": "requestResponse",
        "demand": {"requestsPerSecond": 10, "payloadKB": 2, "responseKB": 20},
        "qos": {"maxLatencyMs": 50, "maxSyncSkewMs": 3, "required": True},
        "microservices": [
            {
                "name": "front",
                "image": "front:1",
                "resources": {"cpu": "500m", "memory": "1Gi", "radioMbps": 5, "limits": {"cpu": 1}},
                "workMInstructions": 3,
                "replicas": {"min": 2, "max": 4},
                "placement": {"tiers": ["edge"], "spread": "zone"},
            },
            {
                "name": "store",
                "image": "store:1",
                "resources": {"cpu": 1, "memory": "512Mi", "gpu": 1},
                "workMInstructions": 0.5,
            },
        ],
        "invocations": [
            {
                "from": "front",
                "to": "store",
                "payloadKB": 100,
                "responseKB": 5,
                "calls": 2.5,
                "order": "sequential",
                "minBandwidthMbps": 30,
                "maxLatencyMs": 4,
                "trafficDistribution": "sameZone",
            }
        ],
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    dag = copy.deepcopy(DAG)
    place: Any = dag["spec"]
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        place = place[part]
    place[last] = value
    return dag


def test_a_service_dag_reaches_core_in_si_units() -> None:
    dag = convert.service_dag(DAG)
    front, store = dag.microservices
    assert dag.key == ("metro-1", "shop")
    assert dag.created == 1767225600.0
    assert list(front.request) == [0.5, 2**30, 0, 0, 5e6, 1]
    assert front.limit_cpu == 1.0
    assert store.limit_cpu is None
    assert (front.work, front.min_replicas, front.max_replicas) == (3e6, 2, 4)
    assert (store.min_replicas, store.max_replicas) == (1, 1)
    assert (dag.demand.payload, dag.demand.response) == (16_000, 160_000)
    assert dag.qos.max_latency == pytest.approx(0.05)
    assert dag.qos.max_skew == pytest.approx(0.003)
    call = dag.invocations[0]
    assert (call.payload, call.response, call.calls, call.parallel) == (800_000, 40_000, 2.5, False)
    assert call.min_bandwidth == 30e6
    assert call.max_latency == pytest.approx(0.004)
    assert store.traffic == "sameZone"


def test_every_replica_tolerates_the_edge_taint() -> None:
    for microservice in convert.service_dag(DAG).microservices:
        assert Toleration("edgewright.dev/edge", "Exists") in microservice.tolerations


WRONG = [
    ("invocations.0.to", "stoer", "stoer"),
    ("microservices.0.resources.cpu", "much", "much"),
    ("microservices.0.resources.limits", {"cpu": "100m"}, "100m"),
    ("demand.requestsPerSecond", "ten", "ten"),
    ("invocations.0.minBandwidthMbps", 23, "23"),
    ("ingress", {"location": {"latitude": -37.8, "longitude": 144.9}}, "EdgeTopology"),
]


@pytest.mark.parametrize(("path", "value", "named"), WRONG, ids=[case[0] for case in WRONG])
def test_what_has_no_meaning_is_named_with_its_object(path: str, value: Any, named: str) -> None:
    with pytest.raises(convert.ConversionError, match="ServiceDAG metro-1/shop") as caught:
        convert.service_dag(changed(path, value))
    assert named in str(caught.value)
    assert path.rsplit(".", 1)[-1].removesuffix("s")[:5] in str(caught.value)


def test_bandwidth_counts_the_calls_along_the_graph() -> None:
    # 10 requests/s x 2.5 calls x 100 KB = 20 Mbit/s, so 24 Mbit/s are just enough.
    convert.service_dag(changed("invocations.0.minBandwidthMbps", 24))


def test_callers_must_agree_on_the_traffic_distribution() -> None:
    dag = copy.deepcopy(DAG)
    dag["spec"]["microservices"].append(
        {"name": "back", "image": "b", "resources": {"cpu": 1, "memory": "1Gi"}, "workMInstructions": 1}
    )
    dag["spec"]["invocations"].append({"from": "back", "to": "store", "payloadKB": 1})
    with pytest.raises(convert.ConversionError, match="make them agree") as caught:
        convert.service_dag(dag)
    assert caught.value.reason is Reason.TRAFFIC_CONFLICT


def test_a_cycle_is_left_to_core() -> None:
    dag = copy.deepcopy(DAG)
    dag["spec"]["invocations"].append({"from": "store", "to": "front", "payloadKB": 1})
    assert len(convert.service_dag(dag).invocations) == 2


def test_an_unquoted_y_means_y() -> None:
    dag = changed("ingress", {"location": {"x": 5, "true": 7}})
    assert convert.service_dag(dag).ingress.location == (5, 7)


def test_degrees_become_metres_from_the_origin() -> None:
    origin = convert.Origin(latitude=-38.0, longitude=144.0)
    dag = changed("ingress", {"location": {"latitude": -37.99, "longitude": 144.01}})
    location = convert.service_dag(dag, origin=origin).ingress.location
    assert location == pytest.approx((876, 1112), abs=1)


NODE: dict[str, Any] = {
    "metadata": {
        "name": "edge-1",
        "labels": {
            "edgewright.dev/tier": "edge",
            "edgewright.dev/region": "metro-1",
            "edgewright.dev/radio": "sub6_mmw",
            "topology.kubernetes.io/zone": "z",
        },
        "annotations": {"edgewright.dev/location": "12.5,40", "edgewright.dev/latency-ms": "0.1,0.5,2"},
    },
    "spec": {
        "taints": [
            {"key": "edgewright.dev/edge", "effect": "NoSchedule"},
            {"key": "soft", "effect": "PreferNoSchedule"},
        ]
    },
    "status": {
        "allocatable": {
            "cpu": "7500m",
            "memory": "16Gi",
            "pods": "110",
            "edgewright.dev/gpu": "3",
            "edgewright.dev/radio-mbps": "1000",
        },
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def test_a_node_reaches_core_in_si_units() -> None:
    node = convert.node(NODE)
    assert list(node.capacity) == [7.5, 16 * 2**30, 3, 0, 1e9, 110]
    assert [node.tier, node.region, node.zone] == ["edge", "metro-1", "z"]
    assert node.location == pytest.approx((12.5, 40))
    assert node.radio == {"sub6", "mmw"}
    assert node.latency == pytest.approx((1e-4, 5e-4, 2e-3))
    assert [taint.key for taint in node.taints] == ["edgewright.dev/edge"]
    assert node.schedulable


def test_a_shared_node_gives_its_fraction_and_whole_devices() -> None:
    assert convert.node(NODE, fraction=0.5).capacity == (3.75, 8 * 2**30, 1, 0, 500e6, 55)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("labels", "edgewright.dev/tier", "egde"),
        ("annotations", "edgewright.dev/location", "here"),
        ("annotations", "edgewright.dev/latency-ms", "1,2"),
    ],
)
def test_a_mistaken_label_names_the_node(where: str, name: str, value: str) -> None:
    node = copy.deepcopy(NODE)
    node["metadata"][where][name] = value
    with pytest.raises(convert.ConversionError, match=f"Node edge-1.*{name}.*{value}"):
        convert.node(node)


@pytest.mark.parametrize("how", ["cordoned", "not ready", "going"])
def test_a_node_that_takes_no_pods_is_not_schedulable(how: str) -> None:
    node = copy.deepcopy(NODE)
    if how == "cordoned":
        node["spec"]["unschedulable"] = True
    elif how == "not ready":
        node["status"]["conditions"][0]["status"] = "Unknown"
    else:
        node["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not convert.node(node).schedulable


def test_a_pod_request_uses_the_cluster_s_resource_names() -> None:
    resources = ContainerResources(requests={"cpu": "250m", "memory": "1Mi", "vendor.example/gpu": "2"})
    pod = Pod(Metadata(), PodSpec([Container("c", resources)]))
    names = convert.ResourceNames(gpu="vendor.example/gpu")
    assert convert.pod_request(pod, names) == (0.25, 2**20, 2, 0, 0, 1)


def test_links_of_several_topologies_are_one_network() -> None:
    first = {
        "metadata": {"name": "b"},
        "spec": {
            "links": [{"source": "a", "target": "s", "bandwidthMbps": 1000, "delayMs": 0.5, "class": "fibre"}]
        },
    }
    second = {
        "metadata": {"name": "a"},
        "spec": {
            "origin": {"latitude": -38, "longitude": 144},
            "links": [
                {"source": "s", "target": "a", "bandwidthMbps": 5},
                {"source": "s", "target": "b", "bandwidthMbps": 2, "successProbability": 0.9},
            ],
        },
    }
    links = convert.topology([first, second])
    assert [(link.source, link.target, link.bandwidth) for link in links] == [
        ("a", "s", 1e9),
        ("s", "b", 2e6),
    ]
    assert links[0].delay == pytest.approx(5e-4)
    assert convert.origin([first, second]) == convert.Origin(-38, 144)


def test_foreign_load_is_read_in_si_units() -> None:
    load = {
        "spec": {
            "edgeController": {"namespace": "m", "name": "m"},
            "observedAt": "2026-01-01T00:00:00Z",
            "nodes": [{"name": "n", "requests": {"cpu": 1.5, "memory": 100, "radioMbps": 3, "pods": 2}}],
        }
    }
    assert convert.node_load(load) == {"n": (1.5, 100, 0, 0, 3e6, 2)}
