"""A local copy of one collection of the API, kept current by list and watch."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError, refusal
from edgewright.kube.objects import Metadata, Resource

T = TypeVar("T", bound=Resource)
Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped objects."""
Kind = Literal["ADDED", "MODIFIED", "DELETED"]
OnEvent = Callable[[Kind, Key, T | None, T | None], None]
"""Called with (kind, key, old, new): `old` is None for ADDED, `new` is None for DELETED."""

_log = logging.getLogger(__name__)
_BACKOFF = (0.2, 10.0)


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Bare(msgspec.Struct):
    metadata: Metadata


class Reflector(Generic[T]):
    """Lists a path in pages, then watches it; resumes after a break and lists again when the gap is too old.

    `decode_type` is a msgspec Struct with the fields to keep. After a new list the differences to the old
    copy are reported as events, deletions included, so that a caller that counts events misses nothing. The
    callback runs in the event loop and must not block. An object that does not decode is left out, logged and
    kept in `undecodable` with the error.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        decode_type: type[T],
        on_event: OnEvent[T] | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page: int = 500,
        idle: float = 90.0,
        watch_seconds: int = 300,
    ) -> None:
        self.path = path
        self.store: dict[Key, T] = {}
        self.synced = asyncio.Event()
        self.undecodable: dict[Key, str] = {}
        self.last_error: ApiError | None = None
        """Why the last request failed; None while the watch is healthy."""
        self.lists = 0
        """How many times the whole collection was read."""
        self._api = api
        self._decoder = msgspec.json.Decoder(decode_type)
        self._pages = msgspec.json.Decoder(_Page)
        self._events = msgspec.json.Decoder(_Event)
        self._bare = msgspec.json.Decoder(_Bare)
        self._on_event = on_event
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._selectors = {name: value for name, value in selectors.items() if value}
        self._page = page
        self._idle = idle
        self._watch_seconds = watch_seconds
        self._version = ""
        self._heard = float("-inf")

    def last_heard(self) -> float:
        """Monotonic time of the last answer, event or bookmark: until then the copy was provably current."""
        return self._heard

    async def wait_synced(self, seconds: float = 30.0) -> None:
        """Wait for the first complete list; raises the last ApiError, or TimeoutError, after `seconds`."""
        try:
            await asyncio.wait_for(self.synced.wait(), seconds)
        except TimeoutError:
            if self.last_error is not None:
                raise self.last_error from None
            raise TimeoutError(f"{self.path}: no complete list within {seconds:g} s") from None

    async def run(self) -> None:
        """List and watch until cancelled; API errors are retried with jittered backoff, never raised."""
        delay = _BACKOFF[0]
        while True:
            before, started = self._heard, time.monotonic()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if _too_old(error):
                    _log.info("%s: watch gap, listing again (%s)", self.path, error.message)
                    self._version = ""
                self.last_error = error
                if self._heard > before:
                    delay = _BACKOFF[0]
                else:
                    _log.warning("%s: %s; trying again in %.1f s", self.path, error, delay)
            else:
                if time.monotonic() > started + 1.0:
                    delay = _BACKOFF[0]
                    continue
            await asyncio.sleep(max(error_delay(self.last_error), delay) * random.uniform(0.5, 1.0))
            delay = min(2 * delay, _BACKOFF[1])

    async def _list(self) -> None:
        query = {**self._selectors, "limit": str(self._page)}
        found: dict[Key, T] = {}
        self.undecodable.clear()
        while True:
            page = self._pages.decode(await self._api.raw("GET", self.path, params=query))
            self._heard = time.monotonic()
            for raw in page.items or []:
                item = self._decoded(raw)
                if item is not None:
                    found[item.metadata.key] = item
            if not page.metadata.continue_:
                break
            query = {**query, "continue": page.metadata.continue_}
        self.lists += 1
        self._replace(found)
        self._version = page.metadata.resource_version
        self.last_error = None
        self.synced.set()

    def _replace(self, found: dict[Key, T]) -> None:
        for key, old in list(self.store.items()):
            new = found.get(key)
            if new is None or new.metadata.uid != old.metadata.uid:
                self._forget(key)
        for key, new in found.items():
            self._keep(key, new)

    async def _watch(self) -> None:
        async with self._api.watch(
            self.path,
            resource_version=self._version,
            idle=self._idle,
            seconds=self._watch_seconds,
            params=self._selectors,
        ) as lines:
            self._heard = time.monotonic()
            self.last_error = None
            async for line in lines:
                self._heard = time.monotonic()
                self._handle(self._events.decode(line))

    def _handle(self, event: _Event) -> None:
        if event.type == "ERROR":
            raise _watch_error(event.object)
        metadata = None
        if event.type != "BOOKMARK":
            item = self._decoded(event.object)
            metadata = item.metadata if item is not None else None
            if item is not None and event.type == "DELETED":
                self._forget(item.metadata.key)
                self.undecodable.pop(item.metadata.key, None)
            elif item is not None:
                self._keep(item.metadata.key, item)
        if metadata is None:
            metadata = self._bare.decode(event.object).metadata
        self._version = metadata.resource_version

    def _decoded(self, raw: msgspec.Raw) -> T | None:
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            key = self._bare.decode(raw).metadata.key
            _log.error("%s %s/%s does not decode and is left out: %s", self.path, *key, error)
            self.undecodable[key] = str(error)
            self._forget(key)
            return None

    def _keep(self, key: Key, new: T) -> None:
        old = self.store.get(key)
        if old is not None and old.metadata.uid != new.metadata.uid:
            self._forget(key)
            old = None
        if old is not None and old.metadata.resource_version == new.metadata.resource_version:
            return
        self.store[key] = new
        self.undecodable.pop(key, None)
        if self._on_event is not None:
            self._on_event("ADDED" if old is None else "MODIFIED", key, old, new)

    def _forget(self, key: Key) -> None:
        old = self.store.pop(key, None)
        if old is not None and self._on_event is not None:
            self._on_event("DELETED", key, old, None)


def error_delay(error: ApiError | None) -> float:
    """Seconds that the server asked to wait, at most 10; 0 if it named none."""
    return min(error.retry_after or 0.0, _BACKOFF[1]) if error is not None else 0.0


def _too_old(error: ApiError) -> bool:
    """Whether the resource version is gone, or is one that a restored server has never had."""
    if error.status == 410 or error.reason in {"Expired", "Gone"}:
        return True
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)


def _watch_error(raw: msgspec.Raw) -> ApiError:
    error = refusal(0, None, bytes(raw))
    code = 410 if error.reason in {"Expired", "Gone"} else msgspec.json.decode(raw).get("code", 500)
    return ApiError(int(code), error.reason, error.message, error.details)
