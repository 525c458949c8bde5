"""What the compiled objects promise: safe rollouts, restricted pods, stable bytes, found by name."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edgewright.kube.names import LABEL_DAG, LABEL_MICROSERVICE
from edgewright.operator import naming
from edgewright.operator.compile import Compiled, acceptable_names, compile_dag
from edgewright.operator.dag import Dag
from edgewright.operator.foreign_load import DEFAULT_NAMES

MakeDag = Callable[..., Dag]
MakeCompiled = Callable[..., tuple[Compiled, ...]]


def of_kind(objects: tuple[Compiled, ...], kind: str) -> dict[str, dict[str, Any]]:
    return {item.microservice: item.body for item in objects if item.kind == kind}


def pod_of(objects: tuple[Compiled, ...], microservice: str) -> dict[str, Any]:
    pod: dict[str, Any] = of_kind(objects, "Deployment")[microservice]["spec"]["template"]["spec"]
    return pod


def test_a_deployment_never_gives_up_a_replica_before_its_replacement_is_ready(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    deployment = of_kind(make_compiled(make_dag("a")), "Deployment")["a"]["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["selector"]["matchLabels"] == {LABEL_DAG: "dag", LABEL_MICROSERVICE: "a"}
    assert deployment["template"]["spec"]["schedulerName"] == "edgewright"


def test_every_object_is_controlled_by_the_service_dag_and_names_its_microservice(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    for item in make_compiled(make_dag("a", "b")):
        [owner] = item.body["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == ("dag-1", True)
        assert item.body["metadata"]["labels"][LABEL_MICROSERVICE] == item.microservice
        assert "finalizers" not in item.body["metadata"]


def test_pods_are_restricted_by_default(make_dag: MakeDag, make_compiled: MakeCompiled) -> None:
    pod = pod_of(make_compiled(make_dag("a")), "a")
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert {"key": "edgewright.dev/edge", "operator": "Exists"} in pod["tolerations"]


def test_memory_and_extended_resources_are_limited_to_their_request(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    resources = {"cpu": "1.5", "memory": "1024Mi", "gpu": 1, "radioMbps": 600, "limits": {"cpu": 2}}
    dag = make_dag({"a": {"resources": resources}})
    names = {**DEFAULT_NAMES, "gpu": "nvidia.com/gpu"}
    chosen = {(kind, "a"): "a" for kind in ("Deployment", "Service", "PodDisruptionBudget")}
    pod = pod_of(compile_dag(dag, {"a": 1}, chosen, names), "a")
    fixed = {"memory": "1024Mi", "nvidia.com/gpu": "1", "edgewright.dev/radio-mbps": "600"}
    assert pod["containers"][0]["resources"] == {
        "requests": {"cpu": "1500m", **fixed},
        "limits": {"cpu": "2", **fixed},
    }


def test_a_node_lost_to_the_control_plane_keeps_its_pods_only_if_asked(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    def keys(policy: str) -> set[str]:
        dag = make_dag("a", placementPolicy={"onNodeLoss": policy})
        return {toleration["key"] for toleration in pod_of(make_compiled(dag), "a")["tolerations"]}

    assert keys("safe") == keys("fast") == {"edgewright.dev/edge"}
    assert "node.kubernetes.io/unreachable" in keys("keep")


def test_services_have_the_ports_and_the_name_that_applications_expect(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    service = {"name": "cartservice", "ports": [{"port": 7070, "targetPort": "grpc", "appProtocol": "grpc"}]}
    objects = make_compiled(make_dag({"cart": {"service": service}}, "web", {"batch": {"template": {}}}))
    services = of_kind(objects, "Service")
    assert services["cart"]["metadata"]["name"] == "cartservice"
    assert services["cart"]["spec"]["ports"] == [
        {"name": "tcp-7070", "port": 7070, "targetPort": "grpc", "protocol": "TCP", "appProtocol": "grpc"}
    ]
    assert services["web"]["metadata"]["name"] == "dag-web"
    assert services["web"]["spec"]["ports"][0]["port"] == 8080
    assert services["batch"]["spec"]["clusterIP"] == "None"


def test_callers_choose_the_traffic_distribution_of_their_target(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    invocations = [{"from": "a", "to": "b", "payloadKB": 1, "trafficDistribution": "sameZone"}]
    services = of_kind(make_compiled(make_dag("a", "b", invocations=invocations)), "Service")
    assert services["b"]["spec"]["trafficDistribution"] == "PreferSameZone"
    assert "trafficDistribution" not in services["a"]["spec"]


def test_budgets_let_one_pod_go_at_a_time_and_sick_ones_always(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    budget = of_kind(make_compiled(make_dag("a")), "PodDisruptionBudget")["a"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_template_passes_through_what_it_may_set(make_dag: MakeDag, make_compiled: MakeCompiled) -> None:
    template = {
        "command": ["/app"],
        "env": [
            {"name": "MODE", "value": "edge"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "serviceAccountName": "app",
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsUser": 1000, "readOnlyRootFilesystem": False},
    }
    pod = pod_of(make_compiled(make_dag({"a": {"template": template}})), "a")
    container = pod["containers"][0]
    assert container["command"] == ["/app"]
    assert [entry["name"] for entry in container["env"]] == ["MODE", "IP"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["terminationGracePeriodSeconds"] == 5
    assert pod["automountServiceAccountToken"] is True
    assert pod["volumes"][0]["emptyDir"]["sizeLimit"] == "64Mi"


def test_compiling_again_gives_the_same_bytes_and_replicas_leave_the_template_alone(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    dag = make_dag("a", "b", "c")
    once, again = make_compiled(dag), make_compiled(make_dag("a", "b", "c"))
    assert msgspec.json.encode([i.body for i in once]) == msgspec.json.encode([i.body for i in again])
    more = make_compiled(dag, {"a": 3, "b": 1, "c": 1})
    assert of_kind(more, "Deployment")["a"]["spec"]["replicas"] == 3
    assert [item.digest for item in more] == [item.digest for item in once]


def test_another_microservice_does_not_touch_a_template(
    make_dag: MakeDag, make_compiled: MakeCompiled
) -> None:
    alone, together = make_compiled(make_dag("a")), make_compiled(make_dag("a", "b"))
    assert of_kind(alone, "Deployment")["a"] == of_kind(together, "Deployment")["a"]


LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)


@given(LABELS, LABELS)
def test_names_fit_in_63_characters_and_stay_dns_labels(dag: str, microservice: str) -> None:
    for name in naming.candidates(dag, microservice):
        assert len(name) <= 63
        assert not name.endswith("-")


def test_names_that_would_be_ambiguous_have_distinct_second_choices() -> None:
    first, second = naming.candidates("a-b", "c"), naming.candidates("a", "b-c")
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_a_literal_service_name_is_the_only_one_acceptable(make_dag: MakeDag) -> None:
    dag = make_dag({"a": {"service": {"name": "frontend"}}})
    assert acceptable_names(dag, "Service", dag.spec.microservices[0]) == ("frontend",)
    assert acceptable_names(dag, "Deployment", dag.spec.microservices[0])[0] == "dag-a"
