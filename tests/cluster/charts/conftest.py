"""Helm and kubectl against a control plane on which nothing of ours is installed."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.cluster.charts.tools import CHARTS, MANIFESTS, NAMESPACE, REGIONS, Tools, tools_for

from edgewright.emulation import testbed
from edgewright.emulation.testbed import builds
from edgewright.emulation.testbed.report import silent
from edgewright.kube.api import Api


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools without any cluster."""
    home = tmp_path_factory.mktemp("home")
    return tools_for(home, home / "none")


@pytest.fixture(scope="session")
def tools(empty_cluster: testbed.Testbed, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools, with the administrator's kubeconfig of the empty cluster."""
    return tools_for(tmp_path_factory.mktemp("home"), empty_cluster.kubeconfig)


@pytest.fixture
async def admin(empty_cluster: testbed.Testbed) -> AsyncIterator[Api]:
    """The administrator's client of the empty cluster."""
    async with await Api.connect(str(empty_cluster.kubeconfig)) as client:
        yield client


@pytest.fixture(scope="session")
def namespaces(tools: Tools) -> tuple[str, ...]:
    """The namespaces that values name: of the release and of two regions."""
    for name in (NAMESPACE, *REGIONS):
        tools.kubectl("create", "namespace", name)
    return REGIONS


@pytest.fixture(scope="module")
def definitions(tools: Tools) -> Iterator[None]:
    """The chart of the custom resource definitions is installed.

    For a module, not for each test: an API server to which definitions come and go every few seconds may
    take minutes to let one go.
    """
    tools.helm("install", "edgewright-crds", CHARTS / "edgewright-crds", "--namespace", "default", "--wait")
    yield
    tools.helm("uninstall", "edgewright-crds", "--namespace", "default")
    tools.kubectl("delete", "-k", MANIFESTS / "crds")


@pytest.fixture
def monitoring_kinds(tools: Tools) -> Iterator[None]:
    """ServiceMonitor, PodMonitor and PrometheusRule, from the Prometheus Operator's own sources."""
    module = Path(__file__).parent / "monitoring"
    said = tools.run(
        builds.go(silent),
        "-C",
        module,
        "mod",
        "download",
        "-json",
        "github.com/prometheus-operator/prometheus-operator",
    )
    folder = Path(json.loads(said)["Dir"]) / "example/prometheus-operator-crd"
    files = [
        f"--filename={folder}/monitoring.coreos.com_{kind}.yaml"
        for kind in ("servicemonitors", "podmonitors", "prometheusrules")
    ]
    tools.kubectl("apply", "--server-side", *files)
    tools.kubectl("wait", "--for=condition=Established", *files)
    yield
    tools.kubectl("delete", *files)
