"""The watches of an agent process: nodes, links and load once per process, pods and DAGs per region."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from edgewright.agents.region import Region
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.names import API_VERSION
from edgewright.kube.objects import Manifest, Node, Pod, Resource
from edgewright.kube.reflector import Kind, Reflector

_log = logging.getLogger(__name__)
T = TypeVar("T", bound=Resource)
Listener = Callable[[Region], None]


class SharedWatches:
    """Nodes, EdgeTopologies and NodeLoads: read once, told to every region that joined."""

    def __init__(self, api: Api) -> None:
        self._regions: dict[Region, Listener] = {}
        self.nodes = Reflector(api, paths.nodes(), Node, self._node)
        self.topologies = Reflector(api, paths.edge_topologies(), Manifest, self._topology)
        self.loads = Reflector(api, paths.node_loads(), Manifest, self._load)

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        """What to run."""
        return self.nodes, self.topologies, self.loads

    def join(self, region: Region, wake: Listener) -> None:
        """Tell `region` everything known now, and every change; `wake` is called after each."""
        self._regions[region] = wake
        region.topologies_changed(self._plain_topologies())
        for (_, name), node in self.nodes.store.items():
            region.node_changed(name, node)
        for (_, name), load in self.loads.store.items():
            if _addressee(load) == region.key:
                region.load_changed(name, load, time.monotonic())

    def leave(self, region: Region) -> None:
        """Tell `region` nothing more."""
        self._regions.pop(region, None)

    def _node(self, kind: Kind, key: tuple[str, str], old: Node | None, new: Node | None) -> None:
        for region, wake in self._regions.items():
            region.node_changed(key[1], new)
            if key[1] in region.terrain.grant.nodes:
                wake(region)

    def _topology(self, kind: Kind, key: tuple[str, str], old: Manifest | None, new: Manifest | None) -> None:
        if not self.topologies.synced.is_set():
            return
        for region, wake in self._regions.items():
            region.topologies_changed(self._plain_topologies())
            wake(region)

    def _load(self, kind: Kind, key: tuple[str, str], old: Manifest | None, new: Manifest | None) -> None:
        for region, wake in self._regions.items():
            for load in (new, old):
                if load is not None and _addressee(load) == region.key:
                    region.load_changed(key[1], new, time.monotonic())
                    wake(region)
                    break

    def _plain_topologies(self) -> list[dict[str, Any]]:
        return [msgspec.to_builtins(manifest) for manifest in self.topologies.store.values()]


def _addressee(load: Manifest) -> tuple[str, str]:
    reference = load.spec.get("edgeController") or {}
    return str(reference.get("namespace", "")), str(reference.get("name", ""))


class RegionWatches:
    """The EdgeController's object, and the ServiceDAGs and pods of its namespaces, told to one Region."""

    def __init__(self, api: Api, region: Region, wake: Listener) -> None:
        self._api = api
        self._region = region
        self._wake = wake
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._pods: dict[str, Reflector[Pod]] = {}
        self._dags: dict[str, Reflector[Manifest]] = {}
        self._following = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._listed = False
        self._broken = asyncio.Event()
        namespace, name = region.key
        self.controller = Reflector(
            api,
            paths.edge_controllers(namespace),
            Manifest,
            self._controller_changed,
            field_selector=f"metadata.name={name}",
        )

    @property
    def status(self) -> Mapping[str, Any]:
        """The EdgeController's status as last seen."""
        controller = self.controller.store.get(self._region.key)
        return controller.status if controller is not None else {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run all watches; the body starts when every first list is complete."""
        own = asyncio.create_task(self.controller.run(), name=f"watch EdgeController {self._region.key}")
        try:
            await self.controller.wait_synced(3600.0)
            await self._follow()
            self._listed = True
            self._region.dirty.update(self._region.dags)
            yield
        finally:
            tasks = [own, *(task for tasks in self._tasks.values() for task in tasks)]
            if self._follower is not None:
                tasks.append(self._follower)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Watch exactly the governed namespaces, and wait for their lists."""
        async with self._following:
            wanted = self._region.terrain.grant.namespaces
            for namespace in set(self._tasks) - set(wanted):
                self._leave(namespace)
            opened: list[Reflector[Any]] = []
            for namespace in wanted:
                if namespace not in self._tasks:
                    opened += self._enter(namespace)
            await asyncio.gather(*(reflector.wait_synced(3600.0) for reflector in opened))

    def _enter(self, namespace: str) -> tuple[Reflector[Any], ...]:
        dags = Reflector(self._api, paths.service_dags(namespace), Manifest, self._dag_changed)
        pods = Reflector(self._api, paths.pods(namespace), Pod, self._pod_changed)
        self._dags[namespace], self._pods[namespace] = dags, pods
        self._tasks[namespace] = [self._start(reflector) for reflector in (dags, pods)]
        return dags, pods

    def _start(self, reflector: Reflector[Any]) -> asyncio.Task[None]:
        task = asyncio.create_task(reflector.run(), name=f"watch {reflector.path}")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._broken.set()

    async def watch_over(self) -> None:
        """Wait for a watch to end, which only a defect can make it do, and raise its error."""
        await self._broken.wait()
        for tasks in self._tasks.values():
            for task in tasks:
                if task.done():
                    task.result()

    def _leave(self, namespace: str) -> None:
        for task in self._tasks.pop(namespace):
            task.cancel()
        for pod in self._pods.pop(namespace).store.values():
            self._region.pod_changed(pod, None, time.monotonic())
        for key in self._dags.pop(namespace).store:
            self._region.dag_changed(key, None)

    def _controller_changed(
        self, kind: Kind, key: tuple[str, str], old: Manifest | None, new: Manifest | None
    ) -> None:
        if not self._region.grant_changed(new):
            return  # only figures and conditions moved
        if self._listed and set(self._region.terrain.grant.namespaces) != set(self._tasks):
            self._follower = asyncio.get_running_loop().create_task(self._follow())
        self._wake(self._region)

    def _dag_changed(
        self, kind: Kind, key: tuple[str, str], old: Manifest | None, new: Manifest | None
    ) -> None:
        if old is not None and new is not None and _only_status(old, new):
            self._region.dags[key].manifest = new
            if old.status.get("desired") == new.status.get("desired"):
                return
        self._region.dag_changed(key, new)
        self._wake(self._region)

    def _pod_changed(self, kind: Kind, key: tuple[str, str], old: Pod | None, new: Pod | None) -> None:
        self._region.pod_changed(old, new, time.monotonic())
        self._wake(self._region)


def _only_status(old: Manifest, new: Manifest) -> bool:
    return (
        old.metadata.uid == new.metadata.uid
        and old.metadata.generation == new.metadata.generation
        and old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
    )


def service_dag_reference(manifest: Manifest) -> dict[str, Any]:
    """What an event about a ServiceDAG refers to."""
    metadata = manifest.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": "ServiceDAG",
        "metadata": {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid},
    }


def pod_reference(pod: Pod) -> dict[str, Any]:
    """What an event about a pod refers to."""
    metadata = pod.metadata
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid},
    }
