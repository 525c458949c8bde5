"""A release of the chart at work on a testbed, with one region of the emulated city."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from tests.cluster.charts.tools import CHARTS, MANIFESTS, Refused, Tools

from edgewright.emulation import city, scenario
from edgewright.emulation.testbed import objects
from edgewright.kube import names

OPS, REGION = "metro-ops", "melbourne-small-1"
PREVIOUS = Path(__file__).parent / "previous/edgewright-0.1.0-alpha.2.tgz"
"""The chart as an earlier version had it."""
CHART, CRDS = CHARTS / "edgewright", CHARTS / "edgewright-crds"
OURS = "app.kubernetes.io/name=edgewright"
AGENT = f"--field-selector=metadata.name={names.AGENT_ACCOUNT}"
_RIGHTS = (
    "clusterroles",
    "clusterrolebindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "priorityclasses",
)
Pods = set[tuple[str, str, int]]


class Release(ABC):
    """What a user does with Helm and kubectl, and what is seen then."""

    values: tuple[str, ...] = ()
    """What every installation and upgrade sets besides the region."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def prepare(self) -> None:
        """Namespaces and definitions."""
        for namespace in (OPS, REGION):
            self.tools.kubectl("create", "namespace", namespace)
        self.tools.helm("install", "edgewright-crds", CRDS, "--namespace", OPS, "--wait")

    def govern(self) -> None:
        """The city's links, and the EdgeController of its first region."""
        town = city.build(scenario.load("melbourne-small"))
        for body in (*objects.edge_topologies(town), objects.edge_controller(town, town.regions[0])):
            self.tools.kubectl("apply", "-f", "-", given=json.dumps(body))

    def install(self, chart: Path, *more: str, command: str = "install") -> str:
        """`helm install` or `helm upgrade`, until its pods are ready."""
        given = ("--namespace", OPS, f"--set=regions={{{REGION}}}", "--wait", "--timeout=120s")
        return self.tools.helm(command, "edgewright", chart, *given, *self.values, *more)

    def upgrade(self, *more: str) -> str:
        """`helm upgrade` to the chart as it is now."""
        return self.install(CHART, *more, command="upgrade")

    def apply(self, sample: str, name: str) -> None:
        """Apply a sample under a name of its own and wait until it is Ready."""
        text = (MANIFESTS / f"samples/{sample}.yaml").read_text()
        self.tools.kubectl(
            "apply", "-n", REGION, "-f", "-", given=text.replace(f"name: {sample}}}", f"name: {name}}}")
        )
        try:
            self.tools.kubectl("wait", "-n", REGION, f"sdag/{name}", "--for=condition=Ready", "--timeout=90s")
        except Refused as refused:
            raise AssertionError(f"{refused.said}\n{self.told()}") from refused

    def delete(self, *dags: str) -> None:
        """Delete ServiceDAGs."""
        self.tools.kubectl("delete", "sdag", "-n", REGION, *dags, "--wait")

    @abstractmethod
    def told(self) -> str:
        """What operator and agents say."""

    def pods(self, dag: str) -> Pods:
        """(uid, node, restarts) of a ServiceDAG's pods, all of which must run."""
        found = self.tools.live("pods", "-n", REGION, "-l", f"{names.LABEL_DAG}={dag}")
        assert {pod["status"]["phase"] for pod in found} == {"Running"}
        return {
            (
                pod["metadata"]["uid"],
                pod["spec"]["nodeName"],
                sum(each["restartCount"] for each in pod["status"]["containerStatuses"]),
            )
            for pod in found
        }

    def rights(self) -> list[str]:
        """Names of everything cluster-wide that the chart installs, as it is in the cluster."""
        found = self.tools.kubectl("get", ",".join(_RIGHTS), "-o", "name").split()
        return [name for name in found if "edgewright" in name]

    def until(self, what: str, check: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
            time.sleep(0.1)
