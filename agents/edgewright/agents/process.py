"""The agent process: one or many regions, each under its own token and Lease."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from edgewright.agents import footprint, metrics
from edgewright.agents.governor import Governor
from edgewright.agents.heartbeats import Heartbeats
from edgewright.agents.policy import FALLBACK
from edgewright.agents.thinking import Thinking
from edgewright.agents.watching import SharedWatches
from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.lease import LeaderLease
from edgewright.kube.metrics import STATES, Reading, observe_request
from edgewright.kube.names import LEASE_AGENT, LEASE_AGENT_SECONDS
from edgewright.kube.serving import address, serving

_PAUSE = 1.0
"""Seconds between two tries for the same region."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What an agent process is told at its start."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; none: KUBECONFIG, then the pod's own account."""
    regions: tuple[tuple[str | None, str], ...] = ((None, "default"),)
    """Context (None: the current one) and namespace of each EdgeController."""
    lease_seconds: int = LEASE_AGENT_SECONDS
    """How long a Lease lasts after its holder vanished."""
    connections: int = 48
    """Concurrent requests of all regions together; a connection takes about a quarter of a megabyte."""
    policy: str = FALLBACK
    """What `algorithm: auto` means in this process: an algorithm, or `module:Class` of one's own."""
    listen: str = ""
    """HOST:PORT of /metrics, /healthz and /readyz of all regions together; none: nothing is served."""


async def serve(settings: Settings) -> None:
    """Govern every region until SIGTERM or SIGINT.

    Raises ListenError if `settings.listen` cannot be served, ApiError when the configuration is unusable,
    ValueError where `settings.policy` is no policy.
    """
    if settings.listen:
        address(settings.listen)
    footprint.use_one_heap()
    footprint.do_without_scipy()
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        share = max(12, settings.connections // len(settings.regions))
        apis = [
            await stack.enter_async_context(
                await Api.connect(
                    settings.kubeconfig,
                    context,
                    connections=share,
                    observe=observe_request if settings.listen else None,
                )
            )
            for context, _ in settings.regions
        ]
        thinking = Thinking(settings.policy)
        stack.callback(thinking.close)
        process = Process(apis, settings, thinking, identity)
        await stack.enter_async_context(serving(settings.listen, process.readiness))
        stack.enter_context(STATES.read_from(process.leading))
        await thinking.warm_up()
        footprint.give_back()
        running = asyncio.create_task(process.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, stopping):
            task.cancel()
        done = await asyncio.gather(running, stopping, return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, Exception):
                raise outcome


class Process:
    """The regions of one process and what they share."""

    def __init__(self, apis: Sequence[Api], settings: Settings, thinking: Thinking, identity: str) -> None:
        self._apis = apis
        self._settings = settings
        self._thinking = thinking
        self._identity = identity
        self._governors: set[Governor] = set()
        self._leases: dict[str, LeaderLease | None] = {namespace: None for _, namespace in settings.regions}
        self._sharing: asyncio.Task[None] | None = None
        self._shared = SharedWatches(apis[0])
        self._heartbeats = Heartbeats(apis[0], self._proof)

    async def run(self) -> None:
        """Seek every region's Lease and govern while it is held, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for api, (_, namespace) in zip(self._apis, self._settings.regions, strict=True):
                    tasks.create_task(self._region(api, namespace), name=f"region {namespace}")
        finally:
            if self._sharing is not None:
                self._sharing.cancel()
                await asyncio.gather(self._sharing, return_exceptions=True)

    async def _region(self, api: Api, namespace: str) -> None:
        """One region, again and again: a lost Lease or a defect ends a term, not the process."""
        ended = ""
        while True:
            try:
                key = await self._controller(api, namespace)
                self._leases[namespace] = lease = self._lease(api, key[0])
                async with lease:
                    await self._term(api, key, lease, ended)
            except Exception as error:  # the other regions of this process go on
                _log.exception("namespace %s: the term ended", namespace)
                ended = f"A term of the agent ended: {_first(error)!r}"
                await asyncio.sleep(_PAUSE)
            else:
                _log.warning("EdgeController %s/%s: the Lease was lost; standing by", *key)
                ended = "The Lease was lost: it could not be renewed in time."

    def readiness(self) -> tuple[bool, str]:
        """Ready when every region is led, or stood by for; the words name the first that is not."""
        said = []
        for namespace, lease in self._leases.items():
            ready, words = (
                (False, "starting, or waiting for its EdgeController") if lease is None else lease.standing
            )
            if not ready:
                return False, f"{namespace}: {words}"
            said.append(f"{namespace}: {words}")
        return True, "\n".join(said)

    def leading(self) -> Iterator[Reading]:
        """Which regions this process leads."""
        for namespace, lease in self._leases.items():
            yield metrics.LEADER.at(lease is not None and lease.is_leader, namespace)

    def _lease(self, api: Api, namespace: str) -> LeaderLease:
        return LeaderLease(api, namespace, LEASE_AGENT, self._identity, duration=self._settings.lease_seconds)

    async def _term(self, api: Api, key: tuple[str, str], lease: LeaderLease, ended: str) -> None:
        """Govern until the Lease is lost; `ended` is what ended the term before."""
        await self._share()
        governor = Governor(
            api,
            key,
            shared=self._shared,
            heartbeats=self._heartbeats,
            thinking=self._thinking,
            identity=self._identity,
            leading=lambda: lease.is_leader,
            ended=ended,
        )
        self._governors.add(governor)
        governing = asyncio.create_task(governor.run(), name=f"govern {key}")
        losing = asyncio.create_task(lease.lost.wait())
        assert self._sharing is not None
        try:
            await asyncio.wait({governing, losing, self._sharing}, return_when=asyncio.FIRST_COMPLETED)
            for essential in (governing, self._sharing):
                if essential.done():
                    essential.result()
        finally:
            self._governors.discard(governor)
            for task in (governing, losing):
                task.cancel()
            await asyncio.gather(governing, losing, return_exceptions=True)

    async def _share(self) -> None:
        """Start what all regions share when the first Lease is won, and again after a defect."""
        if self._sharing is None or self._sharing.done():
            self._sharing = asyncio.create_task(self._run_shared(), name="shared watches")
        await asyncio.gather(*(reflector.wait_synced(3600.0) for reflector in self._shared.reflectors))

    async def _run_shared(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._shared.reflectors:
                tasks.create_task(reflector.run(), name=f"watch {reflector.path}")
            tasks.create_task(self._heartbeats.run(), name="heartbeats")

    async def _controller(self, api: Api, namespace: str) -> tuple[str, str]:
        """The EdgeController of a namespace: the oldest, waited for if there is none."""
        said = ""
        while True:
            try:
                items = await api.items(paths.edge_controllers(namespace))
            except ApiError as error:  # a server that has just started may not know our rights yet
                items, problem = [], str(error)
            else:
                problem = "there is none"
            if items:
                oldest = min(items, key=lambda each: each["metadata"].get("creationTimestamp", ""))
                return namespace, oldest["metadata"]["name"]
            if problem != said:
                said = problem
                _log.warning("namespace %s: waiting for its EdgeController: %s", namespace, problem)
            await asyncio.sleep(_PAUSE)

    def _proof(self, now: float) -> None:
        for governor in self._governors:
            try:
                governor.proof(now)
            except Exception:  # one region's defect must not blind the others
                _log.exception("EdgeController %s/%s: nodes not judged", *governor.region.key)


def _first(error: BaseException) -> BaseException:
    """The first error of a group that has a meaning of its own."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def regions_of(
    kubeconfig: str | None, contexts: Sequence[str], namespace: str | None, *, every: bool
) -> tuple[tuple[str | None, str], ...]:
    """Context and namespace of each region that the command line asks for.

    Without a kubeconfig file (in a pod) the namespace must be given, or is that of the pod. Raises ValueError
    for an unknown context or a kubeconfig that cannot be read.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if path is None:
        own = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
        if namespace is None and own.is_file():
            namespace = own.read_text().strip()
        if namespace is None or contexts or every:
            raise ValueError("no kubeconfig: name one with --kubeconfig or KUBECONFIG, or give --namespace")
        return ((None, namespace),)
    try:
        config = yaml.safe_load(Path(path).expanduser().read_text())
        known = {entry["name"]: entry["context"].get("namespace") for entry in config["contexts"]}
        current = config.get("current-context")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"kubeconfig {path} cannot be read: {error}") from error
    wanted = list(known) if every else list(contexts) or [current]
    unknown = [context for context in wanted if context not in known]
    if unknown:
        raise ValueError(f"kubeconfig {path} has no context {unknown[0]!r}; it has {', '.join(known)}")
    return tuple((context, namespace or known[context] or "default") for context in wanted)
