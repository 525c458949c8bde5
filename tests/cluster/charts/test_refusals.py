"""What a cluster can lack, and what the chart says then."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.cluster.charts.tools import CHARTS, NAMESPACE, Refused, Tools

CHART = CHARTS / "edgewright"


def refusal(tools: Tools, *arguments: str) -> str:
    """What `helm install` says no with; nothing may have been installed."""
    with pytest.raises(Refused) as caught:
        tools.helm("install", "refused", CHART, "--namespace", NAMESPACE, *arguments)
    assert tools.helm("list", "--all-namespaces", "--short", "--filter", "^refused$").strip() == ""
    return caught.value.said


@pytest.mark.usefixtures("namespaces")
def test_missing_definitions(tools: Tools) -> None:
    said = refusal(tools)
    assert "no CustomResourceDefinition servicedags.edgewright.dev" in said
    assert "helm upgrade --install edgewright-crds charts/edgewright-crds" in said


@pytest.fixture
def relabel(tools: Tools) -> Iterator[Callable[[str], None]]:
    """`relabel("9.0.0")`: one definition is of that version, until the test ends."""
    crd, label = "nodeloads.edgewright.dev", "app.kubernetes.io/version"

    def change(version: str) -> None:
        tools.kubectl("label", "crd", crd, f"{label}={version}", "--overwrite")

    before = json.loads(tools.kubectl("get", "crd", crd, "-o", "json"))["metadata"]["labels"][label]
    yield change
    change(before)


@pytest.mark.usefixtures("namespaces", "definitions")
def test_definitions_older_than_the_chart(tools: Tools, relabel: Callable[[str], None]) -> None:
    relabel("0.0.9")
    said = refusal(tools)
    assert "nodeloads.edgewright.dev is of version 0.0.9, older than this chart's" in said
    assert "edgewright-crds" in said


@pytest.mark.usefixtures("namespaces", "definitions")
def test_newer_definitions_serve_an_older_chart(tools: Tools, relabel: Callable[[str], None]) -> None:
    relabel("9.0.0")
    tools.helm("install", "refused", CHART, "--namespace", NAMESPACE, "--dry-run=server")


@pytest.mark.usefixtures("namespaces", "definitions")
def test_a_region_without_its_namespace(tools: Tools) -> None:
    said = refusal(tools, "--set=regions={metro-1,nowhere}")
    assert "regions: namespace nowhere does not exist" in said
    assert "kubectl create namespace nowhere" in said


@pytest.mark.usefixtures("namespaces", "definitions")
@pytest.mark.parametrize("switch", ["serviceMonitor", "podMonitor", "rules"])
def test_monitoring_without_the_prometheus_operator(tools: Tools, switch: str) -> None:
    said = refusal(tools, f"--set=metrics.{switch}.enabled=true")
    assert f"metrics.{switch}.enabled: the cluster has no kind" in said


@pytest.mark.usefixtures("namespaces", "definitions")
def test_somebody_who_may_not_create_roles(tools: Tools) -> None:
    """An account that may do everything in its namespace still cannot hand out the cluster's rights."""
    tools.kubectl("create", "serviceaccount", "junior", "-n", NAMESPACE)
    tools.kubectl(
        "create",
        "rolebinding",
        "junior",
        "-n",
        NAMESPACE,
        "--clusterrole=admin",
        f"--serviceaccount={NAMESPACE}:junior",
    )
    said = refusal(tools, f"--kube-as-user=system:serviceaccount:{NAMESPACE}:junior")
    assert "forbidden" in said
    assert "junior" in said


@pytest.mark.usefixtures("namespaces", "definitions")
def test_a_quota_that_leaves_no_room_for_the_operator(tools: Tools) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"requests.memory": "64Mi"}},
    }
    tools.kubectl("apply", "-n", NAMESPACE, "-f", "-", given=json.dumps(quota))
    try:
        with pytest.raises(Refused) as caught:
            tools.helm(
                "install",
                "edgewright",
                CHART,
                "--namespace",
                NAMESPACE,
                "--wait",
                "--timeout=8s",
                "--rollback-on-failure",
            )
        assert "Deployment" in caught.value.said
        events = tools.kubectl("get", "events", "-n", NAMESPACE, "-o", "jsonpath={.items[*].message}")
        assert "exceeded quota: small" in events
    finally:
        tools.kubectl("delete", "resourcequota", "small", "-n", NAMESPACE)
    assert tools.helm("list", "--all-namespaces", "--short").split() == ["edgewright-crds"]
