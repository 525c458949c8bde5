"""A release from its first installation to its last, with a ServiceDAG running throughout.

Emulated nodes only say that they run the operator's pods. The operator and the agent that work here are
processes under the accounts and rights that the release gives them, in a namespace that is not the usual one;
tests/e2e/test_helm.py has real pods.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.charts.release import AGENT, CHART, CRDS, OPS, OURS, PREVIOUS, REGION, Release
from tests.cluster.charts.tools import MANIFESTS, Refused, Tools, tools_for

from edgewright.emulation import testbed
from edgewright.emulation.testbed import local
from edgewright.kube import names
from edgewright.kube.api import Api


class Running(Release):
    """A release whose operator and agent are processes of the test."""

    def __init__(self, bed: testbed.Testbed, tools: Tools) -> None:
        super().__init__(tools)
        self._bed = bed
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_operator(self) -> None:
        self._start("operator", OPS, names.OPERATOR_ACCOUNT, "--namespace", OPS)

    def start_agent(self) -> None:
        self.until("the agent's account", lambda: self.tools.live("serviceaccounts", "-n", REGION, AGENT))
        self._start("agent", REGION, names.AGENT_ACCOUNT, "--lease-seconds", "5")

    def _start(self, part: str, namespace: str, account: str, *arguments: str) -> None:
        """Start one under its account as it is now."""
        self.stop(part)
        kubeconfig = self._bed.layout.kubeconfigs / f"chart-{part}"

        async def write() -> None:
            async with await Api.connect(str(self._bed.kubeconfig)) as api:
                await local.write_kubeconfig(api, self._bed.layout, kubeconfig, {part: (namespace, account)})

        asyncio.run(write())
        command = [sys.executable, "-m", "edgewright.cli.main", part, "--kubeconfig", str(kubeconfig)]
        with self._log(part).open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [*command, *arguments], stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )

    def stop(self, part: str) -> None:
        if process := self._processes.pop(part, None):
            process.terminate()
            process.wait(timeout=30)

    def close(self) -> None:
        for part in list(self._processes):
            self.stop(part)

    def _log(self, part: str) -> Path:
        return self._bed.layout.logs / f"chart-{part}.log"

    def told(self) -> str:
        return "\n".join(self._log(part).read_text()[-2000:] for part in ("operator", "agent"))


@pytest.fixture(scope="module")
def bed(up: Callable[..., testbed.Testbed]) -> Iterator[testbed.Testbed]:
    """A cluster of this file's own: what uninstalling leaves would be in the way of others."""
    made = up(manifests=False)
    yield made
    testbed.down(made.name)


@pytest.fixture(scope="module")
def tools(bed: testbed.Testbed, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools, with its administrator's kubeconfig."""
    return tools_for(tmp_path_factory.mktemp("home"), bed.kubeconfig)


@pytest.fixture(scope="module")
def running(bed: testbed.Testbed, tools: Tools) -> Iterator[Running]:
    """The previous chart version, installed and at work with one ServiceDAG."""
    made = Running(bed, tools)
    made.prepare()
    made.install(PREVIOUS)
    made.govern()
    made.start_operator()
    made.start_agent()
    made.apply("xr-content-delivery", "before")
    yield made
    made.close()


def test_an_upgrade_and_its_rollback_touch_no_pod(running: Running, tools: Tools) -> None:
    before = running.pods("before")
    assert f"It works in: {REGION}" in running.upgrade()
    running.apply("digital-twin-sync", "upgraded")
    assert running.pods("before") == before
    upgraded = running.pods("upgraded")
    tools.helm("rollback", "edgewright", "1", "--namespace", OPS, "--wait", "--timeout=90s")
    assert "edgewright-0.1.0-alpha.2" in tools.helm("list", "--namespace", OPS)
    running.apply("online-boutique", "rolled-back")
    assert (running.pods("before"), running.pods("upgraded")) == (before, upgraded)
    running.delete("upgraded", "rolled-back")
    running.upgrade()
    binding = json.loads(tools.kubectl("get", "clusterrolebinding", names.ROLE_AGENT_CLUSTER, "-o", "json"))
    assert [subject["namespace"] for subject in binding["subjects"]] == [REGION], "Helm took them away"


def test_a_second_release_is_refused_and_harms_nothing(running: Running, tools: Tools) -> None:
    running.upgrade()
    before = running.rights()
    assert len(before) > 8
    with pytest.raises(Refused, match="cannot be imported into the current release"):
        tools.helm("install", "another", CHART, "--namespace", "default")
    assert running.rights() == before
    assert "deployed" in tools.helm("status", "edgewright", "--namespace", OPS)


def test_the_doctor_mends_a_release_as_helm_does(
    running: Running, bed: testbed.Testbed, tools: Tools
) -> None:
    running.upgrade()
    tools.kubectl("delete", "validatingadmissionpolicy", "edgewright-agent-nodes")
    stripped = json.dumps([{"op": "remove", "path": "/rules/0"}])
    tools.kubectl("patch", "clusterrole", "edgewright-agent", "--type=json", "-p", stripped)

    def mends() -> dict[str, str]:
        doctor = ("-m", "edgewright.cli.main", "doctor", "--operator-namespace", OPS, "-o", "json")
        command = [sys.executable, *doctor, "--kubeconfig", str(bed.kubeconfig)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return {found["check"]: found["mend"] for found in json.loads(done.stdout) if found["mend"]}

    told = mends()
    assert told["RBAC"] == told["admission"]
    command = told["RBAC"].split()
    assert command[:3] == ["helm", "upgrade", "edgewright"]
    tools.run(*command)
    assert not {"RBAC", "admission"} & mends().keys()


def test_a_region_that_is_taken_out_is_taken_away(running: Running, tools: Tools) -> None:
    binding = ("rolebinding", names.ROLE_OPERATOR_REGION, "-n", REGION)
    running.upgrade()
    tools.kubectl("get", *binding)
    tools.helm("upgrade", "edgewright", CHART, "--namespace", OPS, "--wait", "--set-json=regions=[]")
    with pytest.raises(Refused, match="NotFound"):
        tools.kubectl("get", *binding)
    running.upgrade()
    tools.kubectl("get", *binding)


def test_uninstalling_leaves_what_runs_and_a_new_release_takes_it_up(running: Running, tools: Tools) -> None:
    """What docs/how-to/operate.md says in its table."""
    before = running.pods("before")
    running.upgrade()
    running.stop("operator")
    tools.helm("uninstall", "edgewright", "--namespace", OPS, "--wait")
    assert running.rights() == []
    assert tools.live("deployments,services,configmaps,networkpolicies,pdb", "-n", OPS, "-l", OURS) == []
    assert running.pods("before") == before
    assert tools.live("edgecontrollers", "-n", REGION)
    assert tools.live("serviceaccounts", "-n", REGION, AGENT)
    with pytest.raises(Refused, match="forbidden"):
        tools.kubectl(
            "get", "pods", "-n", REGION, f"--as=system:serviceaccount:{REGION}:{names.AGENT_ACCOUNT}"
        )
    tools.helm("uninstall", "edgewright-crds", "--namespace", OPS)
    assert len(tools.live("crds", "-l", OURS)) == 4
    assert running.pods("before") == before

    tools.helm("install", "edgewright-crds", CRDS, "--namespace", OPS, "--wait", "--take-ownership")
    running.install(CHART)
    running.start_operator()
    running.start_agent()
    running.apply("digital-twin-sync", "reinstalled")
    assert running.pods("before") == before
    running.delete("reinstalled")


def test_what_kubectl_installed_is_adopted(running: Running, tools: Tools) -> None:
    before = running.pods("before")
    running.stop("operator")
    tools.helm("uninstall", "edgewright", "--namespace", OPS, "--wait")
    tools.kubectl("apply", "--server-side", "-k", MANIFESTS)
    usual = ("--namespace", names.OPERATOR_NAMESPACE)
    tools.kubectl("wait", "deployment", "--all", "--for=condition=Available", "--timeout=60s", *usual)
    with pytest.raises(Refused, match="cannot be imported into the current release"):
        tools.helm("install", "edgewright", CHART, *usual)
    selected = ("pods", "-l", "app.kubernetes.io/name=edgewright-operator", *usual)
    operators = {pod["metadata"]["uid"] for pod in tools.live(*selected)}
    assert len(operators) == 2
    region = f"--set=regions={{{REGION}}}"
    over = ("--take-ownership", "--force-conflicts")  # what kubectl wrote is taken over too
    tools.helm("install", "edgewright", CHART, *usual, region, *over, "--wait", "--timeout=90s")
    assert {pod["metadata"]["uid"] for pod in tools.live(*selected)} == operators, "it was restarted"
    assert running.pods("before") == before
    tools.helm("uninstall", "edgewright", *usual, "--wait")
    assert running.rights() == []
