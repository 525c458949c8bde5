"""The operator's questions over real sockets, to servers that answer well, badly, endlessly or not at all."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from edgewright.kube.metrics import REGISTRY
from edgewright.operator import observer
from edgewright.operator.claims import Key
from edgewright.operator.measurement import Measurement
from edgewright.operator.observer import Observer

KEY = ("city", "overlay")


def answer(requests: int) -> dict[str, Any]:
    sample = {"namespace": KEY[0], "servicedag": KEY[1], "part": "outcome", "outcome": "ok"}
    result = [{"metric": sample, "value": [0.0, str(requests)]}]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


class Server:
    """Answers with what `says` holds, a coroutine function."""

    def __init__(self) -> None:
        self.says: Any = self.well
        self.url = ""
        self.asked: list[str] = []
        self.shown: list[str] = []
        """What each question showed to be let in."""

    async def well(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(answer(100))

    async def broken(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "error", "error": "overloaded"}, status=503)

    async def page(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Sign in</html>", content_type="text/html")

    async def deep(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text='{"status":"success","x":' + "[" * 100_000 + "]" * 100_000 + "}")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await stream.write(b" " * 2**20)
        return stream

    async def dripping(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await stream.write(b" ")
                await asyncio.sleep(0.01)
        return stream


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()

    async def handle(request: web.Request) -> web.StreamResponse:
        made.asked.append(request.query["query"])
        made.shown.append(request.headers.get("Authorization", ""))
        response: web.StreamResponse = await made.says(request)
        return response

    app = web.Application()
    app.router.add_get("/base/api/v1/query", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/base/"
    yield made
    await runner.cleanup()


class Told:
    """What the observer passes on."""

    def __init__(self) -> None:
        self.measured: Mapping[Key, Measurement] = {}
        self.moved: list[set[Key]] = []
        self.news = asyncio.Event()

    def __call__(self, measured: Mapping[Key, Measurement], moved: set[Key]) -> None:
        self.measured = measured
        self.moved.append(moved)
        self.news.set()

    async def next(self) -> None:
        self.news.clear()
        await asyncio.wait_for(self.news.wait(), 10.0)


@contextlib.asynccontextmanager
async def observing(url: str, credentials: str = "") -> AsyncIterator[Told]:
    told = Told()
    made = Observer(
        url,
        window=60,
        interval=0.02,
        timeout=0.5,
        credentials=credentials,
        known=lambda: {KEY},
        changed=told,
    )
    task = asyncio.create_task(made.run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def count(result: str) -> float:
    return REGISTRY.get_sample_value("edgewright_operator_observations_total", {"result": result}) or 0.0


async def test_only_what_moved_is_passed_on_as_moved(server: Server) -> None:
    async with observing(server.url) as told:
        await told.next()
        await told.next()
    assert told.measured[KEY].requests == 100
    assert told.moved[:2] == [{KEY}, set()]
    assert "edgewright_request_duration_seconds_bucket[60s]" in server.asked[0]


@pytest.mark.parametrize(
    ("bad", "result"),
    [
        ("broken", "unreachable"),
        ("dripping", "unreachable"),
        ("page", "nonsense"),
        ("deep", "nonsense"),
        ("endless", "nonsense"),
    ],
)
async def test_bad_answers_end_what_was_observed_and_a_good_one_brings_it_back(
    server: Server, bad: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "LARGEST", 2**21)
    before = count(result)
    async with observing(server.url) as told:
        await told.next()
        while not told.measured:
            await told.next()
        server.says = getattr(server, bad)
        while told.measured:
            await told.next()
        assert told.moved[-1] == {KEY}
        assert count(result) - before >= observer.PATIENCE
        server.says = server.well
        await told.next()
        assert told.measured[KEY].requests == 100


async def test_credentials_are_those_of_the_files_now(server: Server, tmp_path: Path) -> None:
    before = count("unreachable")
    async with observing(server.url, str(tmp_path)) as told:
        await told.next()
        assert server.shown == [], "without any nobody is asked"
        assert count("unreachable") - before == observer.PATIENCE
        (tmp_path / "username").write_text("me\n")
        (tmp_path / "password").write_text("a: secret\n")
        await told.next()
        (tmp_path / "token").write_text("renewed\n")
        while server.shown[-1] != "Bearer renewed":
            await told.next()
    assert server.shown[0] == f"Basic {b64encode(b'me:a: secret').decode()}"
    assert told.measured[KEY].requests == 100


async def test_nobody_there(unused_port: int) -> None:
    before = count("unreachable")
    async with observing(f"http://127.0.0.1:{unused_port}") as told:
        await told.next()
    assert told.measured == {}
    assert count("unreachable") - before == observer.PATIENCE


@pytest.fixture
def unused_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
