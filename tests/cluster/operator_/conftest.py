"""The operator as a real process under its own account, regions to use, and a simple agent."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.builders import allow_operator, condition_of, edge_controller, new_namespace, until

from edgewright.emulation import testbed
from edgewright.emulation.testbed import local
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import now
from edgewright.kube.objects import Manifest, Pod
from edgewright.kube.reflector import Reflector


class OperatorProcess:
    """One operator process that can be killed and started again."""

    def __init__(self, bed: testbed.Testbed, name: str = "operator", arguments: Sequence[str] = ()) -> None:
        self.arguments = arguments
        self.kubeconfig = bed.layout.kubeconfigs / "operator-under-test"
        self.log = bed.layout.logs / f"{name}-under-test.log"
        self._bed = bed
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.running:
            return
        if not self.kubeconfig.exists():
            with ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: asyncio.run(self._write_kubeconfig())).result()
        command = [
            sys.executable,
            "-m",
            "edgewright.cli.main",
            "operator",
            "--kubeconfig",
            str(self.kubeconfig),
            *self.arguments,
        ]
        with Path(self.log).open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})

    def kill(self) -> None:
        """End it without any warning."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def terminate(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=20)

    async def _write_kubeconfig(self) -> None:
        async with await Api.connect(str(self._bed.kubeconfig)) as api:
            account = (names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
            await local.write_kubeconfig(api, self._bed.layout, self.kubeconfig, {"operator": account})


@dataclass
class Region:
    """A governed namespace, seen by a test."""

    api: Api
    namespace: str

    async def apply(self, dag: dict[str, Any]) -> dict[str, Any]:
        """Apply a ServiceDAG as a user does."""
        path = paths.service_dags(self.namespace, dag["metadata"]["name"])
        return await self.api.apply(path, dag, manager="test-user")

    async def dag(self, name: str) -> dict[str, Any]:
        return await self.api.get(paths.service_dags(self.namespace, name))

    async def condition(self, name: str, kind: str) -> dict[str, Any]:
        return condition_of(await self.dag(name), kind)

    async def wait(self, name: str, kind: str, status: str, reason: str = "", seconds: float = 30.0) -> Any:
        """Wait for a condition that was judged for the present generation."""

        async def reached() -> Any:
            dag = await self.dag(name)
            found = condition_of(dag, kind)
            current = found.get("observedGeneration") == dag["metadata"]["generation"]
            wanted = found.get("status") == status and (not reason or found.get("reason") == reason)
            assert current and wanted, found or dag.get("status")
            return found

        return await until(f"ServiceDAG {name} {kind}={status}/{reason}", reached, seconds)

    async def objects(self, dag: str) -> list[dict[str, Any]]:
        """Everything that was compiled from a ServiceDAG."""
        kinds = {
            "Deployment": paths.deployments,
            "Service": paths.services,
            "PodDisruptionBudget": paths.pdbs,
        }
        found = []
        for kind, path in kinds.items():
            listed = await self.api.items(path(self.namespace), labelSelector=f"{names.LABEL_DAG}={dag}")
            found += [{**item, "kind": kind} for item in listed]
        return found

    async def pods(self, dag: str) -> list[dict[str, Any]]:
        selector = f"{names.LABEL_DAG}={dag}"
        return await self.api.items(paths.pods(self.namespace), labelSelector=selector)


class Kit:
    """What a test on a private control plane starts with."""

    Process = OperatorProcess
    Region = Region


class SimpleAgent:
    """Binds every pending pod of one namespace to the next node and says that all is placed."""

    def __init__(self, api: Api, namespace: str, nodes: list[str]) -> None:
        self._api, self._namespace, self._nodes = api, namespace, nodes
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.bound: dict[str, dict[str, int]] = {}
        """Fewest bound, not yet ended pods per (ServiceDAG/microservice) since `watch_least`."""
        self.pods = Reflector(api, paths.pods(namespace), Pod, self._on_pod)
        self.dags = Reflector(api, paths.service_dags(namespace), Manifest, self._on_dag)
        self.least: dict[str, int] | None = None

    async def run(self) -> None:
        await asyncio.gather(self.pods.run(), self.dags.run(), self._hold_lease())

    def watch_least(self) -> None:
        """From now on keep the fewest bound pods of each microservice."""
        self.least = self._count()

    def _count(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for pod in self.pods.store.values():
            if pod.spec.node_name and pod.metadata.deletion_timestamp is None:
                key = pod.metadata.labels.get(names.LABEL_MICROSERVICE, "")
                counts[key] = counts.get(key, 0) + 1
        return counts

    def _on_pod(self, *_: Any) -> None:
        if self.least is not None:
            counts = self._count()
            self.least = {key: min(least, counts.get(key, 0)) for key, least in self.least.items()}
        event, _key, _old, new = _
        if event == "ADDED" and new.spec.scheduler_name == names.SCHEDULER and not new.spec.node_name:
            self._spawn(self._bind(new))

    def _on_dag(self, event: str, _: Any, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and (old is None or old.metadata.generation != new.metadata.generation):
            self._spawn(self._report(new))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind(self, pod: Pod) -> None:
        self._next += 1
        target = {"apiVersion": "v1", "kind": "Node", "name": self._nodes[self._next % len(self._nodes)]}
        name = pod.metadata.name
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        try:
            await self._api.create(paths.pods(self._namespace, name, "binding"), body)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    async def _report(self, dag: Manifest) -> None:
        condition = {
            "type": "Placed",
            "status": "True",
            "reason": "PlacedByHeuristic",
            "message": "",
            "observedGeneration": dag.metadata.generation,
            "lastTransitionTime": now(),
        }
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "ServiceDAG",
            "metadata": {"name": dag.metadata.name, "uid": dag.metadata.uid},
            "status": {"conditions": [condition], "predicted": {"latencyMs": 5, "p95Ms": 9}},
        }
        path = paths.service_dags(self._namespace, dag.metadata.name, "status")
        try:
            await self._api.apply(path, body, manager=names.MANAGER_AGENT)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    async def _hold_lease(self) -> None:
        path = paths.leases(self._namespace, names.LEASE_AGENT)
        while True:
            spec = {
                "holderIdentity": "simple",
                "leaseDurationSeconds": 15,
                "renewTime": now().replace("Z", ".000000Z"),
            }
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": names.LEASE_AGENT},
                "spec": spec,
            }
            await self._api.apply(path, body, manager="simple-agent")
            await asyncio.sleep(5)


HALF = "melbourne-small-1"
"""The region whose nodes are governed."""


@pytest.fixture(scope="module")
def operator_process(cluster: testbed.Testbed) -> Iterator[OperatorProcess]:
    """The operator of this worker's cluster; tests may kill it.

    It ends with the file: the next one may want EdgeControllers that nobody governs.
    """
    process = OperatorProcess(cluster)
    yield process
    process.kill()


@pytest.fixture
def operator(operator_process: OperatorProcess) -> OperatorProcess:
    """A running operator."""
    operator_process.start()
    return operator_process


@pytest.fixture
async def region(api: Api, namespace: str, operator: OperatorProcess) -> AsyncIterator[Region]:
    """A fresh region over half of the nodes, without an agent."""
    await allow_operator(api, namespace)
    await api.create(paths.edge_controllers(namespace), edge_controller(namespace, HALF))
    yield Region(api, namespace)
    await api.delete(paths.edge_controllers(namespace, "region"), missing_ok=True)


@pytest.fixture
async def agent(api: Api, region: Region) -> AsyncIterator[SimpleAgent]:
    """A simple agent at work in the region."""
    nodes = await api.items(paths.nodes(), labelSelector=f"{names.LABEL_REGION}={HALF}")
    made = SimpleAgent(api, region.namespace, [node["metadata"]["name"] for node in nodes])
    task = asyncio.create_task(made.run())
    await asyncio.gather(made.pods.wait_synced(), made.dags.wait_synced())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="session")
def operator_kit() -> type[Kit]:
    """The classes for tests that need a control plane of their own."""
    return Kit


@pytest.fixture
def fresh_namespace(api: Api) -> Callable[..., Awaitable[str]]:
    """Makes further namespaces in which the operator may write."""

    async def make_one(prefix: str = "t") -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        await new_namespace(api, name)
        await allow_operator(api, name)
        return name

    return make_one


@pytest.fixture
async def fresh_region(
    api: Api, fresh_namespace: Callable[..., Awaitable[str]]
) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Makes further EdgeControllers named `region`, each in a namespace of its own, gone after the test."""
    made: list[str] = []

    async def make_one(prefix: str = "t", **spec: Any) -> str:
        made.append(await fresh_namespace(prefix))
        body = edge_controller(made[-1], HALF)
        await api.create(paths.edge_controllers(made[-1]), {**body, "spec": spec})
        return made[-1]

    yield make_one
    for namespace in made:
        await api.delete(paths.edge_controllers(namespace, "region"), missing_ok=True)
