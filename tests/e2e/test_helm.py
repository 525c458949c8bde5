"""The charts on a real kubelet: installed, upgraded, broken, removed and installed again, with real pods.

Needs root and the images in dist/images (`make images`), as the container node does.
"""

import os
import time
from collections.abc import Iterator

import pytest
from tests.cluster.charts.release import AGENT, CHART, CRDS, OPS, PREVIOUS, REGION, Release
from tests.cluster.charts.tools import ROOT, Refused, Tools, tools_for

from edgewright.emulation import testbed

IMAGES = [ROOT / f"dist/images/{part}.tar" for part in ("operator", "agent")]
OPERATORS = ("-n", OPS, "-l", "app.kubernetes.io/name=edgewright-operator")
AGENTS = ("-n", REGION, "-l", "app.kubernetes.io/name=edgewright-agent")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: the container node needs root")


class Installed(Release):
    """A release whose operator and agents are its own pods; the previous chart runs today's images."""

    values = ("--set=operator.image.tag=0.1.0", "--set=agent.image.tag=0.1.0")

    def told(self) -> str:
        described = self.tools.kubectl("describe", "pods", *AGENTS)[-3000:]
        logs = [
            self.tools.kubectl("logs", "--all-containers", "--prefix", "--tail=20", *selected)
            for selected in (OPERATORS, AGENTS)
        ]
        return "\n".join([described, *logs])

    def uids(self, *selected: str) -> set[str]:
        """Pods that are not on their way out."""
        pods = self.tools.live("pods", *selected)
        return {p["metadata"]["uid"] for p in pods if "deletionTimestamp" not in p["metadata"]}

    def agents_ready(self) -> bool:
        """Whether an agent leads the region."""
        found = self.tools.live("edgecontrollers", "-n", REGION)[0].get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in found)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """The tools, with a testbed that has a container node and nothing of ours."""
    missing = [str(image.relative_to(ROOT)) for image in IMAGES if not image.is_file()]
    assert not missing, f"{', '.join(missing)}: run `make images` first"
    name = f"pytest-{os.getpid()}-helm"
    options = testbed.Options(
        bare=True, heartbeat="edge", manifests=False, containers=True, images=tuple(IMAGES)
    )
    bed = testbed.up(name, options=options)
    try:
        yield tools_for(tmp_path_factory.mktemp("home"), bed.kubeconfig)
    finally:
        testbed.down(name)


@pytest.fixture(scope="module")
def installed(tools: Tools) -> Installed:
    """The previous chart, at work with one ServiceDAG; prints how long that took (`pytest -s`)."""
    made = Installed(tools)
    began = time.monotonic()
    made.prepare()
    made.install(PREVIOUS)
    made.govern()
    made.apply("xr-content-delivery", "before")
    seconds = time.monotonic() - began
    print(f"from the first chart to the first Ready ServiceDAG: {seconds:.1f} s")
    return made


def test_the_release_says_that_it_works(installed: Installed, tools: Tools) -> None:
    installed.upgrade()
    said = tools.helm("test", "edgewright", "--namespace", OPS, "--logs", "--timeout=60s")
    assert "Phase:          Succeeded" in said
    assert "/metrics: " in said


def test_upgrade_and_rollback_restart_no_pod_of_a_dag(installed: Installed, tools: Tools) -> None:
    before = installed.pods("before")
    tools.helm("rollback", "edgewright", "1", "--namespace", OPS, "--wait", "--timeout=120s")
    old = installed.uids(*OPERATORS)
    installed.upgrade()
    assert not installed.uids(*OPERATORS) & old
    installed.until("an agent leads", installed.agents_ready)
    installed.apply("digital-twin-sync", "upgraded")
    assert installed.pods("before") == before
    tools.helm("rollback", "edgewright", "1", "--namespace", OPS, "--wait", "--timeout=120s")
    installed.apply("online-boutique", "rolled-back")
    assert installed.pods("before") == before
    installed.delete("upgraded", "rolled-back")
    installed.upgrade()


def test_an_image_that_cannot_be_pulled_harms_nothing(installed: Installed, tools: Tools) -> None:
    before = installed.uids(*OPERATORS)
    with pytest.raises(Refused) as caught:
        installed.upgrade("--set=operator.image.tag=nowhere", "--timeout=15s", "--rollback-on-failure")
    assert "edgewright-operator" in caught.value.said
    assert before <= installed.uids(*OPERATORS)
    installed.apply("digital-twin-sync", "meanwhile")
    installed.delete("meanwhile")


def test_a_killed_agent_is_replaced_and_decides(installed: Installed, tools: Tools) -> None:
    before = installed.uids(*AGENTS)
    assert len(before) == 2
    tools.kubectl("delete", "pod", *AGENTS, "--grace-period=0", "--force", "--wait=false")
    installed.until("two fresh agents", lambda: len(installed.uids(*AGENTS) - before) == 2)
    installed.until("an agent leads", installed.agents_ready)
    installed.apply("digital-twin-sync", "after-the-kill")
    installed.delete("after-the-kill")


def test_uninstalling_and_installing_again(installed: Installed, tools: Tools) -> None:
    before = installed.pods("before")
    tools.helm("uninstall", "edgewright", "--namespace", OPS, "--wait")
    assert installed.rights() == []
    installed.until("the operator's pods are gone", lambda: not tools.live("pods", *OPERATORS))
    assert installed.pods("before") == before
    assert tools.live("serviceaccounts", "-n", REGION, AGENT)
    tools.helm("uninstall", "edgewright-crds", "--namespace", OPS)
    assert installed.pods("before") == before
    tools.helm("install", "edgewright-crds", CRDS, "--namespace", OPS, "--take-ownership", "--wait")
    installed.install(CHART)
    installed.until("an agent leads", installed.agents_ready)
    installed.apply("digital-twin-sync", "reinstalled")
    assert installed.pods("before") == before
    installed.delete("reinstalled", "before")
    tools.kubectl("delete", "edgecontroller", "-n", REGION, "--all")
    installed.until("the agents go with their EdgeController", lambda: not tools.live("pods", *AGENTS))
