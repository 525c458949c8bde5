"""Leader election on a coordination Lease, by updates that name the resource version they replace."""

import asyncio
import contextlib
import logging
import random
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError

_HURRY = 0.2
"""Part of the usual pause after which a renewal that failed is tried again."""
_log = logging.getLogger(__name__)


class LeaderLease:
    """One candidate for one Lease.

    Another holder's Lease counts as expired when it has not changed for its own `leaseDurationSeconds` on
    this process' monotonic clock, so wall clocks need not agree. Holding is counted from before the renewal
    was sent: `is_leader` turns False before anyone else may take over, even if the event loop stalls.
    A candidate watches the Lease, so that it takes over the moment it is released or expires; where it may
    not watch, it looks every `retry` seconds.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: int = 15,
        deadline: float | None = None,
        retry: float | None = None,
    ) -> None:
        """`duration` is written to the Lease; leadership is given up `deadline` seconds after a renewal.

        By default that is after three quarters of `duration`, and a renewal is sent every quarter. Raises
        ValueError unless retry < deadline < duration.
        """
        deadline = 0.75 * duration if deadline is None else deadline
        retry = 0.25 * duration if retry is None else retry
        if not 0 < retry < deadline < duration:
            raise ValueError(f"Lease {namespace}/{name}: need retry < deadline < duration, all in seconds")
        self.identity = identity
        self.lost = asyncio.Event()
        """Set when leadership was held and is gone; it is not sought again."""
        self.holder = ""
        """Who holds the Lease, as last seen."""
        self._api = api
        self._path = paths.leases(namespace, name)
        self._collection = paths.leases(namespace)
        self._name = name
        self._duration = duration
        self._deadline = deadline
        self._retry = retry
        self._seen: tuple[str, float] = ("", float("-inf"))
        self._expires = float("-inf")
        """When the Lease of another holder would expire, were it not renewed; monotonic seconds."""
        self._answered = float("-inf")
        self._held_until = float("-inf")
        self._current: dict[str, Any] = {}
        self._renewals: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def is_leader(self) -> bool:
        """Whether this process may act as leader now."""
        return not self.lost.is_set() and time.monotonic() < self._held_until

    @property
    def standing(self) -> tuple[bool, str]:
        """Whether this candidate leads, or stands by in touch with the API server; and that in words."""
        if self.is_leader:
            return True, "leading"
        if self.lost.is_set():
            return False, "the Lease was lost"
        if time.monotonic() - self._answered > self._duration:
            return False, "its Lease has not been read lately"
        return True, f"standing by for {self.holder or 'nobody'}"

    async def acquire(self) -> None:
        """Wait until this candidate leads, then keep renewing in the background; API errors are retried."""
        told = ""
        while not await self._attempt():
            if self.holder != told:
                told = self.holder
                _log.info("%s stands by: %s leads %s", self.identity, self.holder, self._path)
            await self._stand_by()
        _log.info("%s leads %s", self.identity, self._path)
        self._renewals = asyncio.create_task(self._renew(), name=f"renew {self._path}")

    async def close(self) -> None:
        """Stop renewing and, if still the holder, release the Lease so that a standby takes over at once."""
        if self._renewals is not None:
            self._closing = True
            self._renewals.cancel()
            await asyncio.gather(self._renewals, return_exceptions=True)
            self._renewals = None
        if self.is_leader:
            self._held_until = float("-inf")
            try:
                await self._release()
            except ApiError as error:
                _log.warning("%s: not released: %s", self._path, error)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _release(self) -> None:
        """Give the Lease back, also if a renewal that was cut short has changed it meanwhile."""
        for last in (False, True):
            spec = {**self._current["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            try:
                await self._put({**self._current, "spec": spec})
            except ApiError as error:
                if last or error.status != 409 or not await self._still_ours():
                    raise
            else:
                return

    async def _attempt(self) -> bool:
        try:
            return await self._take()
        except ApiError as error:
            if error.status != 409:
                _log.warning("%s: %s", self._path, error)
            return False

    async def _take(self) -> bool:
        asked = time.monotonic()
        try:
            lease = await self._api.get(self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            fresh = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": self._spec({}),
            }
            self._won(await self._api.create(self._collection, fresh), asked)
            return True
        self._see(lease)
        if self.holder not in {"", self.identity} and time.monotonic() < self._expires:
            return False
        self._won(await self._put({**lease, "spec": self._spec(lease.get("spec") or {})}), asked)
        return True

    def _see(self, lease: dict[str, Any]) -> None:
        """Note who holds the Lease and when it would expire."""
        self._answered = time.monotonic()
        spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
        self.holder = spec.get("holderIdentity") or ""
        if version != self._seen[0]:
            self._seen = (version, time.monotonic())
        self._expires = self._seen[1] + (spec.get("leaseDurationSeconds") or self._duration)

    async def _stand_by(self) -> None:
        """Wait until the Lease may be free; after anything unexpected, until another look is worth it."""
        with contextlib.suppress(ApiError):
            if self.holder and time.monotonic() < self._expires and await self._until_free():
                return
        await asyncio.sleep(self._retry * random.uniform(0.8, 1.2))

    async def _until_free(self) -> bool:
        """Watch the Lease; True when it was released, deleted or expired, False when the watch ended."""
        clock, selector = asyncio.get_running_loop().time, {"fieldSelector": f"metadata.name={self._name}"}
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(self._expires - time.monotonic()) as limit,
                self._api.watch(self._collection, resource_version=self._seen[0], params=selector) as lines,
            ):
                async for line in lines:
                    event = msgspec.json.decode(line)
                    if event.get("type") in {"ADDED", "MODIFIED"}:
                        self._see(event["object"])
                        limit.reschedule(clock() + self._expires - time.monotonic())
                        if not self.holder:
                            return True
                    elif event.get("type") != "BOOKMARK":
                        return bool(event.get("type") == "DELETED")
                return False
        return True

    async def _renew(self) -> None:
        try:
            await self._keep_renewing()
        finally:
            if not self._closing:
                self._held_until = float("-inf")
                self.lost.set()

    async def _keep_renewing(self) -> None:
        while self.is_leader:
            asked, pause = time.monotonic(), self._retry
            try:
                lease = {**self._current, "spec": self._spec(self._current["spec"])}
                async with asyncio.timeout(self._held_until - asked):
                    self._won(await self._put(lease), asked)
            except TimeoutError:
                break
            except ApiError as error:
                if error.status == 409 and not await self._still_ours():
                    _log.error("%s was lost to %s", self._path, self.holder or "a deletion")
                    break
                _log.warning("%s: renewal failed: %s", self._path, error)
                pause *= _HURRY  # a server that restarts is back any moment, and time runs out
            left = max(0.0, self._held_until - time.monotonic())
            await asyncio.sleep(min(pause * random.uniform(0.8, 1.0), left))

    async def _still_ours(self) -> bool:
        """Whether a conflicting Lease is our own, written by a request whose answer was lost."""
        try:
            lease = await self._api.get(self._path)
        except ApiError as error:
            self.holder = ""
            return error.unanswered or error.status >= 500 or error.status == 429
        self.holder = (lease.get("spec") or {}).get("holderIdentity") or ""
        self._current = lease
        return self.holder == self.identity

    async def _put(self, lease: dict[str, Any]) -> dict[str, Any]:
        return await self._api.replace(self._path, lease)

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = before.get("holderIdentity") == self.identity
        transitions = before.get("leaseTransitions") or 0
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._duration,
            "acquireTime": before.get("acquireTime") if mine else stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions if mine or not before else transitions + 1,
        }

    def _won(self, lease: dict[str, Any], asked: float) -> None:
        self._current = lease
        self.holder = self.identity
        self._held_until = asked + self._deadline
