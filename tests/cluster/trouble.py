"""A proxy before the real API server that plays a bad day: it refuses writes, and loses watches."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}
BUSY = '{"kind":"Status","status":"Failure","code":429,"reason":"TooManyRequests","message":"too busy"}'
GAP = (
    '{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"reason":"Expired",'
    '"message":"too old resource version"}}\n'
)


class Trouble:
    """Answers every `nth` write with 429, and ends every watch after `events` with 410, as after a gap.

    Leases are left alone: who loses his stops governing, which is another bad day.
    """

    def __init__(self, upstream: aiohttp.ClientSession, server: str, nth: int, events: int) -> None:
        self.refused = 0
        self.gaps = 0
        self.deafening = 0
        """How many requests for the old API group are still to fail, after which kopf 1.38 hangs for good."""
        self.address = ""
        self._upstream, self._server = upstream, server
        self._nth, self._events = nth, events
        self._writes = 0

    def lead(self, kubeconfig: Path) -> None:
        """Make the holder of a kubeconfig come here."""
        config = yaml.safe_load(kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": self.address}
        kubeconfig.write_text(yaml.safe_dump(config))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Refuse, or pass on."""
        body = await request.read()
        if request.path == "/api" and self.deafening:
            self.deafening -= 1
            return web.Response(status=415)
        if request.method != "GET" and "/leases" not in request.path:
            self._writes += 1
            if self._writes % self._nth == 0:
                self.refused += 1
                headers = {"Retry-After": "1"}
                return web.Response(status=429, text=BUSY, headers=headers, content_type="application/json")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        url = f"{self._server}{request.raw_path}"
        async with self._upstream.request(request.method, url, data=body or None, headers=headers) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            if answer.ok and request.query.get("watch", "").lower() in {"1", "true"}:
                return await self._watch(request, answer, kept)
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _watch(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        passed = 0
        async for line in answer.content:
            await stream.write(line)
            passed += "/leases" not in request.path
            if passed >= self._events:
                self.gaps += 1
                await stream.write(GAP.encode())
                break
        return stream


@asynccontextmanager
async def troubled(
    server: str, authority: Path, *, nth: int = 4, events: int = 6, kind: type[Trouble] = Trouble
) -> AsyncIterator[Trouble]:
    """A proxy before `server`, whose certificate `authority` signed, for the time of the block."""
    trust = ssl.create_default_context(cafile=str(authority))
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as upstream:
        trouble = kind(upstream, server, nth, events)
        app = web.Application(client_max_size=4 * 1024**2)
        app.router.add_route("*", "/{path:.*}", trouble.answer)
        async with TestServer(app) as proxy:
            trouble.address = f"http://127.0.0.1:{proxy.port}"
            yield trouble
