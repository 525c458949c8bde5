"""The doctor's comparisons: CRDs, manifests that drifted, rights, versions."""

import copy
from typing import Any

import pytest

from edgewright.cli.checks.installation import age_of, drift, minor_of, moved, newest_tested, rules
from edgewright.cli.version import fitting
from edgewright.kube import manifests


def crd() -> dict[str, Any]:
    return next(manifests.objects("crds"))


def schema(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def test_a_crd_is_the_same_older_newer_or_other() -> None:
    wanted, live = crd(), crd()
    assert age_of(wanted, live) == "same"
    removed = schema(live)["properties"]["spec"]["properties"].popitem()
    assert age_of(wanted, live) == "older"
    assert age_of(live, wanted) == "newer"
    schema(live)["properties"]["spec"]["properties"]["brandNew"] = {"type": "string"}
    assert age_of(wanted, live) == "older", "a field that this version needs is missing"
    live = crd()
    schema(live)["properties"]["spec"]["properties"][removed[0]]["description"] = "something else"
    assert age_of(wanted, live) == "other"


def test_what_the_api_server_adds_is_no_drift_and_what_it_lacks_is() -> None:
    wanted = {"rules": [{"resources": ["pods"]}], "failurePolicy": "Fail", "empty": []}
    live = {"rules": [{"resources": ["pods"], "scope": "*"}], "failurePolicy": "Fail", "more": 1}
    assert list(drift(wanted, live, "spec")) == []
    changed = copy.deepcopy(live)
    changed["rules"][0]["resources"].append("secrets")  # type: ignore[index]
    changed["failurePolicy"] = "Ignore"
    assert list(drift(wanted, changed, "spec")) == ["spec.rules[0].resources", "spec.failurePolicy"]


def test_rights_are_compared_one_by_one_however_they_are_written() -> None:
    together = {"rules": [{"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list"]}]}
    apart = {
        "rules": [
            {"apiGroups": [""], "resources": [resource], "verbs": [verb]}
            for resource in ("nodes", "pods")
            for verb in ("list", "get")
        ]
    }
    assert rules(together) == rules(apart)
    assert len(rules(together)) == 4


def test_manifests_follow_the_operator_into_another_namespace() -> None:
    for item in manifests.objects("rbac"):
        there = moved(item, "elsewhere")
        assert "edgewright-system" not in str({**there, "metadata": {**there["metadata"], "name": ""}})
        assert moved(item, "edgewright-system") == item


@pytest.mark.parametrize(
    ("version", "minor"), [("v1.36.1", (1, 36)), ("v1.31.2+k3s1", (1, 31)), ("1.30", (1, 30)), ("dev", None)]
)
def test_versions_are_read_as_distributions_write_them(version: str, minor: tuple[int, int] | None) -> None:
    assert minor_of(version) == minor


def test_the_tested_version_is_the_toolchains() -> None:
    assert newest_tested() >= (1, 36)


@pytest.mark.parametrize(
    ("theirs", "fits"), [("0.1.7", True), ("0.2.0", False), ("1.1.0", False), ("latest", None), ("", None)]
)
def test_images_fit_by_major_and_minor(theirs: str, fits: bool | None) -> None:
    assert fitting("0.1.0", theirs) is fits
