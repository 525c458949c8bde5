"""The largest ServiceDAG that the rules let pass, with the largest status that our writers write."""

import json
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api

LIMIT = 512 * 1024
NODE = "edge-" + "n" * 58
"""A node name as long as a host name may be."""


def name(prefix: str, i: int) -> str:
    return f"{prefix}{i:03d}".ljust(40, "x")


def largest() -> dict[str, Any]:
    """64 microservices and 256 invocations with long names, 8 replicas each, and long templates."""
    env = [{"name": f"VARIABLE_{j}", "value": "v" * 54} for j in range(6)]
    probe = {"httpGet": {"path": "/" + "p" * 40, "port": 8080}, "periodSeconds": 5}
    microservices = [
        {
            "name": name("m", i),
            "image": "i" * 200,
            "resources": {"cpu": "1500m", "memory": "512Mi", "limits": {"cpu": "3000m"}},
            "workMInstructions": 12.345,
            "replicas": {"min": 8, "max": 8},
            "placement": {"tiers": ["edge", "controller", "core"], "spread": "node"},
            "template": {"env": env, "ports": [{"containerPort": 8080}], "readinessProbe": probe},
        }
        for i in range(64)
    ]
    pairs = [(i, j) for i in range(64) for j in range(i + 1, 64)][:256]
    invocations = [
        {
            "from": name("m", i),
            "to": name("m", j),
            "payloadKB": 12.345,
            "minBandwidthMbps": 123.456,
            "maxLatencyMs": 12.345,
        }
        for i, j in pairs
    ]
    return {
        "apiVersion": "edgewright.dev/v1alpha1",
        "kind": "ServiceDAG",
        "metadata": {"name": "a" * 40},
        "spec": {
            "demand": {"requestsPerSecond": 10, "payloadKB": 100},
            "qos": {"maxLatencyMs": 50, "required": True},
            "microservices": microservices,
            "invocations": invocations,
        },
    }


def agent_status() -> dict[str, Any]:
    """Everything that an agent reports: 512 replicas, 64 reasons, 256 routes."""
    spec = largest()["spec"]
    return {
        "placements": [
            {"microservice": m["name"], "replica": r, "node": NODE, "since": "2026-01-01T00:00:00Z"}
            for m in spec["microservices"]
            for r in range(8)
        ],
        "unplaced": [
            {
                "constraint": "invocation-latency",
                "microservice": m["name"],
                "where": "w" * 60,
                "nodes": 100,
                "needed": 1.5,
                "available": 0.25,
                "unit": "cores",
                "message": "x" * 200,
            }
            for m in spec["microservices"]
        ],
        "routes": [
            {"from": i["from"], "to": i["to"], "pairs": [{"source": NODE, "target": NODE, "fraction": 0.125}]}
            for i in spec["invocations"]
        ],
        "predicted": {"latencyMs": 12.345, "p95Ms": 23.456, "jitterMs": 3.4, "successProbability": 0.999},
        "summary": {"placed": "512/512", "latency": "23.5/50 ms"},
    }


def operator_status() -> dict[str, Any]:
    """Everything that the operator reports."""
    return {
        "observedGeneration": 1,
        "desired": [{"microservice": name("m", i), "replicas": 8} for i in range(64)],
        "conditions": [
            {
                "type": kind,
                "status": "False",
                "reason": "NoFeasiblePlacement",
                "message": "m" * 1024,
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Ready", "Accepted", "Planned", "Placed", "QoSMet", "Degraded")
        ],
    }


async def test_the_largest_object_fits_in_512_kib(api: Api, namespace: str) -> None:
    body = largest()
    path = paths.service_dags(namespace, body["metadata"]["name"])
    made = await api.apply(path, body, manager="kubectl")
    assert len(made["spec"]["microservices"]) == 64
    assert len(made["spec"]["invocations"]) == 256
    head = {name: body[name] for name in ("apiVersion", "kind", "metadata")}
    await api.apply(f"{path}/status", {**head, "status": operator_status()}, manager="edgewright-operator")
    await api.apply(f"{path}/status", {**head, "status": agent_status()}, manager="edgewright-agent")
    stored = json.dumps(await api.get(path), separators=(",", ":"))
    assert len(stored) < LIMIT, f"{len(stored) / 1024:.0f} KiB"
