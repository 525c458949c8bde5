"""Kubernetes events about objects, aggregated and bounded in rate, written in the background."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.conditions import now
from edgewright.kube.errors import ApiError

_log = logging.getLogger(__name__)
_Key = tuple[str, str, str, str, str]


@dataclass
class _Series:
    """One event object: the same reason about the same object."""

    regarding: dict[str, str]
    reason: str
    warning: bool
    message: str = ""
    pending: int = 0
    count: int = 0
    first: str = field(default_factory=now)
    name: str = ""
    written: float = float("-inf")


class EventRecorder:
    """Records events without blocking; `run` writes them, `close` writes what is left.

    The same reason about the same object is one event whose count rises and whose message is the newest;
    it is written at most every `interval` seconds. At most `rate` events per second are written, and at most
    `capacity` series are remembered: the oldest written one is forgotten first; new ones beyond that are
    dropped and counted in `dropped`.
    """

    def __init__(
        self,
        api: Api,
        component: str,
        instance: str = "",
        *,
        interval: float = 5.0,
        rate: float = 20.0,
        capacity: int = 2000,
    ) -> None:
        self.dropped = 0
        self._api = api
        self._source = {"component": component, **({"host": instance} if instance else {})}
        self._component, self._instance = component, instance or component
        self._interval, self._pause, self._capacity = interval, 1.0 / rate, capacity
        self._series: OrderedDict[_Key, _Series] = OrderedDict()
        self._wake = asyncio.Event()

    def record(
        self, regarding: Mapping[str, Any], reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Note an event about `regarding`, an object (or a reference) with apiVersion, kind and metadata."""
        reference = reference_to(regarding)
        key = (reference["kind"], reference["namespace"], reference["name"], reference["uid"], reason)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._capacity and not self._forget_one():
                self.dropped += 1
                return
            series = self._series[key] = _Series(reference, reason, warning)
        series.message = message if len(message) <= 1024 else message[:1021] + "..."
        series.warning = warning
        series.pending += 1
        self._wake.set()

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wait = await self._flush(everything=False)
            if wait is not None:
                asyncio.get_running_loop().call_later(wait, self._wake.set)

    async def close(self) -> None:
        """Write what is pending now, once."""
        await self._flush(everything=True)

    async def _flush(self, *, everything: bool) -> float | None:
        """Write every series that is due; returns the seconds until the next one is, if any is pending."""
        next_due: float | None = None
        for series in [series for series in self._series.values() if series.pending]:
            due = series.written + self._interval - time.monotonic()
            if due > 0 and not everything:
                next_due = due if next_due is None else min(next_due, due)
                continue
            await self._write(series)
            await asyncio.sleep(self._pause)
        return next_due

    async def _write(self, series: _Series) -> None:
        series.count, series.pending = series.count + series.pending, 0
        series.written = time.monotonic()
        namespace = series.regarding["namespace"] or "default"
        try:
            if series.name and await self._update(series, namespace):
                return
            series.name = _event_name(series, self._instance)
            await self._api.create(paths.events(namespace), self._body(series, namespace))
        except ApiError as error:
            series.name = ""
            _log.warning("event %s about %s: %s", series.reason, series.regarding["name"], error)

    async def _update(self, series: _Series, namespace: str) -> bool:
        change = {"count": series.count, "lastTimestamp": now(), "message": series.message}
        try:
            await self._api.patch(paths.events(namespace, series.name), change)
        except ApiError as error:
            if error.status == 404:  # the API server forgets events after an hour
                series.count, series.first = 1, now()
                return False
            raise
        return True

    def _body(self, series: _Series, namespace: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": series.name, "namespace": namespace},
            "involvedObject": {name: value for name, value in series.regarding.items() if value},
            "reason": series.reason,
            "message": series.message,
            "type": "Warning" if series.warning else "Normal",
            "count": series.count,
            "firstTimestamp": series.first,
            "lastTimestamp": now(),
            "source": self._source,
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }

    def _forget_one(self) -> bool:
        for key, series in self._series.items():
            if not series.pending:
                del self._series[key]
                return True
        return False


def reference_to(target: Mapping[str, Any]) -> dict[str, str]:
    """Reference (apiVersion, kind, namespace, name, uid) to an object, or a copy of such a reference."""
    metadata = target.get("metadata") or target
    return {
        "apiVersion": str(target.get("apiVersion") or ""),
        "kind": str(target.get("kind") or ""),
        "namespace": str(metadata.get("namespace") or ""),
        "name": str(metadata.get("name") or ""),
        "uid": str(metadata.get("uid") or ""),
    }


def _event_name(series: _Series, instance: str) -> str:
    seed = f"{series.regarding['uid']}/{series.reason}/{instance}/{time.time_ns()}"
    return f"{series.regarding['name'][:200]}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}"
