"""The forwarder between agents and API server: it passes bytes, falls silent, and is late."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edgewright.emulation.chaos.forwarder import Forwarder, Settings


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1024):
        writer.write(chunk.upper())
        await writer.drain()
    writer.close()


@asynccontextmanager
async def forwarded() -> AsyncIterator[tuple[Forwarder, asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    forwarder = Forwarder(Settings("127.0.0.1", server.sockets[0].getsockname()[1]))
    front = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
    try:
        yield forwarder, reader, writer
    finally:
        writer.close()
        front.close()
        server.close()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), 10)


async def test_bytes_pass_both_ways() -> None:
    async with forwarded() as (_, reader, writer):
        assert await asked(reader, writer, b"hello") == b"HELLO"


async def test_a_partition_keeps_the_connection_and_passes_nothing_until_it_ends() -> None:
    async with forwarded() as (forwarder, reader, writer):
        assert await asked(reader, writer, b"a") == b"A"
        forwarder.apply(Settings(forwarder.settings.host, forwarder.settings.port, forward=False))
        writer.write(b"late")
        answer = asyncio.create_task(reader.readexactly(4))
        done, _ = await asyncio.wait([answer], timeout=0.3)
        assert not done
        forwarder.apply(Settings(forwarder.settings.host, forwarder.settings.port))
        assert await asyncio.wait_for(answer, 10) == b"LATE"


async def test_a_delay_is_on_what_the_server_sends_and_keeps_the_order() -> None:
    async with forwarded() as (forwarder, reader, writer):
        forwarder.apply(Settings(forwarder.settings.host, forwarder.settings.port, delay=0.4))
        began = time.monotonic()
        assert await asked(reader, writer, b"first") == b"FIRST"
        assert time.monotonic() - began >= 0.4
        assert await asked(reader, writer, b"second") == b"SECOND"


async def test_a_server_that_is_away_closes_the_connection() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    front = await asyncio.start_server(Forwarder(Settings("127.0.0.1", port)).serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    front.close()
