"""The operator process: leads or waits, watches, works through one queue, and ends cleanly."""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from edgewright.kube.api import Api, ApiError
from edgewright.kube.credentials import Source
from edgewright.kube.events import EventRecorder
from edgewright.kube.lease import LeaderLease
from edgewright.kube.metrics import STATES, observe_request
from edgewright.kube.names import OPERATOR_ACCOUNT
from edgewright.kube.serving import serving
from edgewright.operator import metrics, work
from edgewright.operator.agent_template import AgentTemplate, load
from edgewright.operator.dag_worker import DagWorker
from edgewright.operator.installed import differences
from edgewright.operator.load_worker import LoadWorker
from edgewright.operator.log import configure, log
from edgewright.operator.observer import Observer
from edgewright.operator.perform import NotLeadingError, Performer
from edgewright.operator.queue import KeyedQueue
from edgewright.operator.region_worker import RegionWorker
from edgewright.operator.regions import version_of
from edgewright.operator.settings import OperatorSettings
from edgewright.operator.world import OUR_KINDS, World

EXIT_LOST_LEASE = 3
"""Status after losing the Lease: a fresh process may start as a standby."""
_HEARING = 20.0
"""Seconds after which a watch must have told what is known otherwise."""
_GARBAGE = 20_000
"""Objects made since the last collection that start the next one: with Python's 700, collections took a fifth
of the CPU time while ServiceDAGs come."""
_REQUIRED = ("servicedags", "edgecontrollers", "nodeloads", "edgetopologies")


class Operator:
    """Everything that runs while this process leads."""

    def __init__(
        self, api: Api, settings: OperatorSettings, lease: LeaderLease, template: AgentTemplate | None = None
    ) -> None:
        self.queue: KeyedQueue[work.Work] = KeyedQueue(base=settings.backoff_base, cap=settings.backoff_cap)
        self.world = World(api, self.queue)
        self._settings, self._lease = settings, lease
        self._events = EventRecorder(api, OPERATOR_ACCOUNT, settings.identity)
        performer = Performer(api, self.world, slots=settings.writes, leading=lambda: lease.is_leader)
        self._dags = DagWorker(api, self.world, performer, self._events)
        self._regions = RegionWorker(api, self.world, performer, template)
        self._loads = LoadWorker(api, self.world, performer, refresh=settings.load_refresh)
        self._agents: dict[str, bool] = {}
        self._observer = self._observing(settings)
        self._stopping = False
        self._heard = dict.fromkeys(OUR_KINDS, 0)
        """The newest resource version of each of our kinds that the watch has told."""

    async def run(self) -> None:
        """Watch and work until cancelled, then let running work end."""
        from edgewright.operator.watches import Watches  # noqa: PLC0415 - kopf is an extra of the operator

        source = Source.find(self._settings.kubeconfig, self._settings.context)
        background = [asyncio.create_task(reflector.run()) for reflector in self.world.reflectors]
        watches = Watches(source, self._see)
        background += [asyncio.create_task(self._events.run()), asyncio.create_task(watches.run())]
        workers: list[asyncio.Task[None]] = []
        try:
            await self._synchronise()
            gc.collect()
            gc.freeze()  # modules and the first lists stay: collections need not look at them again
            gc.set_threshold(_GARBAGE)
            log.info(
                "leading: %d ServiceDAGs, %d EdgeControllers, %d nodes, %d pods",
                len(self.world.dags),
                len(self.world.controllers),
                len(self.world.nodes.store),
                len(self.world.pods.store),
            )
            background += [
                asyncio.create_task(self._resync()),
                asyncio.create_task(self._listen(watches.restart)),
            ]
            if self._observer is not None:
                background.append(asyncio.create_task(self._observer.run()))
            workers = [asyncio.create_task(self._worker()) for _ in range(self._settings.workers)]
            with STATES.read_from(lambda: metrics.states(self.world, self.queue.backlog.depth())):
                await asyncio.gather(*background, *workers)
        finally:
            self._stopping = True
            await self._wind_down(workers)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            with contextlib.suppress(ApiError, TimeoutError):
                await asyncio.wait_for(self._events.close(), 2.0)

    def _observing(self, settings: OperatorSettings) -> Observer | None:
        if not settings.prometheus:
            return None
        self.world.measured = {}
        return Observer(
            settings.prometheus,
            window=settings.observation_window,
            interval=settings.observation_interval,
            credentials=settings.prometheus_credentials,
            known=self.world.dags.keys,
            changed=self.world.see_measurements,
        )

    async def _synchronise(self) -> None:
        delay = 0.2
        while True:
            try:
                await self.world.synchronise()
            except ApiError as error:
                log.warning("first look at the cluster: %s; trying again in %.1f s", error, delay)
                await asyncio.sleep(delay)
                delay = min(2 * delay, 10.0)
            else:
                return

    async def _wind_down(self, workers: list[asyncio.Task[None]]) -> None:
        """Idle workers end at once, busy ones after their key or the grace; all at once without the Lease."""
        for task in workers:
            if task.get_name() == "idle":
                task.cancel()
        if workers:
            grace = self._settings.shutdown_grace if self._lease.is_leader else 0.0
            _, late = await asyncio.wait(workers, timeout=grace)
            for task in late:
                task.cancel()

    async def _worker(self) -> None:
        task = asyncio.current_task()
        while task is not None and not self._stopping:
            task.set_name("idle")
            key = await self.queue.get()
            task.set_name(str(key))
            failed, retry_after, after = True, 0.0, None
            result, started = "error", time.perf_counter()
            try:
                failed, retry_after, after = await self._work(key)
                result = "failed" if failed else "ok"
            except NotLeadingError:
                result = "unled"
                log.warning("%s: not written, because the Lease may be lost", key)
            except ApiError as error:
                result, retry_after = "refused", error.retry_after or 0.0
                log.warning("%s: %s", key, error)
            except Exception:
                log.exception("%s: unexpected error; it is tried again later", key)
            finally:
                self.queue.done(key, failed=failed, retry_after=retry_after)
                metrics.RECONCILE.of(key.kind).observe(time.perf_counter() - started)
                metrics.RECONCILES.of(key.kind, result).inc()
            if after is not None and not failed:
                self.queue.add_after(key, after)

    async def _work(self, key: work.Work) -> tuple[bool, float, float | None]:
        """(failed, seconds to wait at least after a failure, seconds until the next look)."""
        if key.kind == "ServiceDAG":
            result = await self._dags.work((key.namespace, key.name))
            return result.failed, result.retry_after, result.after
        if key == work.REGIONS:
            return False, 0.0, await self._regions.work()
        if key == work.LOADS:
            return False, 0.0, await self._loads.work()
        return False, 0.0, self._watch_agents()

    def _watch_agents(self) -> float | None:
        """Note which agents came or went; returns the seconds until the next Lease can expire."""
        for controller in self.world.controllers.values():
            home = controller.key[0]
            alive = self.world.agent_alive(controller)
            if self._agents.get(home) != alive:
                self._agents[home] = alive
                self.queue.add(work.REGIONS)
                claim = self.world.claims.get(controller.key)
                self.world.mark_dags(set() if claim is None else claim.namespaces)
                log.info("EdgeController %s/%s: agent %s", *controller.key, "ready" if alive else "missing")
        moment = time.monotonic()
        expiry = self.world.agents.next_expiry(moment)
        return None if expiry is None else max(0.1, expiry - moment)

    async def _resync(self) -> None:
        """Look at everything now and then: a missed event or an unwatched object is mended by this."""
        while True:
            await asyncio.sleep(self._settings.resync)
            try:
                self._regions.distrust()
                await self.world.resync()
            except ApiError as error:
                log.warning("resync: %s", error)

    async def _listen(self, restart: Callable[[], None]) -> None:
        """Restart a deaf watch: what the API server has and what we wrote, it must have told too."""
        while True:
            known = {plural: await self._newest(plural) for plural in OUR_KINDS}
            await asyncio.sleep(_HEARING)
            missed = [plural for plural, newest in known.items() if self._heard[plural] < newest]
            if missed:
                log.error("the watch has missed some of %s for %.0f s", " and ".join(missed), _HEARING)
                restart()

    async def _newest(self, plural: str) -> int:
        newest = self.world.newest(plural)
        with contextlib.suppress(ApiError):  # then the next round will tell
            newest = max(newest, await self.world.newest_on_server(plural))
        return newest

    def _see(self, plural: str, event: str | None, body: Mapping[str, Any]) -> None:
        self._heard[plural] = max(self._heard[plural], version_of(body))
        see = self.world.see_dag if plural == "servicedags" else self.world.see_controller
        see(event, body)


async def run(settings: OperatorSettings) -> int:
    """Run until SIGTERM or SIGINT (0) or until the Lease is lost (EXIT_LOST_LEASE).

    Raises TemplateError if the agent template cannot be used, before anything else, ListenError if
    `settings.listen` cannot be served, ApiError if the configuration is unusable.
    """
    configure(settings.log_level)
    template = load(settings.agent_template) if settings.agent_template is not None else None
    log.info("operator starts with %s", ", ".join(settings.lines()))
    if template is not None:
        log.info("agents are deployed with image %s", template.image)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            await Api.connect(
                settings.kubeconfig,
                settings.context,
                connections=settings.writes + 8,
                observe=observe_request if settings.listen else None,
            )
        )
        lease = LeaderLease(
            api, settings.namespace, settings.lease, settings.identity, duration=settings.lease_duration
        )
        await stack.enter_async_context(serving(settings.listen, lambda: lease.standing))
        stack.enter_context(STATES.read_from(lambda: [metrics.LEADER.at(lease.is_leader)]))
        stopped = asyncio.create_task(stop.wait())
        leading = asyncio.create_task(_lead(api, settings, lease, template))
        await asyncio.wait({stopped, leading}, return_when=asyncio.FIRST_COMPLETED)
        if leading.done():
            stopped.cancel()
            return leading.result()
        log.info("stopping: running work ends first")
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        await lease.close()
        log.info("stopped")
        return 0


async def _lead(
    api: Api, settings: OperatorSettings, lease: LeaderLease, template: AgentTemplate | None
) -> int:
    await _kinds_served(api)
    await lease.acquire()
    running = asyncio.create_task(Operator(api, settings, lease, template).run())
    lost = asyncio.create_task(lease.lost.wait())
    try:
        await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        log.error("the Lease is lost; this process ends")
        return EXIT_LOST_LEASE
    finally:
        for task in (running, lost):
            task.cancel()
        await asyncio.gather(running, lost, return_exceptions=True)


async def _kinds_served(api: Api) -> None:
    """Wait until the API server serves our kinds, telling the user what to install."""
    told, delay = "", 0.2
    while True:
        try:
            served = await api.get("/apis/edgewright.dev/v1alpha1")
            missing = set(_REQUIRED) - {resource["name"] for resource in served["resources"]}
            problem = f"kinds missing: {', '.join(sorted(missing))}" if missing else ""
        except ApiError as error:
            problem = str(error)
        if not problem:
            for difference in await differences(api):
                log.warning("%s (manifests/crds, or the chart edgewright-crds)", difference)
            return
        if problem != told:
            log.warning("waiting for the custom resources (%s); install manifests/ with kubectl", problem)
            told = problem
        await asyncio.sleep(delay)
        delay = min(2 * delay, 5.0)


__all__ = ["EXIT_LOST_LEASE", "Operator", "run"]
