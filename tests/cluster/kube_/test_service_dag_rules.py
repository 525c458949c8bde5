"""What the API server accepts and refuses of ServiceDAGs, each refusal with its message."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from edgewright.kube import manifests, paths
from edgewright.kube.api import Api, ApiError

Edit = Callable[[dict[str, Any]], None]


def dag() -> dict[str, Any]:
    """A valid pipeline of two microservices."""
    return copy.deepcopy(
        {
            "apiVersion": "edgewright.dev/v1alpha1",
            "kind": "ServiceDAG",
            "metadata": {"name": "shop"},
            "spec": {
                "demand": {"requestsPerSecond": 10, "payloadKB": 100},
                "microservices": [microservice("front"), microservice("store")],
                "invocations": [{"from": "front", "to": "store", "payloadKB": 50}],
            },
        }
    )


def microservice(name: str, **extra: Any) -> dict[str, Any]:
    resources = {"cpu": "500m", "memory": "128Mi"}
    return {"name": name, "image": "shop:1", "resources": resources, "workMInstructions": 5, **extra}


def put(path: str, value: Any) -> Edit:
    """Sets a field named by a dotted path; numbers are list indices."""

    def edit(body: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = body
        for part in parents:
            place = place.setdefault(part, {}) if isinstance(part, str) else place[part]
        place[last] = value

    return edit


def more(path: str, *values: Any) -> Edit:
    """Appends to a list."""

    def edit(body: dict[str, Any]) -> None:
        place: Any = body
        for part in path.split("."):
            place = place.setdefault(part, []) if part == path.rsplit(".", 1)[-1] else place[part]
        place.extend(values)

    return edit


FIRST = "spec.microservices.0"
RESOURCES = f"{FIRST}.resources"
TEMPLATE = f"{FIRST}.template"
EDGE = "spec.invocations.0"

REFUSED: dict[str, tuple[Edit, str]] = {
    "long name": (put("metadata.name", "a" * 41), "at most 40 characters that begins with a letter"),
    "name with a dot": (put("metadata.name", "a.b"), "at most 40 characters that begins with a letter"),
    "name with a leading digit": (
        put("metadata.name", "1a"),
        "at most 40 characters that begins with a letter",
    ),
    "no microservice": (put("spec.microservices", []), "should have at least 1 items"),
    "no demand": (put("spec.demand", {}), "requestsPerSecond: Required value"),
    "65 microservices": (
        more("spec.microservices", *(microservice(f"m{i}") for i in range(63))),
        "must have at most 64 items",
    ),
    "257 invocations": (
        more("spec.invocations", *({"from": f"a{i}", "to": "b", "payloadKB": 1} for i in range(256))),
        "must have at most 256 items",
    ),
    "microservice name in capitals": (put(f"{FIRST}.name", "Front"), "should match"),
    "long microservice name": (put(f"{FIRST}.name", "f" * 41), "may not be more than 40"),
    "repeated name": (more("spec.microservices", microservice("front")), "Duplicate value"),
    "self-loop": (
        more("spec.invocations", {"from": "store", "to": "store", "payloadKB": 1}),
        "to itself; remove it",
    ),
    "two-cycle": (
        more("spec.invocations", {"from": "store", "to": "front", "payloadKB": 1}),
        "a DAG has no cycles",
    ),
    "repeated edge": (
        more("spec.invocations", {"from": "front", "to": "store", "payloadKB": 9}),
        "Duplicate value",
    ),
    "unknown caller": (put(f"{EDGE}.from", "nobody"), "comes from a microservice that does not exist"),
    "unknown target": (put(f"{EDGE}.to", "nobody"), "leads to a microservice that does not exist"),
    "min above max": (put(f"{FIRST}.replicas", {"min": 3, "max": 2}), "lower min or raise max"),
    "no replica": (put(f"{FIRST}.replicas", {"min": 0}), "greater than or equal to 1"),
    "21 replicas": (put(f"{FIRST}.replicas", {"max": 21}), "less than or equal to 20"),
    "zero cpu": (put(f"{RESOURCES}.cpu", 0), "cpu must be a quantity between 1m and 512"),
    "zero cpu as text": (put(f"{RESOURCES}.cpu", "0"), "cpu must be a quantity between 1m and 512"),
    "absurd cpu": (put(f"{RESOURCES}.cpu", "10000"), "cpu must be a quantity between 1m and 512"),
    "negative cpu": (put(f"{RESOURCES}.cpu", "-1"), "should match"),
    "cpu in words": (put(f"{RESOURCES}.cpu", "much"), "should match"),
    "half a byte": (put(f"{RESOURCES}.memory", "512m"), "512m would be half a byte"),
    "absurd memory": (put(f"{RESOURCES}.memory", "1Ei"), "memory must be a quantity between 1Mi and 8Ti"),
    "limit below request": (put(f"{RESOURCES}.limits", {"cpu": "100m"}), "limits.cpu is below the request"),
    "zero work": (put(f"{FIRST}.workMInstructions", 0), "greater than or equal to 0.001"),
    "absurd work": (put(f"{FIRST}.workMInstructions", 1e9), "less than or equal to 1e+06"),
    "zero rate": (put("spec.demand.requestsPerSecond", 0), "greater than or equal to 0.001"),
    "negative payload": (put(f"{EDGE}.payloadKB", -1), "greater than or equal to 0"),
    "zero latency": (put("spec.qos", {"maxLatencyMs": 0}), "greater than or equal to 0.01"),
    "probability above one": (put("spec.qos", {"minSuccessProbability": 1.5}), "less than or equal to 1"),
    "required without a bound": (put("spec.qos", {"required": True}), "no bound is given; add maxLatencyMs"),
    "too little bandwidth": (put(f"{EDGE}.minBandwidthMbps", 4.7), "below 1.2 times the offered rate"),
    "calls in a pipeline": (put(f"{EDGE}.calls", 2), "belong to flow requestResponse"),
    "unknown tier": (
        put(f"{FIRST}.placement", {"tiers": ["egde"]}),
        'supported values: "core", "controller", "edge"',
    ),
    "unknown algorithm": (put("spec.placementPolicy", {"algorithm": "mappo"}), "Unsupported value"),
    "unknown class": (put("spec.serviceClass", "vr"), "Unsupported value"),
    "half a location": (put("spec.ingress", {"location": {"x": 1}}), "a location needs x and y (metres)"),
    "two locations": (
        put("spec.ingress", {"location": {"x": 1, "y": 1, "latitude": 1, "longitude": 1}}),
        "a location needs x and y (metres)",
    ),
    "location and node": (
        put("spec.ingress", {"location": {"x": 1, "y": 1}, "node": "n"}),
        "exactly one of location and node",
    ),
    "latitude out of range": (
        put("spec.ingress", {"location": {"latitude": 91, "longitude": 1}}),
        "less than or equal to 90",
    ),
    "the same service name twice": (
        put(
            "spec.microservices", [microservice(name, service={"name": "db"}) for name in ("front", "store")]
        ),
        "the same service.name",
    ),
    "more replicas than one DAG may have": (
        put("spec.microservices", [microservice(f"m{i}", replicas={"max": 20}) for i in range(26)]),
        "more than 512 replicas together",
    ),
    "a probe of two kinds": (
        put(f"{TEMPLATE}.livenessProbe", {"tcpSocket": {"port": 1}, "grpc": {"port": 1}}),
        "a probe needs exactly one of",
    ),
    "a mount of nothing": (
        put(f"{TEMPLATE}.volumeMounts", [{"name": "data", "mountPath": "/data"}]),
        "names a volume that volumes does not define",
    ),
    "a volume of nothing": (put(f"{TEMPLATE}.volumes", [{"name": "data"}]), "a volume needs exactly one of"),
    "env with value and source": (
        put(f"{TEMPLATE}.env", [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        "value or valueFrom, not both",
    ),
    "root": (put(f"{TEMPLATE}.securityContext", {"runAsUser": 0}), "greater than or equal to 1"),
    "templates that are too long": (
        put(
            "spec.microservices",
            [
                microservice(
                    f"m{i}", template={"env": [{"name": f"E{j}", "value": "x" * 2000} for j in range(8)]}
                )
                for i in range(8)
            ],
        ),
        "move long values into ConfigMaps",
    ),
}

UNKNOWN_FIELDS = [
    f"{TEMPLATE}.hostNetwork",
    f"{TEMPLATE}.securityContext.privileged",
    f"{FIRST}.nodeName",
    "spec.planner",
]


def spec(**fields: Any) -> Edit:
    """Replaces fields of the spec."""
    return lambda body: body["spec"].update(fields)


def longest_names(body: dict[str, Any]) -> None:
    body["metadata"]["name"] = "a" * 40
    body["spec"].update(microservices=[microservice("b" * 40)], invocations=[])


def edge(source: str, target: str, **extra: Any) -> dict[str, Any]:
    return {"from": source, "to": target, "payloadKB": 1, **extra}


ACCEPTED: dict[str, Edit] = {
    "as it is": spec(),
    "one microservice": spec(microservices=[microservice("one")], invocations=[]),
    "longest names": longest_names,
    "whole cpu numbers": put(f"{RESOURCES}.cpu", 2),
    "enough bandwidth": put(f"{EDGE}.minBandwidthMbps", 4.8),
    "a three-cycle, which the operator refuses": spec(
        microservices=[microservice(name) for name in "abc"],
        invocations=[edge("a", "b"), edge("b", "c"), edge("c", "a")],
    ),
    "degrees": put("spec.ingress", {"location": {"latitude": -37.8, "longitude": 144.9}}),
    "an unquoted y": put("spec.ingress", {"location": {"x": 1, "true": 2}}),
    "calls of a requestResponse": spec(
        flow="requestResponse",
        invocations=[edge("front", "store", calls=0.5, responseKB=3, order="sequential")],
    ),
    "a full template": put(
        TEMPLATE,
        {
            "command": ["run"],
            "args": ["--port", "1"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
            "livenessProbe": {"exec": {"command": ["true"]}},
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            "imagePullSecrets": [{"name": "pull"}],
            "securityContext": {"runAsUser": 1000, "readOnlyRootFilesystem": True},
            "terminationGracePeriodSeconds": 5,
        },
    ),
}

SAMPLES = ["xr-content-delivery", "digital-twin-sync", "holographic-communication", "online-boutique"]


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_with_a_way_to_mend_it(api: Api, case: str) -> None:
    edit, message = REFUSED[case]
    body = dag()
    edit(body)
    with pytest.raises(ApiError) as caught:
        await api.create(paths.service_dags("default"), body, dryRun="All")
    assert caught.value.status == 422
    assert message in caught.value.message


@pytest.mark.parametrize("path", UNKNOWN_FIELDS)
async def test_what_a_microservice_may_not_set_does_not_exist(api: Api, path: str) -> None:
    body = dag()
    put(path, True)(body)
    with pytest.raises(ApiError, match="unknown field"):
        await api.create(paths.service_dags("default"), body, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_makes_sense_is_accepted(api: Api, case: str) -> None:
    body = dag()
    ACCEPTED[case](body)
    await api.create(paths.service_dags("default"), body, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("name", SAMPLES)
async def test_samples_are_accepted(api: Api, name: str) -> None:
    body = yaml.safe_load((manifests.folder() / "samples" / f"{name}.yaml").read_text())
    await api.create(paths.service_dags("default"), body, dryRun="All", fieldValidation="Strict")


async def test_defaults_are_written_out(api: Api) -> None:
    made = await api.create(paths.service_dags("default"), dag(), dryRun="All")
    spec = made["spec"]
    assert spec["flow"] == "pipeline"
    assert spec["qos"] == {"percentile": 95, "required": False}
    assert spec["microservices"][0]["replicas"] == {"min": 1}
    assert spec["placementPolicy"]["onNodeLoss"] == "safe"
    assert spec["invocations"][0]["trafficDistribution"] == "even"
