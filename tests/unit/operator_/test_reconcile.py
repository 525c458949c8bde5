"""Every state of the world and the actions that follow from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator_.verdicts import NOW, PLACED, desired, status_of, verdict, writes

from edgewright.kube.conditions import Reason
from edgewright.kube.objects import Manifest
from edgewright.operator.actions import (
    Announce,
    Apply,
    Create,
    Requeue,
)
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Failure, Observed, Rejection, Replica, Stranger
from edgewright.operator.reconcile import CONFLICT_INTERVAL, REMOVAL_INTERVAL, reconcile

MakeDag = Callable[..., Dag]
MakeCompiled = Callable[..., tuple[Compiled, ...]]
Stored = Callable[..., Manifest]


def test_a_new_service_dag_creates_deployments_first(make_dag: MakeDag) -> None:
    actions = reconcile(Observed(), desired(make_dag("a", "b")), NOW)
    assert writes(actions) == [
        f"Create {kind} dag-{name}"
        for kind in ("Deployment", "Service", "PodDisruptionBudget")
        for name in "ab"
    ]
    assert verdict(actions, "Accepted") == ("True", "Valid")
    assert verdict(actions, "Ready") == ("False", "WaitingForAgent")
    assert status_of(actions)["desired"] == [{"microservice": m, "replicas": 1} for m in "ab"]


def test_nothing_is_written_when_all_is_well(make_dag: MakeDag, running: Callable[..., Observed]) -> None:
    dag = make_dag("a", "b", status={"conditions": [PLACED]})
    first = reconcile(running(dag), desired(dag), NOW)
    assert writes(first) == []
    assert verdict(first, "Ready") == ("True", "Available")
    settled = replace(
        dag, status={**status_of(first), "conditions": [*status_of(first)["conditions"], PLACED]}
    )
    assert reconcile(running(dag), desired(settled), NOW) == []


def test_a_new_image_is_applied_to_its_deployment_only(
    make_dag: MakeDag, running: Callable[..., Observed]
) -> None:
    before = running(make_dag("a", "b"))
    edited = make_dag("a", {"b": {"image": "registry.example/app:2"}}, generation=2)
    assert writes(reconcile(before, desired(edited), NOW)) == ["Apply Deployment dag-b"]


def test_replicas_changed_by_hand_are_put_back(
    make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
) -> None:
    dag = make_dag("a")
    objects = {
        i.key: stored(i, spec={"replicas": 7} if i.kind == "Deployment" else {}) for i in make_compiled(dag)
    }
    assert writes(reconcile(Observed(objects), desired(dag), NOW)) == ["Apply Deployment dag-a"]


def test_a_removed_port_is_noticed_although_the_rest_still_matches(
    make_dag: MakeDag, running: Callable[..., Observed]
) -> None:
    env = {"a": {"template": {"ports": [{"containerPort": 80}], "env": [{"name": "X", "value": "1"}]}}}
    bare = {"a": {"template": {"ports": [{"containerPort": 80}]}}}
    before = running(make_dag(env))
    assert writes(reconcile(before, desired(make_dag(bare)), NOW)) == ["Apply Deployment dag-a"]


def test_an_object_deleted_by_hand_is_created_again(
    make_dag: MakeDag, running: Callable[..., Observed]
) -> None:
    dag = make_dag("a")
    observed = running(dag)
    objects = {key: item for key, item in observed.objects.items() if key[0] != "Deployment"}
    assert writes(reconcile(Observed(objects), desired(dag), NOW)) == ["Create Deployment dag-a"]


def test_an_object_that_is_being_deleted_is_waited_for(
    make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
) -> None:
    dag = make_dag("a")
    going = {"deletionTimestamp": "2026-11-21T08:00:00Z"}
    objects = {i.key: stored(i, metadata=going if i.kind == "Service" else {}) for i in make_compiled(dag)}
    assert writes(reconcile(Observed(objects), desired(dag), NOW)) == []


class TestRemoval:
    """Microservices that the spec no longer names."""

    def test_goes_once_the_rest_holds(self, make_dag: MakeDag, running: Callable[..., Observed]) -> None:
        before = running(make_dag("a", "b"))
        assert writes(reconcile(before, desired(make_dag("a")), NOW)) == [
            "Delete Deployment dag-b",
            "Delete Service dag-b",
            "Delete PodDisruptionBudget dag-b",
        ]

    def test_stays_while_its_successor_is_not_ready(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, running: Callable[..., Observed], stored: Stored
    ) -> None:
        after = make_dag("a", "c")
        objects = {**running(make_dag("a", "b")).objects}
        assert writes(reconcile(Observed(objects), desired(after), NOW)) == [
            f"Create {kind} dag-c" for kind in ("Deployment", "Service", "PodDisruptionBudget")
        ]
        # Without an event: the last object may be created after the Deployment is Ready.
        assert Requeue(REMOVAL_INTERVAL) in reconcile(Observed(objects), desired(after), NOW)
        objects |= {i.key: stored(i, ready=0) for i in make_compiled(after) if i.microservice == "c"}
        assert writes(reconcile(Observed(objects), desired(after), NOW)) == []
        objects |= {i.key: stored(i) for i in make_compiled(after) if i.microservice == "c"}
        assert len(writes(reconcile(Observed(objects), desired(after), NOW))) == 3

    def test_goes_at_once_if_nothing_of_it_is_ready(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        objects = {i.key: stored(i, ready=0) for i in make_compiled(make_dag("a", "b"))}
        said = writes(reconcile(Observed(objects), desired(make_dag("a")), NOW))
        assert said == [f"Delete {kind} dag-b" for kind in ("Deployment", "Service", "PodDisruptionBudget")]

    def test_keeps_a_renamed_service_until_the_new_one_is_there(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, running: Callable[..., Observed], stored: Stored
    ) -> None:
        renamed = make_dag({"a": {"service": {"name": "frontend"}}})
        before = running(make_dag("a"))
        assert writes(reconcile(before, desired(renamed), NOW)) == ["Create Service frontend"]
        [new] = [i for i in make_compiled(renamed) if i.kind == "Service"]
        objects = {**before.objects, new.key: stored(new)}
        assert writes(reconcile(Observed(objects), desired(renamed), NOW)) == ["Delete Service dag-a"]


class TestNames:
    """Objects of others under our names."""

    def test_a_stranger_s_service_is_left_alone_and_reported(
        self, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        dag = make_dag("a")
        objects = {key: item for key, item in running(dag).objects.items() if key[0] != "Service"}
        strangers = {("Service", "dag-a"): Stranger("someone else", "other", NOW.monotonic)}
        actions = reconcile(Observed(objects, strangers), desired(dag), NOW)
        assert writes(actions) == []
        assert verdict(actions, "Accepted") == ("False", "NameConflict")
        assert verdict(actions, "Ready") == ("False", "NameConflict")
        assert Requeue(CONFLICT_INTERVAL) in actions

    def test_the_name_is_tried_again_later(self, make_dag: MakeDag, running: Callable[..., Observed]) -> None:
        dag = make_dag("a")
        objects = {key: item for key, item in running(dag).objects.items() if key[0] != "Service"}
        strangers = {
            ("Service", "dag-a"): Stranger("someone else", "other", NOW.monotonic - CONFLICT_INTERVAL)
        }
        assert writes(reconcile(Observed(objects, strangers), desired(dag), NOW)) == ["Create Service dag-a"]

    def test_a_name_of_another_service_dag_is_avoided(self, make_dag: MakeDag) -> None:
        dag = make_dag("a")
        strangers = {("Deployment", "dag-a"): Stranger("ServiceDAG dag2", "dag", NOW.monotonic)}
        actions = reconcile(Observed({}, strangers), desired(dag), NOW)
        created = writes(actions)[0]
        assert created.startswith("Create Deployment dag-a-")
        assert verdict(actions, "Accepted") == ("True", "Valid")

    def test_a_suffixed_object_keeps_its_name_when_the_plain_one_is_free_again(
        self, make_dag: MakeDag, running: Callable[..., Observed], stored: Stored
    ) -> None:
        dag = make_dag("a")
        strangers = {("Deployment", "dag-a"): Stranger("ServiceDAG dag2", "dag", NOW.monotonic)}
        create = next(
            a for a in reconcile(Observed({}, strangers), desired(dag), NOW) if isinstance(a, Create)
        )
        objects = {key: item for key, item in running(dag).objects.items() if key[0] != "Deployment"}
        objects[create.object.key] = stored(create.object)
        assert writes(reconcile(Observed(objects), desired(dag), NOW)) == []

    def test_an_earlier_incarnation_s_objects_are_waited_for(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        dag = make_dag("a")
        objects = {item.key: stored(item, owner="dag-0") for item in make_compiled(dag)}
        actions = reconcile(Observed(objects), desired(dag), NOW)
        assert writes(actions) == []
        assert verdict(actions, "Accepted") == ("True", "Valid")


class TestLeftAlone:
    """Specs that are not acted on."""

    @pytest.mark.parametrize("reason", [Reason.CYCLIC_GRAPH, Reason.NO_EDGE_CONTROLLER, Reason.UNKNOWN_TIER])
    def test_a_rejected_spec_creates_nothing_and_touches_nothing(
        self, reason: Reason, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        dag = make_dag("b", generation=2, status={"desired": [{"microservice": "a", "replicas": 2}]})
        refused = desired(dag, counts={}, rejection=Rejection(reason, "because"))
        for observed in (Observed(), running(make_dag("a"))):
            actions = reconcile(observed, refused, NOW)
            assert writes(actions) == []
            assert verdict(actions, "Accepted") == ("False", reason)
            assert status_of(actions)["phase"] == "Rejected"
            assert status_of(actions)["desired"] == [{"microservice": "a", "replicas": 2}]

    def test_a_dry_run_creates_nothing_and_keeps_what_runs(
        self, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        dag = make_dag("a", "b", placementPolicy={"dryRun": True})
        for observed in (Observed(), running(make_dag("a"))):
            actions = reconcile(observed, desired(dag), NOW)
            assert writes(actions) == []
            assert verdict(actions, "Ready") == ("False", "DryRun")
            assert len(status_of(actions)["desired"]) == 2

    def test_a_deleted_service_dag_needs_nothing(
        self, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        dag = make_dag("a")
        assert reconcile(running(dag), desired(replace(dag, deleted=True)), NOW) == []


class TestScaling:
    """Replica counts, downwards and by others."""

    def test_replicas_on_unsound_nodes_are_marked_before_a_scale_down(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        dag = make_dag({"a": {"replicas": {"min": 1, "max": 3}}})
        objects = {item.key: stored(item) for item in make_compiled(dag, {"a": 3})}
        replicas = (Replica("p1", "u1", "a", sound=True), Replica("p2", "u2", "a", sound=False))
        actions = reconcile(Observed(objects, replicas=replicas), desired(dag), NOW)
        assert writes(actions) == ["SetDeletionCost p2", "Apply Deployment dag-a"]

    def test_an_autoscaler_keeps_its_replicas(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        status = {"conditions": [PLACED]}
        dag = make_dag({"a": {"replicas": {"min": 1, "max": 3}}}, status=status)
        objects = {item.key: stored(item) for item in make_compiled(dag, {"a": 3})}
        actions = reconcile(Observed(objects, scaled=frozenset({"dag-a"})), desired(dag), NOW)
        assert writes(actions) == []
        assert verdict(actions, "Degraded") == ("False", "ExternallyScaled")
        edited = make_dag({"a": {"image": "x:2", "replicas": {"min": 1, "max": 3}}})
        [apply] = [
            action
            for action in reconcile(Observed(objects, scaled=frozenset({"dag-a"})), desired(edited), NOW)
            if isinstance(action, Apply)
        ]
        assert apply.scaled


class TestTrouble:
    """What the status says when things go wrong."""

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ('pods "x" is forbidden: exceeded quota: small, requested: cpu=1', "QuotaExceeded"),
            ('pods "x" is forbidden: maximum cpu usage per Container is 100m', "PodRejected"),
        ],
    )
    def test_refused_pods_are_explained_in_the_api_server_s_words(
        self, message: str, reason: str, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        dag = make_dag("a")
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
        objects = {
            i.key: stored(i, ready=0, status={"conditions": [failure], "readyReplicas": 0})
            for i in make_compiled(dag)
        }
        actions = reconcile(Observed(objects), desired(dag), NOW)
        assert verdict(actions, "Degraded") == ("True", reason)
        assert verdict(actions, "Ready") == ("False", reason)
        assert message in status_of(actions)["message"]

    def test_a_refused_object_is_named(self, make_dag: MakeDag) -> None:
        dag = make_dag("a")
        failures = {("Deployment", "dag-a"): Failure(Reason.OBJECT_REFUSED, "no right to create it")}
        actions = reconcile(Observed(failures=failures), desired(dag), NOW)
        assert verdict(actions, "Accepted") == ("False", "ObjectRefused")
        assert "no right to create it" in status_of(actions)["message"]
        assert "Create Deployment dag-a" in writes(actions)

    @pytest.mark.parametrize("reason", ["NodeLost", "Rebinding", "NoSurgeCapacity", "KubeletRejected"])
    def test_the_agent_s_trouble_degrades(
        self, reason: str, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        placed = {**PLACED, "reason": reason, "message": "see"}
        dag = make_dag("a", status={"conditions": [placed]})
        actions = reconcile(running(dag), desired(dag), NOW)
        assert verdict(actions, "Degraded") == ("True", reason)
        assert verdict(actions, "Ready") == ("True", "Available")
        assert status_of(actions)["phase"] == "Degraded"
        assert any(isinstance(action, Announce) and action.warning for action in actions)

    def test_an_unplaceable_service_dag_says_so(
        self, make_dag: MakeDag, make_compiled: MakeCompiled, stored: Stored
    ) -> None:
        placed = {
            **PLACED,
            "status": "False",
            "reason": "NoFeasiblePlacement",
            "message": "cpu on edge nodes",
        }
        dag = make_dag("a", status={"conditions": [placed]})
        objects = {i.key: stored(i, ready=0) for i in make_compiled(dag)}
        actions = reconcile(Observed(objects), desired(dag), NOW)
        assert verdict(actions, "Ready") == ("False", "NoFeasiblePlacement")
        assert status_of(actions)["phase"] == "Pending"
        assert status_of(actions)["message"] == "cpu on edge nodes"

    def test_a_missing_agent_does_not_make_a_running_service_unready(
        self, make_dag: MakeDag, running: Callable[..., Observed]
    ) -> None:
        dag = make_dag("a", status={"conditions": [PLACED]})
        actions = reconcile(running(dag), desired(dag, agent=False), NOW)
        assert verdict(actions, "Ready") == ("True", "Available")
        assert verdict(actions, "Degraded") == ("True", "WaitingForAgent")


class TestQuality:
    """QoSMet, from the agent's prediction."""

    @pytest.mark.parametrize(
        ("predicted", "expected", "ready"),
        [
            (None, ("Unknown", "NotPlaced"), "False"),
            ({"latencyMs": 9, "p95Ms": 19.0}, ("True", "WithinLimits"), "True"),
            ({"latencyMs": 9, "p95Ms": 21.0}, ("False", "LimitExceeded"), "False"),
        ],
    )
    def test_it_compares_the_percentile_with_the_limit(
        self,
        predicted: Any,
        expected: tuple[str, str],
        ready: str,
        make_dag: MakeDag,
        running: Callable[..., Observed],
    ) -> None:
        dag = make_dag(
            "a",
            qos={"maxLatencyMs": 20, "percentile": 99, "required": True},
            status={"conditions": [PLACED], "predicted": predicted},
        )
        actions = reconcile(running(dag), desired(dag), NOW)
        assert verdict(actions, "QoSMet") == expected
        assert verdict(actions, "Ready")[0] == ready

    def test_without_limits_it_holds(self, make_dag: MakeDag) -> None:
        assert verdict(reconcile(Observed(), desired(make_dag("a")), NOW), "QoSMet") == ("True", "NoLimits")
