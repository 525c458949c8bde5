"""Agents as real processes under their own accounts, beside the real operator, on nodes of each test."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from tests.cluster.builders import allow_operator, condition_of, edge_controller, new_namespace, until
from tests.cluster.trouble import Trouble

from edgewright.emulation import testbed
from edgewright.emulation.testbed import local
from edgewright.kube import names, objects, paths
from edgewright.kube.api import Api
from edgewright.kube.quantities import parse, pod_requests


@dataclass
class Agent:
    """An agent process that can be killed and started again."""

    bed: testbed.Testbed
    namespace: str
    number: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> str:
        path = self.bed.layout.logs / f"agent-{self.namespace}-{self.number}.log"
        return path.read_text() if path.exists() else ""

    async def start(
        self, api: Api, *arguments: str, through: Trouble | None = None, without: tuple[str, ...] = ()
    ) -> "Agent":
        """Start it; `through` a proxy instead of straight to the API server, `without` some libraries."""
        account = (self.namespace, names.AGENT_ACCOUNT)
        kubeconfig = self.bed.layout.kubeconfigs / f"agent-{self.namespace}"
        if not kubeconfig.exists():
            await local.write_kubeconfig(api, self.bed.layout, kubeconfig, {"region": account})
        if through is not None:
            through.lead(kubeconfig)
        hidden = f"import sys; sys.modules.update(dict.fromkeys({without!r}))"
        program = f"{hidden}; from edgewright.cli.main import app; app()"
        command = [sys.executable, "-c", program, "agent", "--kubeconfig", str(kubeconfig)]
        command += ["--lease-seconds", "5", *arguments]
        self._spawn(command)
        return self

    def _spawn(self, command: list[str]) -> None:
        with (self.bed.layout.logs / f"agent-{self.namespace}-{self.number}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )

    async def governs(self) -> None:
        """Wait until it has read its region."""

        async def governing() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log[-2000:]
            return "governing" in self.log

        await until(f"the agent of {self.namespace} governs", governing, 180.0)

    def kill(self) -> None:
        """End it without any warning."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=20)


@dataclass
class Region:
    """A namespace with nodes of its own, governed by the operator and by agents that the test starts."""

    bed: testbed.Testbed
    api: Api
    namespace: str
    nodes: list[str] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)

    async def agent(
        self,
        *arguments: str,
        wait: bool = True,
        through: Trouble | None = None,
        without: tuple[str, ...] = (),
    ) -> Agent:
        made = Agent(self.bed, self.namespace, len(self.agents))
        await made.start(self.api, *arguments, through=through, without=without)
        self.agents.append(made)
        if wait:
            await made.governs()
        return made

    async def add_nodes(self, count: int, *, cpu: str = "2", memory: str = "4Gi") -> list[str]:
        """More nodes of this region; they are governed when this returns."""
        first = len(self.nodes)
        new = [f"{self.namespace}-{number}" for number in range(first, first + count)]
        made = [node(name, self.namespace, cpu=cpu, memory=memory) for name in new]
        await testbed.nodes.create(self.api, made)
        await testbed.nodes.wait_ready(self.api, new)
        self.nodes += new

        async def governed() -> bool:
            controller = await self.api.get(paths.edge_controllers(self.namespace, "region"))
            return set(self.nodes) <= set(controller.get("status", {}).get("nodes") or ())

        await until(f"the operator grants {count} nodes", governed)
        return new

    async def apply(self, dag: Mapping[str, Any]) -> None:
        path = paths.service_dags(self.namespace, dag["metadata"]["name"])
        await self.api.apply(path, dag, manager="test-user")

    async def dag(self, name: str) -> dict[str, Any]:
        return await self.api.get(paths.service_dags(self.namespace, name))

    async def condition(self, name: str) -> dict[str, Any]:
        """The Placed condition."""
        return condition_of(await self.dag(name), "Placed")

    async def placed(self, name: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for Placed=True of the present generation; the DAG."""
        return await self.reaches(name, "True", seconds=seconds)

    async def reaches(self, name: str, status: str, *reasons: str, seconds: float = 30.0) -> dict[str, Any]:
        async def reached() -> Any:
            dag = await self.dag(name)
            found = condition_of(dag, "Placed")
            current = found.get("observedGeneration") == dag["metadata"]["generation"]
            fits = found.get("status") == status and (not reasons or found.get("reason") in reasons)
            assert current and fits, (found, [agent.log[-1500:] for agent in self.agents])
            return dag

        found: dict[str, Any] = await until(f"{name}: Placed={status} {reasons}", reached, seconds)
        return found

    async def pods(self, dag: str | None = None) -> list[dict[str, Any]]:
        """Pods that have not ended and are not being deleted."""
        selector = {"labelSelector": f"{names.LABEL_DAG}={dag}"} if dag else {}
        found = await self.api.items(paths.pods(self.namespace), **selector)
        return [
            pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") != "Failed"
        ]

    async def on(self, dag: str) -> dict[str, str]:
        """Pod name to node name of a DAG's bound pods."""
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in await self.pods(dag)
            if pod["spec"].get("nodeName")
        }

    async def all_bound(self, dag: str, count: int, seconds: float = 30.0) -> dict[str, str]:
        async def bound() -> Any:
            on = await self.on(dag)
            assert len(on) == count == len(await self.pods(dag)), (
                on,
                [agent.log[-1500:] for agent in self.agents],
            )
            return on

        found: dict[str, str] = await until(f"{dag}: {count} pods bound", bound, seconds)
        return found

    async def events(self, name: str) -> list[dict[str, Any]]:
        found = await self.api.items(paths.events(self.namespace))
        return [event for event in found if event["involvedObject"]["name"] == name]


def node(name: str, region: str, *, cpu: str = "2", memory: str = "4Gi") -> dict[str, Any]:
    """An emulated edge node."""
    resources = {"cpu": cpu, "memory": memory, "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                names.LABEL_TIER: "edge",
                names.LABEL_REGION: region,
                "kubernetes.io/hostname": name,
                "type": "kwok",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [{"key": names.TAINT_EDGE, "value": "true", "effect": "NoSchedule"}]},
        "status": {"capacity": resources, "allocatable": resources},
    }


async def overcommitted(api: Api) -> list[str]:
    """Every node whose pods request more than it has, added up here and nowhere else."""
    capacity = {
        item["metadata"]["name"]: {k: parse(v) for k, v in item["status"]["allocatable"].items()}
        for item in await api.items(paths.nodes())
    }
    used: dict[tuple[str, str], float] = {}
    for item in await api.items(paths.pods()):
        pod = msgspec.convert(item, objects.Pod)
        if pod.spec.node_name and not pod.terminal:
            for resource, amount in {**pod_requests(pod), "pods": 1.0}.items():
                key = (pod.spec.node_name, resource)
                used[key] = used.get(key, 0.0) + amount
    return [
        f"{name}: {amount} {resource} of {capacity[name].get(resource, 0.0)}"
        for (name, resource), amount in used.items()
        if name in capacity and amount > capacity[name].get(resource, 0.0) + 1e-6
    ]


def _up(**options: Any) -> testbed.Testbed:
    wanted = testbed.Options(scenario=None, bare=True, heartbeat="edge", **options)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"pytest-{os.getpid()}-{worker}-agents-{uuid.uuid4().hex[:4]}"
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(testbed.up, name, options=wanted).result()


async def _operator_runs(bed: testbed.Testbed, api: Api) -> None:
    """Start the operator if it does not run: it ends when an outage costs it its Lease."""
    if not any(process.name == local.OPERATOR and process.alive for process in bed.processes):
        await local.start_operator(api, bed.layout)


@pytest.fixture(scope="package")
def bed() -> Iterator[testbed.Testbed]:
    """A control plane without nodes: tests stop its API server and cut its nodes."""
    made = _up()
    try:
        yield made
    finally:
        testbed.down(made.name)


@pytest.fixture
async def region(bed: testbed.Testbed, admin: Api) -> AsyncIterator[Region]:
    """A fresh region with four nodes of 2 cores, and no agent yet; afterwards no node is overcommitted."""
    await _operator_runs(bed, admin)
    name = f"r-{uuid.uuid4().hex[:6]}"
    await new_namespace(admin, name)
    await allow_operator(admin, name)
    await admin.create(paths.edge_controllers(name), edge_controller(name, region=name))
    made = Region(bed, admin, name)
    await made.add_nodes(4)

    async def account() -> Any:
        return await admin.get(paths.serviceaccounts(name, names.AGENT_ACCOUNT))

    await until("the operator makes the agent's account", account)
    yield made
    for agent in made.agents:
        agent.kill()
    crowded = await overcommitted(admin)
    await admin.delete(paths.namespaces(name), missing_ok=True)
    for each in made.nodes:
        await admin.delete(paths.nodes(each), missing_ok=True)
    assert crowded == []
