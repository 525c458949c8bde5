"""kopf's part: raw events of ServiceDAGs and EdgeControllers, handed over and nothing else.

Only `@kopf.on.event` is used: kopf's other handlers would write annotations and finalizers. kopf runs in a
thread with an event loop of its own, because it takes every task of its loop, and the process' signals, for
its own.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from edgewright.kube.credentials import Source
from edgewright.kube.names import GROUP, VERSION
from edgewright.operator.log import log

Sink = Callable[[str, str | None, Mapping[str, Any]], None]
"""Called in the main loop with (plural, event type or None for a listed object, object)."""
_IDENTITY: Any = "edgewright"
"""Without one kopf asks the system for the user's name, and a container's user has none."""
_RESTART = 1.0
"""Seconds until kopf is started again."""


class Watches:
    """kopf, restarted whenever it gives up or `restart` says that it hangs; `run` until cancelled."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self._source, self._sink = source, sink
        self._stop = threading.Event()
        self._hangs = asyncio.Event()

    def restart(self) -> None:
        """Start a new kopf, whatever the present one is waiting for."""
        self._hangs.set()

    async def run(self) -> None:
        """Run kopf in its thread; an error of kopf is logged and it is started again."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._hangs.clear()
                self._stop, ended = threading.Event(), loop.create_future()
                arguments = (loop, ended, self._stop)
                threading.Thread(target=self._serve, args=arguments, name="kopf", daemon=True).start()
                hangs = asyncio.create_task(self._hangs.wait())
                await asyncio.wait({ended, hangs}, return_when=asyncio.FIRST_COMPLETED)
                hangs.cancel()
                self._stop.set()
                reason = (ended.result() or "no error") if ended.done() else "it hangs"
                log.warning("the watch of our kinds ended (%s); starting it again", reason)
                await asyncio.sleep(_RESTART)
        finally:
            self._stop.set()

    def _serve(
        self, loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[object]", stop: threading.Event
    ) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operate(loop, stop))
        except BaseException as caught:
            error = caught
        if not stop.is_set():
            loop.call_soon_threadsafe(_end, ended, error)

    async def _operate(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        await kopf.operator(
            registry=self._registry(loop),
            settings=kopf_settings(),
            standalone=True,
            clusterwide=True,
            stop_flag=stop,
            identity=_IDENTITY,
        )

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.ConnectionInfo:
            return await connection(self._source)

        for plural in ("servicedags", "edgecontrollers"):
            self._listen(plural, registry, loop)
        return registry

    def _listen(self, plural: str, registry: kopf.OperatorRegistry, loop: asyncio.AbstractEventLoop) -> None:
        @kopf.on.event(GROUP, VERSION, plural, registry=registry)
        async def handle(event: kopf.RawEvent, **_: Any) -> None:
            loop.call_soon_threadsafe(self._sink, plural, event["type"], event["object"])


def _end(ended: "asyncio.Future[object]", error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)


async def connection(source: Source) -> kopf.ConnectionInfo:
    """The server and credentials for kopf, read afresh: kopf asks again after a 401."""
    configuration = await source.load()
    auth = await configuration.auth_settings()
    header = next((entry["value"] for entry in auth.values() if entry["value"]), "")
    scheme, _, token = header.rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme=scheme or None,
        token=token or None,
        proxy_url=configuration.proxy or None,
    )


def kopf_settings() -> kopf.OperatorSettings:
    """kopf without peering, events of its own, or a scan for kinds that come later."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 5, 10)
    settings.persistence.diffbase_storage = _NoDifferences()
    settings.process.ultimate_exiting_timeout = None
    logging.getLogger("kopf._core.reactor.running").addFilter(_expected)
    return settings


class _NoDifferences(kopf.AnnotationsDiffBaseStorage):
    """No differences: kopf makes them for handlers that we do not use, by a deep copy for every event."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()


def _expected(record: logging.LogRecord) -> bool:
    """Drop kopf's warning that it leaves signals alone: that is why it has a thread."""
    return not record.getMessage().startswith("OS signals are ignored")
