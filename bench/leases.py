"""Renews the Leases of some nodes in KWOK's place, and records how late renewals really were."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.objects import Lease
from edgewright.kube.reflector import Kind, Reflector

HOLDER = "edgewright-bench"
LASTING = 30 * 24 * 3600
"""Duration written to the Leases (s): KWOK leaves them alone even where renewTime lies in the past."""


@dataclass(frozen=True)
class Rhythm:
    """How a node renews."""

    interval: float
    """Seconds between renewals."""
    delayed: float = 0.0
    """Share of the renewals that come late, by chance."""
    stretch: float = 1.8
    """A late renewal comes after so many intervals."""
    skew: float = 0.0
    """Seconds by which the node's clock is ahead."""


class Driver:
    """Renews Leases from `start` until `stop`; count what it did in `renewals` and `late`."""

    def __init__(self, api: Api, rhythms: Mapping[str, Rhythm], seed: int = 0) -> None:
        self.renewals = 0
        self.late = 0
        self._api = api
        self._rhythms = rhythms
        self._seed = seed
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Take every Lease over and renew it from now on."""
        await asyncio.gather(*(self._renew(name, rhythm) for name, rhythm in self._rhythms.items()))
        self._tasks = {
            name: asyncio.create_task(self._drive(name, rhythm)) for name, rhythm in self._rhythms.items()
        }

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """Renew these nodes (default: all) no more; raises what a renewal had raised."""
        ending = [self._tasks.pop(name) for name in list(names or self._tasks)]
        for task in ending:
            task.cancel()
        for result in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _drive(self, name: str, rhythm: Rhythm) -> None:
        draw = random.Random(f"{self._seed} {name}")
        # Nodes do not renew in step.
        due = time.monotonic() + draw.random() * rhythm.interval
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._renew(name, rhythm)
            self.renewals += 1
            late = draw.random() < rhythm.delayed
            self.late += late
            due += rhythm.interval * (rhythm.stretch if late else 1.0)

    async def _renew(self, name: str, rhythm: Rhythm) -> None:
        clock = datetime.now(UTC) + timedelta(seconds=rhythm.skew)
        spec = {
            "holderIdentity": HOLDER,
            "leaseDurationSeconds": LASTING,
            "renewTime": clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        try:
            await self._api.patch(paths.leases(names.NAMESPACE_NODE_LEASE, name), {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            # A healed node has no Lease until KWOK comes round to it.
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": names.NAMESPACE_NODE_LEASE},
                "spec": spec,
            }
            try:
                await self._api.create(paths.leases(names.NAMESPACE_NODE_LEASE), lease)
            except ApiError as conflict:
                if conflict.status != 409:  # KWOK was first
                    raise


class Record:
    """The largest gap between two renewals of each node, by the nodes' own clocks as their Leases tell."""

    def __init__(self, api: Api) -> None:
        self.gaps: dict[str, float] = {}
        self._last: dict[str, float] = {}
        path = paths.leases(names.NAMESPACE_NODE_LEASE)
        self._reflector: Reflector[Lease] = Reflector(api, path, Lease, self._changed)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Watch for the time of the block."""
        running = asyncio.create_task(self._reflector.run())
        try:
            await self._reflector.wait_synced()
            self.gaps.clear()
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])

    def _changed(self, kind: Kind, key: tuple[str, str], old: Lease | None, new: Lease | None) -> None:
        if new is None or not new.spec.renew_time:
            return
        at = datetime.fromisoformat(new.spec.renew_time).timestamp()
        before = self._last.get(key[1], at)
        self._last[key[1]] = at
        self.gaps[key[1]] = max(self.gaps.get(key[1], 0.0), at - before)

    def really_late(self, node: str, interval: float) -> bool:
        """Whether two intervals passed between two renewals: then silence was the node's own."""
        return self.gaps.get(node, 0.0) >= 2.0 * interval


async def give_back(api: Api, nodes: Iterable[str]) -> None:
    """Delete the Leases, so that KWOK renews them again."""
    await asyncio.gather(
        *(api.delete(paths.leases(names.NAMESPACE_NODE_LEASE, name), missing_ok=True) for name in nodes)
    )
