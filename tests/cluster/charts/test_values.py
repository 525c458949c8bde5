"""What the chart makes of its values: objects that the API server takes, or a refusal with a name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.charts.tools import CHARTS, MANIFESTS, NAMESPACE, ROOT, Refused, Tools, parsed

from edgewright.operator import agent_template

MONITORING = [
    f"--set=metrics.{name}.enabled=true" for name in ("serviceMonitor", "podMonitor", "rules", "dashboards")
]
MATRIX: dict[str, list[str]] = {
    "defaults": [],
    "two regions": ["--set=regions={metro-1,metro-2}"],
    "one operator": ["--set=operator.replicas=1"],
    "no network policies": ["--set=networkPolicy.enabled=false", "--set=regions={metro-1}"],
    "network policies in detail": [
        "--set=regions={metro-1}",
        "--set=networkPolicy.apiServer.ports={16443}",
        "--set=networkPolicy.apiServer.cidrs={10.0.0.1/32,fd00::1/128}",
        '--set-json=networkPolicy.metricsFrom=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}]',
        '--set-json=networkPolicy.operatorEgress=[{"ports": [{"port": 9090}]}]',
    ],
    "no disruption budget": ["--set=podDisruptionBudget.enabled=false"],
    "no priority": ["--set=priorityClass.create=false", "--set=priorityClass.name="],
    "a priority of one's own": ["--set=priorityClass.name=mine", "--set=priorityClass.value=-5"],
    "a Prometheus to ask": ["--set=metrics.prometheusUrl=http://prometheus.monitoring:9090"],
    "one that asks back": [
        "--set=metrics.prometheusUrl=http://prometheus.monitoring:9090",
        "--set=metrics.prometheusCredentials=prometheus-login",
    ],
    "annotations": ["--set=metrics.annotations=true"],
    "all of the monitoring": MONITORING,
    "the monitoring in detail": [
        *MONITORING,
        "--set=metrics.serviceMonitor.labels.release=prometheus",
        "--set=metrics.podMonitor.interval=1m",
        "--set=metrics.rules.labels.release=prometheus",
        "--set=metrics.dashboards.namespace=metro-1",
    ],
    "images of one's own": [
        "--set=operator.image.repository=registry.example.com:5000/edge/operator",
        "--set=operator.image.tag=1.2.3",
        f"--set=operator.image.digest=sha256:{'0' * 64}",
        "--set=agent.image.repository=registry.example.com:5000/edge/agent",
        "--set=imagePullPolicy=Always",
        "--set=imagePullSecrets[0].name=registry",
    ],
    "where pods run": [
        "--set=operator.nodeSelector.pool=system",
        '--set-json=operator.tolerations=[{"key": "a", "operator": "Exists"}]',
        '--set-json=operator.affinity={"podAntiAffinity": {}}',
        "--set=agent.nodeSelector.pool=edge",
        '--set-json=agent.tolerations=[{"key": "a", "operator": "Exists"}]',
        '--set-json=agent.affinity={"podAffinity": {}}',
    ],
    "resources and arguments": [
        "--set=operator.resources.limits.cpu=2",
        "--set=agent.resources.requests.cpu=250m",
        "--set=operator.logLevel=debug",
        "--set=operator.extraArgs={--workers=64,--resync=60}",
    ],
}


@pytest.mark.usefixtures("namespaces", "monitoring_kinds")
def test_the_api_server_takes_every_object_under_every_switch(tools: Tools) -> None:
    for name, values in MATRIX.items():
        manifests = tools.template(*values)
        assert len(parsed(manifests)) > 15, name
        try:
            tools.validate(manifests)
        except Refused as refused:
            raise AssertionError(f"{name}: {refused.said}") from refused
        template = next(o for o in parsed(manifests) if o["metadata"]["name"] == "edgewright-agent-template")
        tools.validate(agent_pod(template["data"]["agent-template.yaml"]))


@pytest.mark.parametrize("values", MATRIX)
def test_the_operator_takes_its_template(offline: Tools, values: str) -> None:
    named = (
        item
        for item in offline.objects(*MATRIX[values])
        if item["metadata"]["name"] == "edgewright-agent-template"
    )
    template = agent_template.check(yaml.safe_load(next(named)["data"]["agent-template.yaml"]))
    assert template.image.startswith(("edgewright/agent:", "registry.example.com:5000/edge/agent:"))


def agent_pod(template: str) -> str:
    """A Deployment such as the operator makes from the template."""
    indented = template.replace("\n", "\n    ")
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: edgewright-agent, namespace: metro-1}}
spec:
  selector: {{matchLabels: {{app.kubernetes.io/name: edgewright-agent}}}}
  template:
    {indented}
"""


def test_every_switch_is_in_the_matrix() -> None:
    said = "\n".join(part for values in MATRIX.values() for part in values)
    readme = (CHARTS / "edgewright/README.md").read_text()
    names = [line.split("`")[1] for line in readme.splitlines() if line.startswith("| `")]
    assert len(names) > 30
    unseen = [name for name in names if name not in said and name.rsplit(".", 1)[0] not in said]
    assert not unseen


@pytest.mark.usefixtures("namespaces")
def test_the_definitions_are_taken_and_kept(tools: Tools) -> None:
    manifests = tools.template(chart="edgewright-crds")
    tools.validate(manifests)
    assert {item["kind"] for item in parsed(manifests)} == {"CustomResourceDefinition"}
    assert all(
        item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for item in parsed(manifests)
    )


@pytest.mark.parametrize("chart", sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml")))
def test_helm_finds_nothing_to_say_about_the_chart(offline: Tools, chart: str) -> None:
    said = offline.helm(
        "lint", "--strict", CHARTS / chart, "--set=regions={metro-1}" if chart == "edgewright" else "--debug"
    )
    assert "[ERROR]" not in said
    assert "[WARNING]" not in said


NONSENSE: dict[str, tuple[str, str]] = {
    "--set=operator.replicas=0": ("/operator/replicas", "minimum"),
    "--set=operator.replicas=two": ("/operator/replicas", "want integer"),
    "--set=operator.replica=3": ("/operator", "replica"),
    "--set=operator.logLevel=loud": ("/operator/logLevel", "'info'"),
    "--set=operator.image.repository=Not An Image": ("/operator/image/repository", "pattern"),
    "--set=operator.image.digest=abc": ("/operator/image/digest", "pattern"),
    "--set=operator.extraArgs={workers}": ("/operator/extraArgs/0", "pattern"),
    "--set=agent.resources.requests.memory=lots": ("/agent/resources/requests/memory", "pattern"),
    "--set=agent.resources.request.memory=1Gi": ("/agent/resources", "request"),
    "--set=regions=metro-1": ("/regions", "want array"),
    "--set=regions={Metro_1}": ("/regions/0", "pattern"),
    "--set=regions={a,a}": ("/regions", "equal"),
    "--set=imagePullPolicy=Sometimes": ("/imagePullPolicy", "'IfNotPresent'"),
    '--set-json=imagePullSecrets=["name"]': ("/imagePullSecrets/0", "want object"),
    "--set=priorityClass.value=2000000000": ("/priorityClass/value", "maximum"),
    "--set=priorityClass.name=": ("/priorityClass/name", "minLength"),
    "--set=networkPolicy.apiServer.ports={70000}": ("/networkPolicy/apiServer/ports/0", "maximum"),
    "--set=networkPolicy.apiServer.cidrs={everywhere}": ("/networkPolicy/apiServer/cidrs/0", "pattern"),
    "--set=metrics.serviceMonitor.enabled=maybe": ("/metrics/serviceMonitor/enabled", "want boolean"),
    "--set=metrics.prometheusUrl=prometheus:9090": ("/metrics/prometheusUrl", "pattern"),
    "--set=metrics.prometheusCredentials=Not_A_Secret": ("/metrics/prometheusCredentials", "pattern"),
    "--set=metrics.podMonitor.interval=0s": ("/metrics/podMonitor/interval", "pattern"),
    "--set=edgeControllers={a}": ("", "edgeControllers"),
}


@pytest.mark.parametrize("value", NONSENSE)
def test_nonsense_is_refused_by_name(offline: Tools, value: str) -> None:
    with pytest.raises(Refused) as caught:
        offline.template(value)
    for word in NONSENSE[value]:
        assert word in caught.value.said


@pytest.mark.parametrize("region", ["kube-system", NAMESPACE])
def test_a_namespace_full_of_power_cannot_be_a_region(offline: Tools, region: str) -> None:
    with pytest.raises(Refused, match=f"regions: {region} cannot be a region"):
        offline.template(f"--set=regions={{{region}}}")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["metrics.prometheusUrl=https://me:secret@p:9090"], "metrics.prometheusUrl holds credentials"),
        (["metrics.prometheusCredentials=login"], "set metrics.prometheusUrl"),
    ],
)
def test_credentials_stand_in_a_secret_and_belong_to_a_prometheus(
    offline: Tools, values: list[str], said: str
) -> None:
    with pytest.raises(Refused) as caught:
        offline.template(*(f"--set={value}" for value in values))
    assert said in caught.value.said
    assert "secret@" not in caught.value.said


def test_what_helm_installs_kubectl_installs_too(offline: Tools) -> None:
    """The default release and `kubectl apply -k manifests/` differ in labels and the namespace only."""
    by_helm = {identity(item): pruned(item) for item in parsed(offline.template("--skip-tests"))}
    by_kubectl = {identity(item): pruned(item) for item in parsed(offline.kubectl("kustomize", MANIFESTS))}
    apart = by_kubectl.keys() - by_helm.keys()
    assert {kind for kind, _, _ in apart} == {"Namespace", "CustomResourceDefinition"}
    assert by_helm == {key: item for key, item in by_kubectl.items() if key not in apart}


def identity(item: dict[str, Any]) -> tuple[str, str, str]:
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]


def pruned(item: Any) -> Any:
    """Without labels of metadata, which say who installed it."""
    if isinstance(item, dict):
        return {key: pruned(value) for key, value in item.items() if key not in SAID_BY_THE_INSTALLER}
    return [pruned(each) for each in item] if isinstance(item, list) else item


SAID_BY_THE_INSTALLER = {"labels", "checksum/agent-template"}


def test_the_version_is_the_projects(offline: Tools) -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    for chart in CHARTS.glob("*/Chart.yaml"):
        shown = offline.helm("show", "chart", chart.parent)
        version = shown.split("version: ")[-1].split()[0]
        assert f'version = "{version}"' in pyproject, Path(chart)
