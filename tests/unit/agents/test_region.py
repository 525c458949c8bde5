"""The picture of a region: what events do to it, reservations, foreign load, and the questions it puts."""

import msgspec
import numpy as np
import pytest
from tests.unit.agents.builders import DAG, NAMESPACE, controller, dag, node, pod, region_of

from edgewright.agents.groups import plan_groups
from edgewright.agents.questions import question, world_of
from edgewright.agents.records import DagRecord
from edgewright.agents.region import STALE, Region
from edgewright.core.problem import UNPLACED, World
from edgewright.core.service import CPU, GPU
from edgewright.kube.objects import Manifest, Pod


@pytest.fixture
def region() -> Region:
    return region_of("n1", "n2", nodes=("n1", "n2", "n3"))


def cpu_used(region: Region) -> list[float]:
    world = world_of(region, 0.0)
    assert world is not None
    used: list[float] = world.used[:, CPU].tolist()
    return used


def world(region: Region) -> World:
    found = world_of(region, 0.0)
    assert found is not None
    return found


def record(region: Region) -> DagRecord:
    return region.dags[DAG]


def test_only_granted_nodes_are_seen(region: Region) -> None:
    assert region.terrain.governed == {"n1", "n2"}
    region.grant_changed(controller("n1", "n2", "n3"))
    assert region.terrain.governed == {"n1", "n2", "n3"}
    region.node_changed("n3", None)
    assert region.terrain.governed == {"n1", "n2"}
    assert not region.terrain.exists("n3")


def test_an_edge_controller_that_grants_the_same_changes_nothing(region: Region) -> None:
    region.dirty.clear()
    assert not region.grant_changed(controller("n1", "n2"))
    assert not region.dirty
    assert region.grant_changed(controller("n1", "n2", algorithm="exact"))
    assert region.dirty == {DAG}


def test_another_name_of_a_resource_counts_for_pods_that_are_there(region: Region) -> None:
    body = msgspec.to_builtins(pod("a-0", on="n1"))
    body["spec"]["containers"][0]["resources"]["requests"]["vendor.example/gpu"] = "2"
    gpus = msgspec.convert(body, Pod)
    region.pod_changed(None, gpus, 0.0)
    assert world(region).used[:, GPU].tolist() == [0.0, 0.0]
    region.grant_changed(controller("n1", "n2", resourceNames={"gpu": "vendor.example/gpu"}))
    assert world(region).used[:, GPU].tolist() == [2.0, 0.0]
    assert [replica.request[GPU] for replica in region.replicas(record(region), 0.0)] == [2.0]


def test_pods_of_a_deleted_dag_are_no_obstacle_to_reading_the_map() -> None:
    """As an agent finds them that takes over while a ServiceDAG goes."""
    region = Region((NAMESPACE, "ec"), 0.0)
    region.grant_changed(controller("n1"))
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.topologies_changed(
        [
            {
                "metadata": {"name": "t"},
                "spec": {"origin": {"latitude": -37.8, "longitude": 144.9}, "links": []},
            }
        ]
    )
    assert region.dags[DAG].dag is None


def test_a_shared_node_counts_by_its_fraction(region: Region) -> None:
    region.node_changed("n2", node("n2", tier="core"))
    shared = [{"nodeSelector": {"tier": "core"}, "fraction": 0.25}]
    region.grant_changed(controller("n1", "n2", shared=shared))
    substrate = region.terrain.substrate()
    assert substrate is not None
    assert substrate.capacity[:, CPU].tolist() == [4.0, 1.0]


def test_a_reservation_holds_until_the_watch_shows_the_binding(region: Region) -> None:
    region.pod_changed(None, pod("a-0"), 0.0)
    region.reserve("uid-a-0", "n1")
    assert cpu_used(region) == [0.5, 0.0]
    assert [r.node for r in region.replicas(record(region), 0.0)] == ["n1"]
    region.pod_changed(pod("a-0"), pod("a-0", ready="x"), 0.0)  # an event from before the binding
    assert cpu_used(region) == [0.5, 0.0]
    region.pod_changed(pod("a-0"), pod("a-0", on="n1"), 0.0)
    region.unreserve("uid-a-0")
    assert cpu_used(region) == [0.5, 0.0]


def test_a_reservation_yields_to_what_another_binder_did(region: Region) -> None:
    region.pod_changed(None, pod("a-0"), 0.0)
    region.reserve("uid-a-0", "n1")
    region.pod_changed(pod("a-0"), pod("a-0", on="n2"), 0.0)
    assert cpu_used(region) == [0.0, 0.5]
    region.pod_changed(pod("a-0", on="n2"), None, 0.0)
    assert cpu_used(region) == [0.0, 0.0]


def test_ended_pods_hold_nothing_and_terminating_ones_still_do(region: Region) -> None:
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    ended = pod("a-0", on="n1", phase="Succeeded")
    region.pod_changed(pod("a-0", on="n1"), ended, 0.0)
    assert cpu_used(region) == [0.0, 0.0]
    dying = msgspec.structs.replace(
        pod("b-0", on="n2"),
        metadata=msgspec.structs.replace(pod("b-0").metadata, deletion_timestamp="2026-01-01T00:00:00Z"),
    )
    region.pod_changed(None, dying, 0.0)
    assert cpu_used(region) == [0.0, 0.5]
    assert region.replicas(record(region), 0.0) == []


def test_the_question_leaves_out_the_dag_itself_and_keeps_everyone_else(region: Region) -> None:
    region.dag_changed((NAMESPACE, "other"), dag("other"))
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.pod_changed(None, pod("b-0"), 0.0)
    region.pod_changed(None, pod("a-9", on="n1", dag_name="other"), 0.0)
    replicas = region.replicas(record(region), 0.0)
    group = plan_groups(record(region).dag, replicas, completed=True).groups[0]  # type: ignore[arg-type]
    built = question(region, record(region), group, 0.0)
    assert built is not None
    problem, slots = built
    assert [r.name for r in slots] == ["a-0", "b-0"]
    assert problem.fixed.tolist() == [0, UNPLACED]
    assert problem.world.used[:, CPU].tolist() == [0.5, 0.0]
    assert [placed.dag.name for placed in problem.world.placed] == ["other"]
    assert problem.request is None


def test_requests_that_differ_from_the_spec_are_passed_on(region: Region) -> None:
    region.pod_changed(None, pod("a-0", cpu="700m"), 0.0)
    region.pod_changed(None, pod("b-0"), 0.0)
    built = question(region, record(region), region.replicas(record(region), 0.0), 0.0)
    assert built is not None
    assert built[0].request is not None
    assert built[0].request[:, CPU].tolist() == [0.7, 0.5]


def test_the_cell_of_a_lost_node_serves_nobody(region: Region) -> None:
    region.dirty.clear()
    assert region.close_nodes(frozenset({"n2"}), frozenset({"n2"}))
    substrate = region.terrain.substrate()
    assert substrate is not None
    assert [node.serving for node in substrate.nodes] == [True, False]
    assert [node.schedulable for node in substrate.nodes] == [True, False]
    assert region.dirty, "users moved to other cells: every DAG is looked at again"
    assert not region.close_nodes(frozenset({"n2"}), frozenset({"n2"}))


def test_closed_nodes_and_refusals_are_not_allowed(region: Region) -> None:
    region.pod_changed(None, pod("a-0"), 0.0)
    region.close_nodes(frozenset({"n2"}))
    failed = pod("a-1", on="n1", phase="Failed", reason="OutOfcpu")
    region.pod_changed(None, pod("a-1", on="n1"), 0.0)
    region.pod_changed(pod("a-1", on="n1"), failed, 0.0)
    assert [rejected.count for rejected in region.rejected] == [1]
    for now, expected in ((1.0, [False, False]), (11.0, [True, False])):
        built = question(region, record(region), region.replicas(record(region), now), now)
        assert built is not None
        assert np.asarray(built[0].allowed)[0].tolist() == expected


def test_foreign_load_counts_and_goes_stale(region: Region) -> None:
    spec = {
        "edgeController": {"namespace": NAMESPACE, "name": "ec"},
        "observedAt": "2026-01-01T00:00:00Z",
        "nodes": [{"name": "n1", "requests": {"cpu": 1.5, "pods": 3}}],
    }
    load = msgspec.convert({"metadata": {"name": "ns-ec-0"}, "spec": spec}, Manifest)
    region.load_changed("ns-ec-0", load, 10.0)
    assert cpu_used(region) == [1.5, 0.0]
    assert not region.stale(10.0 + STALE)
    assert region.stale(10.1 + STALE)
    region.load_changed("ns-ec-0", load, 50.0)  # a resend of the same observation proves nothing
    assert region.stale(50.0)
    region.load_changed("ns-ec-0", None, 60.0)
    assert cpu_used(region) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("status", "reason", "completed"),
    [
        ("True", "PlacedByHeuristic", True),
        ("False", "Rebinding", True),
        ("False", "NoFeasiblePlacement", False),
        ("False", "WaitingForPods", False),
    ],
)
def test_a_new_agent_learns_from_the_status_whether_the_gang_was_complete(
    region: Region, status: str, reason: str, completed: bool
) -> None:
    condition = {"type": "Placed", "status": status, "reason": reason}
    region.dag_changed((NAMESPACE, "old"), dag("old", {"conditions": [condition]}))
    assert region.dags[(NAMESPACE, "old")].completed is completed


def test_a_record_goes_when_its_object_and_its_last_pod_are_gone(region: Region) -> None:
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.dag_changed(DAG, None)
    assert DAG in region.dags
    assert cpu_used(region) == [0.5, 0.0]
    region.pod_changed(pod("a-0", on="n1"), None, 0.0)
    assert DAG not in region.dags


def test_a_cyclic_dag_is_not_placed_and_says_why(region: Region) -> None:
    manifest = dag("ring")
    spec = {**manifest.spec, "invocations": [{"from": x, "to": y, "payloadKB": 1} for x, y in ("ab", "ba")]}
    region.dag_changed((NAMESPACE, "ring"), msgspec.structs.replace(manifest, spec=spec))
    ring = region.dags[(NAMESPACE, "ring")]
    assert ring.dag is None
    assert "cycle" in ring.error


def test_a_microservice_without_any_pod_does_not_keep_the_others_from_being_placed(region: Region) -> None:
    """A quota, or a Deployment that is just being made: the question is about the part that is there."""
    region.pod_changed(None, pod("a-0"), 0.0)
    built = question(region, record(region), region.replicas(record(region), 0.0), 0.0)
    assert built is not None
    problem, _ = built
    assert [m.name for m in problem.dag.microservices] == ["a"]
    assert problem.dag.invocations == ()
    assert problem.stage.tolist() == [0]
    again = question(region, record(region), region.replicas(record(region), 0.0), 0.0)
    assert again is not None
    assert again[0].dag is problem.dag
    region.pod_changed(None, pod("b-0"), 0.0)
    whole = question(region, record(region), region.replicas(record(region), 0.0), 0.0)
    assert whole is not None
    assert whole[0].dag is record(region).dag
