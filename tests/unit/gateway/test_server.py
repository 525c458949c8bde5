"""Real connections on loopback: what HTTP clients may do, and what they may not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.unit.gateway.builders import picture, pod

from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.plane import Plane
from edgewright.emulation.gateway.process import rehearse
from edgewright.emulation.gateway.server import HEAD_BYTES, PENDING, Connection
from edgewright.emulation.gateway.timers import RealTimers

PATH = "/city/overlay"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    rehearse()
    timers, plane = RealTimers(), Plane()
    plane.show(picture(pods=(pod("decode", "n1"), pod("render", "n2"))).scene())
    desk = Desk(plane, timers)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(desk, lambda: True), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    timers.close()


@pytest.fixture
async def session(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield client


async def raw(port: int, text: bytes) -> bytes:
    """Everything that a server which closes the connection in the end has to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_a_request_is_answered_after_the_delay_that_the_header_names(
    session: aiohttp.ClientSession,
) -> None:
    clock = asyncio.get_running_loop()
    for _ in range(20):
        began = clock.time()
        async with session.get(PATH) as answer:
            body = await answer.json()
            taken = clock.time() - began
        assert answer.status == 200
        delay = float(answer.headers["Edgewright-Delay-Ms"]) / 1e3
        assert delay <= taken < delay + 0.5
        assert body == {"servicedag": "city/overlay", "outcome": "ok", "delayMs": delay * 1e3}
        assert answer.headers["Edgewright-Route"] == "decode=n1/decode-0;render=n2/render-0"
        assert answer.headers["Edgewright-Placement"] == "1"


async def test_bodies_are_taken_and_a_head_has_none(session: aiohttp.ClientSession) -> None:
    async with session.post(PATH, data=b"x" * 3_000_000, expect100=True) as answer:
        assert answer.status == 200
    async with session.head(PATH) as answer:
        assert answer.status == 200
        assert await answer.read() == b""
    async with session.get(PATH) as answer:  # the connection is still in step
        assert (await answer.json())["outcome"] == "ok"


async def test_pipelined_requests_are_answered_in_their_order(port: int) -> None:
    many = 2 * PENDING
    text = b"".join(b"GET /city/overlay?%d HTTP/1.1\r\nhost: x\r\n\r\n" % i for i in range(many - 2))
    text += b"GET /city/none HTTP/1.1\r\nhost: x\r\n\r\n"
    text += b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await raw(port, text)
    words = [part.split(b" ", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert words == [b"200"] * (many - 2) + [b"404", b"200"]
    assert answer.count(b"connection: close") == 1
    assert b'"alive": true' in answer.rpartition(b"HTTP/1.1")[2]


async def test_the_list_names_every_dag(session: aiohttp.ClientSession) -> None:
    async with session.get("/") as answer:
        (found,) = (await answer.json())["servicedags"]
    assert found["path"] == PATH
    assert found["served"] is True
    assert found["users"] == [0.0, 0.0]
    assert found["declaredRequestsPerSecond"] == 20


async def test_probes_and_metrics(session: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/readyz"):
        async with session.get(path) as answer:
            assert answer.status == 200
    async with session.get(PATH):
        pass
    async with session.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    assert 'edgewright_requests_total{namespace="city",servicedag="overlay",outcome="ok"} 1\n' in text


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n", b"431 Request Header Fields"),
        (b"GET /" + b"a" * (HEAD_BYTES + 1) + b" HTTP/1.1\r\n\r\n", b"431 Request Header Fields"),
        (
            b"GET /city/overlay HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            b"400 Bad Request",
        ),
    ],
    ids=["no HTTP", "long header", "long target", "WebSocket"],
)
async def test_what_cannot_be_read_is_refused_and_the_connection_closed(
    port: int, text: bytes, status: bytes
) -> None:
    answer = await raw(port, text)
    last = answer.rpartition(b"HTTP/1.1 ")[2]
    assert last.startswith(status)
    assert json.loads(last.partition(b"\r\n\r\n")[2])["error"]


async def test_a_head_that_never_ends_is_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nx: ")
    answer = asyncio.create_task(reader.read())
    for _ in range(200):
        if answer.done() or writer.transport.is_closing():
            break
        writer.write(b"a" * 4096)
        await asyncio.sleep(0)
    # The refusal may be overtaken by the end of the connection, because more was under way.
    with contextlib.suppress(ConnectionResetError):
        assert (await asyncio.wait_for(answer, 10)).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_client_that_goes_leaves_nothing_behind(port: int, session: aiohttp.ClientSession) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /city/overlay HTTP/1.1\r\nhost: x\r\n\r\n")
        writer.transport.abort()
    async with session.get(PATH) as answer:
        assert answer.status == 200
