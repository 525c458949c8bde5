"""The agent of one region while it holds the Lease: watches, decision loop, node loss, reports."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from edgewright.agents import footprint, metrics
from edgewright.agents.eviction import Evictions
from edgewright.agents.figures import Figures
from edgewright.agents.heartbeats import Heartbeats
from edgewright.agents.pace import Pace
from edgewright.agents.placing import Placer
from edgewright.agents.publish import Publisher
from edgewright.agents.records import Rejected
from edgewright.agents.region import Region
from edgewright.agents.rejections import LIMIT
from edgewright.agents.thinking import Thinking
from edgewright.agents.turns import Key, Turns
from edgewright.agents.watching import RegionWatches, SharedWatches, pod_reference
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.events import EventRecorder
from edgewright.kube.metrics import STATES

COALESCE = 0.005
"""Seconds to wait after an event for those that come with it, so that turns are taken in order."""
_FREED_PAUSE = 0.2
_TRIM_INTERVAL = 15.0
_log = logging.getLogger(__name__)
_clock = time.monotonic


class Governor:
    """Runs one region; make a new one each time the Lease is won."""

    def __init__(
        self,
        api: Api,
        key: tuple[str, str],
        *,
        shared: SharedWatches,
        heartbeats: Heartbeats,
        thinking: Thinking,
        identity: str,
        leading: Callable[[], bool],
        ended: str = "",
    ) -> None:
        """`leading`: whether the Lease is still ours; `ended`: what ended the term before this one."""
        self.region = Region(key, _clock())
        self.evictions = Evictions(api, self.region, heartbeats, self._nodes_changed)
        self._api = api
        self._shared = shared
        self._thinking = thinking
        self._turns = Turns()
        self._wake = asyncio.Event()
        self._recorder = EventRecorder(api, "edgewright-agent", identity)
        pace = Pace(_clock)
        self._figures = Figures(api, self.region, pace, thinking.policy(thinking.auto).name)
        if ended:
            self._figures.note_error(ended)
        self._placer = Placer(
            api,
            self.region,
            self._turns,
            thinking,
            _clock,
            self._changed,
            pace=pace,
            failed=self._figures.note_error,
            leading=leading,
        )
        self._publisher = Publisher(
            api,
            self.region,
            self._placer,
            thinking,
            self._recorder,
            _clock,
            silent=lambda: self.evictions.lost,
            busy=self._busy,
        )
        self._watches = RegionWatches(api, self.region, lambda region: self._wake.set())
        self._clearing: set[asyncio.Task[None]] = set()
        self._freed_at = float("-inf")
        metrics.begin(key[0])

    async def run(self) -> None:
        """Govern until cancelled."""
        region = self.region
        _log.info("EdgeController %s/%s: reading the region", *region.key)
        async with self._watches.open(), self._joined():
            _log.info(
                "EdgeController %s/%s: governing %d nodes and %d ServiceDAGs",
                *region.key,
                len(region.terrain.governed),
                len(region.dags),
            )
            footprint.give_back()
            with STATES.read_from(lambda: metrics.states(self, _clock())):
                await self._work()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._decide(), name="decide")
            tasks.create_task(self._publisher.run(), name="publish")
            tasks.create_task(self._recorder.run(), name="events")
            tasks.create_task(self._figures.run(self._watches.status), name="figures")
            tasks.create_task(self._trim(), name="trim")
            tasks.create_task(self._watches.watch_over(), name="watch over")

    @property
    def unplaced(self) -> int:
        """Pods for which no place was found."""
        return sum(len(standing.unplaced) for standing in self._placer.standings.values())

    @property
    def waiting(self) -> int:
        """ServiceDAGs that wait for a decision."""
        return len(self._turns)

    def predictions(self) -> Iterator[tuple[Key, Mapping[str, float]]]:
        """What the written status of each ServiceDAG predicts."""
        return self._publisher.predictions()

    def proof(self, now: float) -> None:
        """The Lease watch is proven live: judge the nodes."""
        if self.evictions.judge(now):
            self._nodes_changed()

    @contextlib.asynccontextmanager
    async def _joined(self) -> AsyncIterator[None]:
        self._shared.join(self.region, lambda region: self._wake.set())
        try:
            yield
        finally:
            self._shared.leave(self.region)
            self.evictions.close()
            await self._placer.close()

    async def _decide(self) -> None:
        """Take turns until cancelled."""
        while True:
            await self._wait()
            self._look()
            while (key := self._turns.next(_clock())) is not None:
                try:
                    await self._placer.decide(key)
                except Exception as error:  # one DAG's defect must not stop the others
                    _log.exception("ServiceDAG %s/%s: the decision failed", *key)
                    self._figures.note_error(f"ServiceDAG {'/'.join(key)}: the decision failed: {error!r}")
                    self._placer.broke(key, error)
                await asyncio.sleep(0)
                self._look()

    async def _wait(self) -> None:
        now = _clock()
        delays = [self._turns.delay(now)]
        for opening in (self.evictions.flapping, self.region.rejections):
            at = opening.next_opening(now)
            delays.append(None if at is None else max(0.0, at - now))
        if self.region.freed:  # noted shortly after the last time: looked at when its pause is over
            delays.append(max(0.0, self._freed_at + _FREED_PAUSE - now))
        timeout = min((delay for delay in delays if delay is not None), default=None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        if self._wake.is_set():
            await asyncio.sleep(COALESCE)
        self._wake.clear()

    def _look(self) -> None:
        """Turn what the watches noted into turns."""
        region, now = self.region, _clock()
        dirty, region.dirty = region.dirty, set()
        for key in dirty:
            self._placer.look(key)
            self._publisher.mark(key)
            self.evictions.recoveries.look(key, self.evictions.lost, now)
        if region.freed and now - self._freed_at >= _FREED_PAUSE:
            region.freed, self._freed_at = False, now
            self._turns.freed(now)
            self._placer.reconsider_dry_runs()
        refused, region.rejected = region.rejected, []
        for rejection in refused:
            task = asyncio.get_running_loop().create_task(self._clear_away(rejection), name="clear away")
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def _clear_away(self, rejected: Rejected) -> None:
        """Delete a pod that its kubelet refused, so that only its replacement is left."""
        namespace, name = rejected.pod.metadata.key
        message = (
            f"The kubelet of {rejected.pod.spec.node_name} refused it: {rejected.pod.status.reason} "
            f"{rejected.pod.status.message} (time {rejected.count} of {LIMIT})"
        )
        self._recorder.record(pod_reference(rejected.pod), "KubeletRejected", message, warning=True)
        try:
            uid = rejected.pod.metadata.uid
            await self._api.delete(paths.pods(namespace, name), uid=uid, missing_ok=True)
        except ApiError as error:
            _log.warning("refused pod %s/%s was not deleted: %s", namespace, name, error)

    async def _trim(self) -> None:
        """Give memory back now and then, when there is nothing else to do."""
        while True:
            await asyncio.sleep(_TRIM_INTERVAL)
            if not self._busy():
                footprint.trim()

    def _busy(self) -> bool:
        return self._placer.busy or self._turns.delay(_clock()) == 0.0

    def _nodes_changed(self) -> None:
        self._publisher.mark_all()
        self._wake.set()

    def _changed(self, key: tuple[str, str]) -> None:
        self._publisher.mark(key)
        self._wake.set()
