"""The chart of the emulated city: its nodes come to life under KWOK, and go with it."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.cluster.charts.tools import CHARTS, Refused, Tools, tools_for

from edgewright.emulation import testbed

CITY = ("install", "city", CHARTS / "edgewright-testbed", "--namespace", "default")


@pytest.fixture(scope="module")
def tools(up: Callable[..., testbed.Testbed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """A control plane with KWOK and without nodes."""
    bed = up(scenario=None, manifests=False)
    yield tools_for(tmp_path_factory.mktemp("home"), bed.kubeconfig)
    testbed.down(bed.name)


def test_it_needs_the_definitions(tools: Tools) -> None:
    with pytest.raises(Refused, match=r"no kind EdgeController\. Install the chart edgewright-crds first"):
        tools.helm(*CITY)


def test_the_city_lives_and_goes(tools: Tools) -> None:
    tools.helm("install", "edgewright-crds", CHARTS / "edgewright-crds", "--namespace", "default", "--wait")
    said = tools.helm(*CITY)
    assert "--set 'regions={melbourne-small-1,melbourne-small-2}'" in said
    tools.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")
    nodes = tools.live("nodes")
    assert len(nodes) == 24
    assert all(int(node["status"]["allocatable"]["cpu"]) >= 6 for node in nodes)
    regions = tools.live("edgecontrollers", "--all-namespaces")
    assert {region["metadata"]["namespace"] for region in regions} == {
        "melbourne-small-1",
        "melbourne-small-2",
    }
    topology = json.loads(tools.kubectl("get", "edgetopology", "melbourne-small", "-o", "json"))
    assert len(topology["spec"]["links"]) > 20
    tools.helm("uninstall", "city", "--namespace", "default", "--wait")
    assert tools.live("nodes") == []
    assert tools.live("edgetopologies") == []


def test_an_unknown_city_is_refused(tools: Tools) -> None:
    with pytest.raises(Refused, match="'/scenario': value must be one of 'melbourne-small', 'melbourne'"):
        tools.helm(*CITY, "--set=scenario=atlantis")
