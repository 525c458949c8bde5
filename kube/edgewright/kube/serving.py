"""The HTTP server of operator and agent: metrics, whether the process lives, whether it is ready."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

_log = logging.getLogger(__name__)
Readiness = Callable[[], tuple[bool, str]]
"""Whether the process is of use now, and one line of why or why not."""


class ListenError(ValueError):
    """The address cannot be served; the message says what to change."""


def address(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, with an IPv6 host in brackets; raises ListenError."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != listen or parts.username is not None:
        raise ListenError(
            f"--listen {listen!r} is not an address: give HOST:PORT, such as 127.0.0.1:8080, or 0.0.0.0:8080 "
            "for every interface"
        )
    return host, port


@contextlib.asynccontextmanager
async def serving(listen: str, readiness: Readiness) -> AsyncIterator[None]:
    """Serve /metrics, /healthz and /readyz at `listen` while the block runs; nothing if it is empty.

    Everything is answered by the caller's event loop: an answer of /healthz proves that it turns. Raises
    ListenError if the address is no address, in use, or not of this machine.
    """
    if not listen:
        yield
        return
    from aiohttp import web  # noqa: PLC0415 - only who listens pays for it
    from prometheus_client.aiohttp import make_aiohttp_handler  # noqa: PLC0415

    from edgewright.kube.metrics import REGISTRY  # noqa: PLC0415

    host, port = address(listen)

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def ready(_: web.Request) -> web.Response:
        is_ready, words = readiness()
        return web.Response(status=200 if is_ready else 503, text=f"{words}\n")

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(REGISTRY))
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ListenError(
                f"--listen {listen}: {error.strerror or error}; choose another address"
            ) from None
        _log.info("serving /metrics, /healthz and /readyz at %s", ", ".join(map(_shown, runner.addresses)))
        yield
    finally:
        await runner.cleanup()


def _shown(bound: tuple[str, int]) -> str:
    host, port = bound[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
