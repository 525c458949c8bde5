"""When each pod was first seen, bound, told to go and gone, as one watch of the API server showed it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from edgewright.kube import names, paths
from edgewright.kube.api import Api
from edgewright.kube.reflector import Kind, Reflector

POLL = 0.05
"""Seconds between two looks at what the watch has shown; times are taken when events arrive."""


class Spec(msgspec.Struct, rename="camel", frozen=True):
    """Where a pod runs."""

    node_name: str = ""


class Metadata(msgspec.Struct, rename="camel", frozen=True):
    """What tells pods apart; fewer fields than the operator's, to cost little."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name


class Pod(msgspec.Struct, frozen=True):
    """A pod as the benchmark follows it."""

    metadata: Metadata
    spec: Spec


@dataclass(slots=True)
class Sighting:
    """One pod's life in monotonic seconds."""

    uid: str
    namespace: str
    name: str
    created: float
    node: str = ""
    bound: float | None = None
    deleted: float | None = None
    """When its deletion was asked for (it may be Terminating for long)."""
    gone: float | None = None


class Sightings:
    """All pods that Edgewright's labels mark, by uid."""

    def __init__(self) -> None:
        self.pods: dict[str, Sighting] = {}
        self.bound = 0
        """Pods that were ever seen bound."""

    def on_event(self, kind: Kind, key: tuple[str, str], old: Pod | None, new: Pod | None) -> None:
        """Note one event of the watch."""
        now = time.monotonic()
        pod = new or old
        if pod is None:
            return
        seen = self.pods.get(pod.metadata.uid)
        if seen is None:
            seen = Sighting(pod.metadata.uid, *key, created=now)
            self.pods[seen.uid] = seen
        if pod.spec.node_name and seen.bound is None:
            seen.node, seen.bound = pod.spec.node_name, now
            self.bound += 1
        if seen.deleted is None and (kind == "DELETED" or pod.metadata.deletion_timestamp):
            seen.deleted = now
        if kind == "DELETED":
            seen.gone = now

    @property
    def living(self) -> list[Sighting]:
        """Pods that nobody asked to delete."""
        return [pod for pod in self.pods.values() if pod.deleted is None]

    async def until(self, what: str, done: Callable[[], bool], seconds: float) -> None:
        """Wait for `done`; TimeoutError naming what was waited for and how far it came."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                living = self.living
                bound = sum(pod.bound is not None for pod in living)
                raise TimeoutError(
                    f"{what}: not within {seconds:g} s; {len(living)} pods live, {bound} of them bound"
                )
            await asyncio.sleep(POLL)


@asynccontextmanager
async def watching(api: Api) -> AsyncIterator[Sightings]:
    """Follow all pods that were compiled from ServiceDAGs, in every namespace, for the time of the block."""
    sightings = Sightings()
    reflector: Reflector[Pod] = Reflector(  # type: ignore[type-var]
        api,
        paths.pods(),
        Pod,
        sightings.on_event,
        label_selector=f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}",
    )
    running = asyncio.create_task(reflector.run())
    try:
        await reflector.wait_synced()
        yield sightings
    finally:
        running.cancel()
        await asyncio.wait([running])
