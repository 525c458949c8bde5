"""What an installation may do, read from what Helm and kubectl would install, and asked of the API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.charts.tools import MANIFESTS, NAMESPACE, Tools, parsed

from edgewright.kube import paths
from edgewright.kube.api import Api

Installed = list[dict[str, Any]]
ELSEWHERE = "metro-ops"
BINDABLE = {"edgewright-agent", "edgewright-agent-home", "edgewright-agent-cluster"}
"""Roles that the operator may give to others, all of them agents'."""


@pytest.fixture(params=["helm", "helm in a namespace of one's own", "kubectl"])
def installed(request: pytest.FixtureRequest, offline: Tools) -> Installed:
    """What an installation consists of."""
    if request.param == "kubectl":
        return parsed(offline.kubectl("kustomize", MANIFESTS))
    namespace = NAMESPACE if request.param == "helm" else ELSEWHERE
    return offline.objects("--set=regions={metro-1}", "--skip-tests", namespace=namespace)


def rules(installed: Installed) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in installed:
        if item["kind"] in {"Role", "ClusterRole"}:
            for rule in item["rules"]:
                yield f"{item['kind']} {item['metadata']['name']}", rule


def test_no_rule_has_a_wildcard_or_reaches_secrets(installed: Installed) -> None:
    assert len(list(rules(installed))) > 20
    for name, rule in rules(installed):
        said = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not [word for word in said if "*" in word], name
        assert "nonResourceURLs" not in rule, name
        assert not {resource.split("/")[0] for resource in rule["resources"]} & {"secrets", "configmaps"}, (
            name
        )
        assert not {"pods/exec", "pods/attach", "pods/ephemeralcontainers", "nodes/proxy"} & set(
            rule["resources"]
        )
        assert "serviceaccounts/token" not in rule["resources"], name


def test_rights_are_given_on_only_by_name(installed: Installed) -> None:
    for name, rule in rules(installed):
        verbs = set(rule["verbs"])
        assert not verbs & {"escalate", "impersonate", "deletecollection", "approve", "sign"}, name
        if "bind" in verbs:
            assert verbs == {"bind"}, name
            assert set(rule["resourceNames"]) <= BINDABLE, name
        if "rbac.authorization.k8s.io" in rule["apiGroups"] and verbs & {"update", "patch", "delete"}:
            assert all(each.startswith("edgewright-agent") for each in rule["resourceNames"]), name
        if "nodes" in rule["resources"] and rule["apiGroups"] == [""]:
            assert verbs <= {"get", "list", "watch"}, name


def test_only_our_own_accounts_get_only_our_own_roles(installed: Installed) -> None:
    own = next(item["metadata"]["namespace"] for item in installed if item["kind"] == "Deployment")
    bindings = [
        item for item in installed if item["kind"].endswith("RoleBinding") or item["kind"] == "RoleBinding"
    ]
    assert len(bindings) >= 5
    for item in bindings:
        assert item["roleRef"]["name"].startswith("edgewright-")
        for subject in item.get("subjects", []):
            assert subject == {"kind": "ServiceAccount", "name": "edgewright-operator", "namespace": own}


def test_the_right_to_write_is_bound_in_regions_only(installed: Installed) -> None:
    where = [
        (item["kind"], item["metadata"].get("namespace"))
        for item in installed
        if item.get("roleRef", {}).get("name") == "edgewright-operator-region"
    ]
    assert where in ([("RoleBinding", "metro-1")], [])
    cluster_wide = {"create", "update", "delete"}
    role = next(
        o for o in installed if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "edgewright-operator"
    )
    for rule in role["rules"]:
        if set(rule["verbs"]) & cluster_wide:
            assert rule["resources"] in (["nodeloads"], ["events"], ["clusterrolebindings"]), rule


@pytest.fixture(scope="module")
def restricted(tools: Tools) -> Iterator[str]:
    """A namespace in which the API server refuses every pod that is not `restricted`."""
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    tools.kubectl("apply", "-f", "-", given=json.dumps(body))
    yield "restricted"
    tools.kubectl("delete", "namespace", "restricted", "--wait=false")


async def test_every_pod_is_of_restricted_security(
    tools: Tools, installed: Installed, restricted: str, admin: Api
) -> None:
    templates = {item["kind"]: item["spec"]["template"] for item in installed if item["kind"] == "Deployment"}
    config = next(item for item in installed if item["kind"] == "ConfigMap")
    templates["agent"] = parsed(config["data"]["agent-template.yaml"])[0]
    hook = [item for item in tools.objects() if item["kind"] == "Pod"]
    assert len(hook) == 1
    for template in (*templates.values(), *hook):
        spec = {**template["spec"], "serviceAccountName": "default", "priorityClassName": ""}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}, "spec": spec}
        await admin.create(paths.pods(restricted), pod, dryRun="All", fieldValidation="Strict")
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
        assert spec["securityContext"]["runAsUser"] == 65532
        for volume in spec.get("volumes", []):
            assert volume.keys() & {"emptyDir", "configMap"}


def test_nothing_names_the_namespace_of_another_release(offline: Tools) -> None:
    assert NAMESPACE not in offline.template("--set=regions={metro-1}", namespace=ELSEWHERE)


def test_custom_resources_and_definitions_are_never_in_the_chart(offline: Tools) -> None:
    kinds = {item["kind"] for item in offline.objects("--set=regions={metro-1}")}
    assert not kinds & {
        "CustomResourceDefinition",
        "EdgeController",
        "ServiceDAG",
        "EdgeTopology",
        "Namespace",
    }
