"""What serves is what a Service would send requests to, on nodes that are really there."""

import msgspec
import numpy as np
import pytest
from tests.unit.gateway.builders import KEY, dag, lease, node, picture, pod, stranger

from edgewright.emulation.gateway.picture import Picture, Service
from edgewright.kube.objects import Manifest

PLACED = (pod("decode", "n1"), pod("render", "n2"))


def service(made: Picture) -> Service:
    return made.scene().services[KEY]


def test_a_placed_dag_serves_from_where_its_pods_are() -> None:
    found = service(picture(pods=PLACED))
    assert found.problem == ""
    assert found.placed is not None
    assert found.placed.node.tolist() == [1, 2]
    assert found.names == (("decode=n1/decode-0",), ("render=n2/render-0",))
    assert found.generation == 1


@pytest.mark.parametrize(
    "second",
    [
        pod("render"),
        pod("render", "n2", ready=False),
        pod("render", "gone"),
        pod("unknown", "n2"),
    ],
    ids=["not bound", "not ready", "on a node that does not exist", "of no microservice"],
)
def test_a_microservice_without_a_ready_replica_is_named(second: object) -> None:
    made = picture(pods=(PLACED[0], second))  # type: ignore[arg-type]
    found = service(made)
    assert found.placed is None
    assert found.problem == "1 of 2 microservices have no ready replica on a node: render"


def test_every_change_of_the_serving_replicas_is_a_new_generation() -> None:
    made = picture(pods=PLACED)
    assert service(made).generation == 1
    made.pod_changed(PLACED[1], pod("render", "n3", name="render-1"))
    assert made.changed
    # Another uid: the old one still serves beside it.
    assert service(made).names[1] == ("render=n2/render-0", "render=n3/render-1")
    made.pod_changed(PLACED[1], None)
    assert service(made).names[1] == ("render=n3/render-1",)
    assert service(made).generation == 3


def test_a_heartbeat_changes_nothing() -> None:
    made = picture(pods=PLACED)
    first = made.scene()
    made.node_changed("n1", node("n1"))
    made.pod_changed(PLACED[0], PLACED[0])
    made.lease_changed("n1", lease(holder="n1"))
    made.dag_changed(KEY, dag())
    assert not made.changed
    assert made.scene().substrate is first.substrate


@pytest.mark.parametrize("how", ["cut", "not ready"])
def test_a_dead_node_answers_nothing_although_its_pods_look_ready(how: str) -> None:
    made = picture(pods=PLACED)
    made.scene()
    if how == "cut":
        made.lease_changed("n2", lease())
    else:
        made.node_changed("n2", node("n2", ready=False))
    assert made.changed
    scene = made.scene()
    assert scene.substrate is not None
    assert [each.success for each in scene.substrate.nodes] == [1.0, 1.0, 0.0, 1.0]
    assert scene.services[KEY].generation == 1
    made.lease_changed("n2", None)
    made.node_changed("n2", node("n2"))
    healed = made.scene().substrate
    assert healed is not None
    assert all(each.success == 1.0 for each in healed.nodes)


def test_strangers_load_their_node_and_replicas_do_not_count_twice() -> None:
    made = picture(pods=PLACED)
    assert not made.scene().foreign.any()
    made.pod_changed(None, stranger("n3", "4"))
    foreign = made.scene().foreign
    assert np.flatnonzero(foreign).tolist() == [3]
    assert foreign[3] == pytest.approx(0.7 * 4 / 8)
    made.pod_changed(stranger("n3", "4"), None)
    assert not made.scene().foreign.any()


def test_a_spec_without_sense_is_said() -> None:
    wrong = dag(invocations=[{"from": "decode", "to": "nowhere", "payloadKB": 1}])
    assert "'nowhere' is not a microservice" in service(picture(pods=PLACED, manifest=wrong)).problem
    pairs = [("decode", "render"), ("render", "decode")]
    cycle = [{"from": a, "to": b, "payloadKB": 1} for a, b in pairs]
    assert "cycle" in service(picture(pods=PLACED, manifest=dag(invocations=cycle))).problem


def test_a_changed_spec_is_taken_over_and_a_deleted_dag_is_gone() -> None:
    made = picture(pods=PLACED)
    made.scene()
    made.dag_changed(KEY, dag(generation=2, rate=50.0))
    changed = service(made).dag
    assert changed is not None
    assert changed.demand.rate == 50.0
    made.dag_changed(KEY, None)
    assert made.scene().services == {}
    for each in PLACED:
        made.pod_changed(each, None)
    assert made.scene().services == {}


def controller(*nodes: str) -> Manifest:
    obj = {
        "metadata": {"namespace": "region", "name": "region"},
        "spec": {"nodeSelector": {}},
        "status": {"nodes": list(nodes), "namespaces": [KEY[0]]},
    }
    return msgspec.convert(obj, Manifest)


def test_users_all_over_a_region_are_in_its_most_central_living_cell() -> None:
    manifest = msgspec.structs.replace(dag(), spec={**dag().spec, "ingress": None})
    made = picture(*(f"n{i}" for i in range(9)), pods=PLACED, manifest=manifest)

    def cell() -> str | None:
        found = service(made).dag
        assert found is not None
        return found.ingress.node

    assert cell() is None  # nobody governs the namespace: the city's
    made.controller_changed(("region", "region"), controller("n0", "n1", "n2"))
    assert made.changed
    assert cell() == "n1"
    assert service(made).users == (300.0, 0.0)
    first = service(made)
    assert service(made) is first
    made.node_changed("n1", node("n1", ready=False))
    assert cell() in ("n0", "n2")
    made.controller_changed(("region", "region"), None)
    assert cell() is None


def test_a_new_node_can_be_used() -> None:
    made = picture("n0", "n1", pods=(PLACED[0], pod("render", "n5")))
    assert service(made).placed is None
    made.node_changed("n5", node("n5"))
    placed = service(made).placed
    assert placed is not None
    assert placed.node.tolist() == [1, 2]


def test_a_cluster_without_nodes_serves_nothing() -> None:
    made = Picture()
    made.dag_changed(KEY, dag())
    assert made.scene().services[KEY].problem == "the cluster has no nodes"
