"""Watches the nodes' Leases, one watch per process, and proves to the detector that the watch is live."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection

from edgewright.agents.node_loss import Detector
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.names import NAMESPACE_NODE_LEASE
from edgewright.kube.objects import Lease
from edgewright.kube.reflector import Kind, Reflector

_CONFIRM_SECONDS = 3.0
"""A fresh read of Leases that took longer proves nothing about the present."""
_SINGLE_READS = 10
_GONE = 404
_log = logging.getLogger(__name__)


class Heartbeats:
    """Feeds a Detector; after every proof `on_proof` is called, which judges and acts."""

    def __init__(self, api: Api, on_proof: Callable[[float], None]) -> None:
        self.detector = Detector()
        self.reflector = Reflector(api, paths.leases(NAMESPACE_NODE_LEASE), Lease, self._changed)
        self._api = api
        self._on_proof = on_proof
        self._event = time.monotonic()

    async def run(self) -> None:
        """Watch and probe until cancelled."""
        watching = asyncio.create_task(self.reflector.run(), name="watch node Leases")
        try:
            await self.reflector.wait_synced(3600.0)
            while True:
                started = time.monotonic()
                await self._probe(started)
                pause = self.detector.probe_period - (time.monotonic() - started)
                await asyncio.sleep(max(0.02, pause))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _probe(self, started: float) -> None:
        """One request to the API server: answered in time, with the watch open, it proves `started`."""
        limit = self.detector.largest_gap
        # One object comes from etcd itself: were that away, no node could renew. A list costs five times it.
        some = next((name for _, name in self.reflector.store), "")
        try:
            async with asyncio.timeout(limit):
                path, params = paths.leases(NAMESPACE_NODE_LEASE, some), {} if some else {"limit": "1"}
                await self._api.raw("GET", path, params=params, timeout=limit, idempotent=False)
        except (ApiError, TimeoutError) as error:
            if not (isinstance(error, ApiError) and error.status == _GONE):
                if self.detector.live:
                    _log.warning("the API server does not answer (%s); node ages stand still", error)
                self.detector.broken()
                return
        await asyncio.sleep(0)  # events that came with the answer are handled first
        silent_for = time.monotonic() - self._event
        quiet = bool(self.reflector.store) and silent_for > self.detector.patience
        if quiet or self.reflector.last_error is not None:
            if self.detector.live:
                _log.warning("the watch of node Leases is not live; node ages stand still")
            self.detector.broken()
            return
        self.detector.proven(started)
        self._on_proof(time.monotonic())

    async def confirm(self, nodes: Collection[str]) -> frozenset[str]:
        """The nodes whose Leases are still unchanged on the server, read afresh; empty if it is slow."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                if len(nodes) <= _SINGLE_READS:
                    tokens = dict(await asyncio.gather(*(self._token(node) for node in nodes)))
                else:
                    items = await self._api.items(paths.leases(NAMESPACE_NODE_LEASE))
                    tokens = {item["metadata"]["name"]: _renewed(item) for item in items}
        except (ApiError, TimeoutError) as error:
            _log.warning("%d silent nodes could not be confirmed: %s", len(nodes), error)
            self.detector.broken()
            return frozenset()
        now = time.monotonic()
        unchanged = set()
        for node in nodes:
            token = tokens.get(node)
            if token is not None and token == self.detector.token(node):
                unchanged.add(node)
            elif token is not None:
                _log.warning("node %s renewed its Lease, but the watch did not tell", node)
                self.detector.seen(node, token, now)
        return frozenset(unchanged) if now - started < _CONFIRM_SECONDS else frozenset()

    async def _token(self, node: str) -> tuple[str, str | None]:
        with contextlib.suppress(KeyError):
            return node, _renewed(await self._api.get(paths.leases(NAMESPACE_NODE_LEASE, node)))
        return node, None

    def _changed(self, kind: Kind, key: tuple[str, str], old: Lease | None, new: Lease | None) -> None:
        self._event = time.monotonic()
        if new is None:
            self.detector.gone(key[1])
        else:
            self.detector.seen(key[1], new.spec.renew_time or "", self._event)


def _renewed(item: dict[str, object]) -> str:
    spec = item.get("spec")
    return str(spec.get("renewTime") or "") if isinstance(spec, dict) else ""
