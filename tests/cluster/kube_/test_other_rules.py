"""What the API server accepts and refuses of EdgeControllers, EdgeTopologies and NodeLoads."""

from typing import Any

import pytest

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError


def body(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "edgewright.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


SELECTOR = {"edgewright.dev/region": "x"}
LOAD = {"edgeController": {"namespace": "x", "name": "x"}, "observedAt": "2026-01-01T00:00:00Z"}

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no nodes at all": ("EdgeController", {}, "an EdgeController needs nodes"),
    "an empty selector": ("EdgeController", {"nodeSelector": {}}, "an EdgeController needs nodes"),
    "nothing shared": (
        "EdgeController",
        {"shared": [{"fraction": 0.5}]},
        "an entry of shared needs a nodeSelector",
    ),
    "more than all": (
        "EdgeController",
        {"shared": [{"nodeSelector": SELECTOR, "fraction": 1.5}]},
        "less than or equal to 1",
    ),
    "none of it": (
        "EdgeController",
        {"shared": [{"nodeSelector": SELECTOR, "fraction": 0}]},
        "greater than or equal to 0.001",
    ),
    "unknown algorithm": (
        "EdgeController",
        {"nodeSelector": SELECTOR, "algorithm": "magic"},
        "Unsupported value",
    ),
    "namespace twice": (
        "EdgeController",
        {"nodeSelector": SELECTOR, "namespaces": ["a", "a"]},
        "Duplicate value",
    ),
    "a resource name with a space": (
        "EdgeController",
        {"nodeSelector": SELECTOR, "resourceNames": {"gpu": "nvidia com/gpu"}},
        "should match",
    ),
    "a link to itself": (
        "EdgeTopology",
        {"links": [{"source": "a", "target": "a", "bandwidthMbps": 1}]},
        "joins a vertex to itself; remove it",
    ),
    "a link without bandwidth": (
        "EdgeTopology",
        {"links": [{"source": "a", "target": "b", "bandwidthMbps": 0}]},
        "greater than or equal to 0.001",
    ),
    "negative load": (
        "NodeLoad",
        {**LOAD, "nodes": [{"name": "n", "requests": {"cpu": -1}}]},
        "greater than or equal",
    ),
    "201 nodes": (
        "NodeLoad",
        {**LOAD, "nodes": [{"name": f"n{i}"} for i in range(201)]},
        "at most 200 items",
    ),
}

ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "a region": ("EdgeController", {"nodeSelector": SELECTOR}),
    "shared nodes and links": (
        "EdgeController",
        {
            "nodeSelector": SELECTOR,
            "namespaces": ["a", "b"],
            "shared": [
                {"nodeSelector": {"edgewright.dev/tier": "core"}, "fraction": 0.5},
                {"links": [{"source": "a", "target": "b"}], "fraction": 0.25},
            ],
            "resourceNames": {"gpu": "nvidia.com/gpu"},
        },
    ),
    "links with an origin": (
        "EdgeTopology",
        {
            "origin": {"latitude": -37.8, "longitude": 144.9},
            "links": [
                {"source": "a", "target": "b", "bandwidthMbps": 1000, "delayMs": 0.2, "class": "fibre"}
            ],
        },
    ),
    "a load": (
        "NodeLoad",
        {**LOAD, "nodes": [{"name": "n", "requests": {"cpu": 1.5, "memory": 1e9, "pods": 2}}]},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nonsense_is_refused_with_a_way_to_mend_it(api: Api, case: str) -> None:
    kind, spec, message = REFUSED[case]
    with pytest.raises(ApiError) as caught:
        await api.create(paths.of_object(kind, "default", None), body(kind, spec), dryRun="All")
    assert caught.value.status == 422
    assert message in caught.value.message


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_makes_sense_is_accepted(api: Api, case: str) -> None:
    kind, spec = ACCEPTED[case]
    path = paths.of_object(kind, "default", None)
    made = await api.create(path, body(kind, spec), dryRun="All", fieldValidation="Strict")
    if kind == "EdgeController":
        assert made["spec"]["algorithm"] == "auto"
