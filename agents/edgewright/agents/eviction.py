"""Acts on a region's silent nodes: closes them, deletes lost pods where the DAG asks for it, reopens them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from edgewright.agents import metrics
from edgewright.agents.heartbeats import Heartbeats
from edgewright.agents.node_loss import Flapping
from edgewright.agents.recovery import Recoveries
from edgewright.agents.region import Region
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.names import LABEL_DAG
from edgewright.kube.objects import Pod

_CONCURRENT = 16
_RETRY = 2.0
_log = logging.getLogger(__name__)


class Evictions:
    """Node loss of one region, by the rules of `docs/explanation` (fast, safe, keep).

    `fast`: pods on a node whose silence a fresh read confirmed are deleted gracefully, by UID. `safe`: the
    node is closed and Kubernetes' own eviction decides. `keep`: nothing is deleted. Pods on a node whose
    object is gone are deleted unless the DAG says `keep`.
    """

    def __init__(self, api: Api, region: Region, heartbeats: Heartbeats, changed: Callable[[], None]) -> None:
        self.flapping = Flapping()
        self.recoveries = Recoveries(region, metrics.RECOVERY.of(region.key[0]).observe)
        self.suspended = False
        """Whether so much of the region is silent that nobody is evicted."""
        self.evicted = 0
        """Pods deleted because their node was lost."""
        self._api = api
        self._region = region
        self._heartbeats = heartbeats
        self._changed = changed
        self._lost: frozenset[str] = frozenset()
        self._deleted: dict[str, float] = {}
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._work: asyncio.Task[None] | None = None

    @property
    def lost(self) -> frozenset[str]:
        """Nodes that broke the rhythm of their Lease and have not returned."""
        return self._lost

    def judge(self, now: float) -> bool:
        """Judge the region's nodes as of the last proof and start what follows; whether anything changed.

        A node counts as lost when it is silent, a fresh read confirms it, and the region is not silent as a
        whole: then nothing is concluded about any node that was not lost before.
        """
        region, detector = self._region, self._heartbeats.detector
        governed = region.terrain.governed
        verdict = detector.judge(governed)
        if verdict.suspended != self.suspended:
            self.suspended = verdict.suspended
            _log.warning("%d of %d nodes late: %s", verdict.late, len(governed), self._stance())
        back = {n for n in self._lost - verdict.silent if n in governed and detector.age(n) is not None}
        for node in back:
            pause = self.flapping.returned(node, now)
            _log.warning("node %s renews its Lease again; used again in %.0f s", node, pause)
        for node in self._lost - governed:
            self.flapping.gone(node)
        self._lost = (self._lost - back) & governed
        changed = self._close(now) or bool(back)
        if self._work is None or self._work.done():
            suspects = set() if self.suspended else set(verdict.silent - self._lost)
            suspects |= {node for node in self._lost if not self.suspended and self._doomed(node, now)}
            orphans = [pod for pod in self._orphans() if self._due(pod, now)]
            if suspects or orphans:
                self._work = asyncio.create_task(self._act(suspects, orphans, now), name="evict")
        return changed

    def _close(self, now: float) -> bool:
        closed = self.flapping.closed(now) | self._lost
        return self._region.close_nodes(closed, frozenset(self._lost))

    def _stance(self) -> str:
        return "evictions are suspended" if self.suspended else "evictions go on"

    def close(self) -> None:
        """Stop evicting."""
        if self._work is not None:
            self._work.cancel()

    def _doomed(self, node: str, now: float) -> list[Pod]:
        """Pods on a silent node that its loss should delete."""
        pods = self._region.pods_on(node)
        return [pod for pod in pods if self._stance_of(pod) == "fast" and self._due(pod, now)]

    def _orphans(self) -> list[Pod]:
        region = self._region
        missing = [node for node in region.nodes_in_use() if not region.terrain.exists(node)]
        pods = [pod for node in missing for pod in region.pods_on(node)]
        return [pod for pod in pods if self._stance_of(pod) in {"fast", "safe"}]

    def _due(self, pod: Pod, now: float) -> bool:
        recently = now - self._deleted.get(pod.metadata.uid, float("-inf")) < _RETRY
        return pod.metadata.deletion_timestamp is None and not recently

    def _stance_of(self, pod: Pod) -> str:
        name = pod.metadata.labels.get(LABEL_DAG)
        record = self._region.dags.get((pod.metadata.namespace, name)) if name else None
        return record.dag.policy.on_node_loss if record is not None and record.dag is not None else ""

    async def _act(self, suspects: set[str], orphans: Iterable[Pod], now: float) -> None:
        """Confirm suspicions by a fresh read, close those nodes, delete the pods that must not wait there."""
        confirmed = await self._heartbeats.confirm(suspects) if suspects else frozenset()
        self.recoveries.lost(confirmed - self._lost, time.monotonic())
        for node in sorted(confirmed - self._lost):
            self.flapping.lost(node, now)
            age = self._heartbeats.detector.age(node) or 0.0
            metrics.DETECTION.of(self._region.key[0]).observe(age)
            _log.warning("node %s is silent for %.1f s", node, age)
        if confirmed - self._lost:
            self._lost |= confirmed
            self._close(now)
            self._changed()
        doomed = [pod for node in confirmed for pod in self._doomed(node, now)]
        doomed += [pod for pod in orphans if await self._really_gone(pod.spec.node_name)]
        await asyncio.gather(*(self._delete(pod, now) for pod in doomed))

    async def _really_gone(self, node: str) -> bool:
        try:
            await self._api.get(paths.nodes(node))
        except ApiError as error:
            return error.status == 404
        return False

    async def _delete(self, pod: Pod, now: float) -> None:
        namespace, name = pod.metadata.key
        self._deleted[pod.metadata.uid] = now
        try:
            async with self._slots:
                await self._api.delete(paths.pods(namespace, name), uid=pod.metadata.uid, missing_ok=True)
        except ApiError as error:
            if error.status != 409:
                _log.warning("pod %s/%s on lost node %s: %s", namespace, name, pod.spec.node_name, error)
            return
        self.evicted += 1
        metrics.EVICTIONS.of(self._region.key[0]).inc()
        if len(self._deleted) > 10_000:
            self._deleted = {uid: at for uid, at in self._deleted.items() if now - at < _RETRY}
