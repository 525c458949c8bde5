"""ServiceDAGs that come and go, and a watch that notes every binding that was lost or doubled."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.objects import Pod
from edgewright.kube.reflector import Kind, Reflector

Key = tuple[str, str]
"""(namespace, name) of a ServiceDAG."""
T = TypeVar("T")
STAGES, REPLICAS = 4, 2
PODS = STAGES * REPLICAS
PAUSE, MOST = 0.5, 5
"""Seconds between two changes; ServiceDAGs of a region at once."""
SETTLE_SECONDS = 60.0


class Seen:
    """What became of every pod, by uid."""

    def __init__(self, wanted: Callable[[Key], bool]) -> None:
        self.lost: set[str] = set()
        """Bound pods that were deleted although their ServiceDAG stays."""
        self.doubled: set[str] = set()
        """Pods that were on two nodes, and microservices with more pods than replicas."""
        self._wanted = wanted
        self._nodes: dict[str, str] = {}

    @property
    def bound(self) -> int:
        """Pods that were ever seen bound."""
        return len(self._nodes)

    def forget(self) -> None:
        """Begin to count anew."""
        self.lost, self.doubled = set(), set()

    def on_event(self, kind: Kind, key: Key, old: Pod | None, new: Pod | None) -> None:
        """Note one event of the watch."""
        pod = new or old
        if pod is None or names.LABEL_DAG not in pod.metadata.labels:
            return
        uid, node = pod.metadata.uid, pod.spec.node_name
        if node and self._nodes.setdefault(uid, node) != node:
            self.doubled.add(f"{'/'.join(key)} on {self._nodes[uid]} and {node}")
        going = kind == "DELETED" or pod.metadata.deletion_timestamp is not None
        if going and node and self._wanted((key[0], pod.metadata.labels[names.LABEL_DAG])):
            self.lost.add(f"{'/'.join(key)} on {node}")


class Churn:
    """Applies and deletes ServiceDAGs of eight pods in turn, region by region, between `go` and `settle`."""

    def __init__(self, api: Api, regions: Sequence[str]) -> None:
        self._api, self._regions = api, regions
        self._alive: dict[str, list[str]] = {region: [] for region in regions}
        self._kept: set[Key] = set()
        self._numbers = itertools.count()
        self._going = asyncio.Event()
        self._still = asyncio.Lock()
        self._seen = Seen(lambda key: key[1] in self._alive.get(key[0], ()))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Seen]:
        """Let DAGs come and go, and watch all pods, for the time of the block."""
        reflector = Reflector(
            self._api, paths.pods(), Pod, self._seen.on_event, label_selector=names.LABEL_DAG
        )
        tasks = [asyncio.create_task(reflector.run()), asyncio.create_task(self._run())]
        try:
            await reflector.wait_synced()
            yield self._seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def go(self) -> None:
        """Begin, or go on."""
        self._going.set()

    async def _run(self) -> None:
        for region in itertools.cycle(self._regions):
            await self._going.wait()
            async with self._still:
                old = [name for name in self._alive[region] if (region, name) not in self._kept]
                if len(old) >= MOST:
                    name = old[0]
                    self._alive[region].remove(name)
                    path = paths.service_dags(region, name)
                    await patient(partial(self._api.delete, path, missing_ok=True))
                else:
                    await self.add(region)
            await asyncio.sleep(PAUSE)

    async def probe(self, region: str) -> Key:
        """Apply a ServiceDAG that stays at least until all have settled."""
        key = await self.add(region)
        self._kept.add(key)
        return key

    async def add(self, region: str) -> Key:
        """Apply one more ServiceDAG."""
        name = f"churn-{next(self._numbers)}"
        path = paths.service_dags(region, name)
        await patient(lambda: self._api.apply(path, service_dag(name), manager="bench"))
        self._alive[region].append(name)
        return region, name

    async def made(self, key: Key) -> bool:
        """Whether every pod of a ServiceDAG exists."""
        return len(await self._pods(key)) >= PODS

    async def bound(self, key: Key) -> bool:
        """Whether every pod of a ServiceDAG has its node."""
        return sum(bool(pod["spec"].get("nodeName")) for pod in await self._pods(key)) >= PODS

    async def _pods(self, key: Key) -> list[dict[str, Any]]:
        """The pods of a ServiceDAG; none while the API server does not answer."""
        selector = f"{names.LABEL_DAG}={key[1]}"
        try:
            return await self._api.items(paths.pods(key[0]), labelSelector=selector, resourceVersion="0")
        except ApiError:
            return []

    async def story(self, key: Key) -> str:
        """How far a ServiceDAG came."""
        selector = f"{names.LABEL_DAG}={key[1]}"
        made = await self._api.items(paths.deployments(key[0]), labelSelector=selector)
        pods = await self._api.items(paths.pods(key[0]), labelSelector=selector)
        ready = sum((deployment.get("status") or {}).get("readyReplicas", 0) for deployment in made)
        bound = sum(bool(pod["spec"].get("nodeName")) for pod in pods)
        phases = Counter(pod["status"].get("phase", "") for pod in pods)
        return (
            f"{'/'.join(key)} has {len(made)} Deployments with {ready} ready replicas, {len(pods)} pods, "
            f"{bound} of them bound, phases {dict(phases)}"
        )

    async def pause(self) -> None:
        """Stop the coming and going."""
        self._going.clear()
        async with self._still:
            pass

    async def settle(self) -> None:
        """Pause; returns when all is Ready and every microservice has its replicas.

        Raises TimeoutError naming what is not as it should be.
        """
        await self.pause()
        wrong = ""
        for _ in range(int(SETTLE_SECONDS / 0.2)):
            wrong = await patient(self._wrong)
            if not wrong:
                self._kept.clear()
                return
            await asyncio.sleep(0.2)
        raise TimeoutError(f"not as it should be after {SETTLE_SECONDS:.0f} s: {wrong}")

    async def _wrong(self) -> str:
        """What is not as it should be; microservices with too many pods are noted as doubled."""
        for region, alive in self._alive.items():
            dags = {
                item["metadata"]["name"]: item for item in await self._api.items(paths.service_dags(region))
            }
            if dags.keys() != set(alive):
                return f"{region}: ServiceDAGs {sorted(dags.keys() ^ set(alive))}"
            waiting = [name for name, dag in dags.items() if not ready(dag)]
            if waiting:
                said = (dags[waiting[0]].get("status") or {}).get("message")
                return f"{said!r}, and {await self.story((region, waiting[0]))}"
            counts = Counter[tuple[str, str]]()
            for pod in await self._api.items(paths.pods(region), labelSelector=names.LABEL_DAG):
                labels = pod["metadata"]["labels"]
                if "deletionTimestamp" not in pod["metadata"] and labels[names.LABEL_DAG] in dags:
                    counts[labels[names.LABEL_DAG], labels[names.LABEL_MICROSERVICE]] += 1
            expected = {(name, f"s{stage}"): REPLICAS for name in dags for stage in range(STAGES)}
            self._seen.doubled |= {f"{region}/{key}" for key, count in counts.items() if count > REPLICAS}
            if counts != expected:
                return f"{region}: pods {counts} instead of {expected}"
        return ""


async def patient(call: Callable[[], Awaitable[T]]) -> T:
    """Try again while the API server does not answer."""
    while True:
        try:
            return await call()
        except ApiError as error:
            if not (error.unanswered or error.status >= 500 or error.status in {401, 403, 429}):
                raise  # just after its start the server does not know everybody's rights yet
        await asyncio.sleep(0.05)


def ready(dag: dict[str, Any]) -> bool:
    """Whether the present generation of a ServiceDAG is Ready."""
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition.get("observedGeneration") == dag["metadata"]["generation"]
        for condition in (dag.get("status") or {}).get("conditions", [])
    )


def service_dag(name: str) -> dict[str, Any]:
    """A chain of four microservices of two replicas."""
    services = [
        {
            "name": f"s{stage}",
            "image": "registry.k8s.io/pause:3.10",
            "resources": {"cpu": "50m", "memory": "32Mi"},
            "workMInstructions": 1,
            "replicas": {"min": REPLICAS, "max": REPLICAS},
        }
        for stage in range(STAGES)
    ]
    chain = [{"from": f"s{n}", "to": f"s{n + 1}", "payloadKB": 1} for n in range(STAGES - 1)]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ServiceDAG",
        "metadata": {"name": name},
        "spec": {"demand": {"requestsPerSecond": 1}, "microservices": services, "invocations": chain},
    }
