"""A TCP forwarder between agents and API server that can fall silent or late: the network that fails.

    python -m edgewright.emulation.chaos.forwarder SETTINGS.json

It is a process of its own because it must outlive the action that starts it. It reads its settings again on
SIGHUP and writes those in force to SETTINGS.json.applied. TLS passes through untouched.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

CHUNK = 2**16


class Settings(msgspec.Struct, frozen=True):
    """What the forwarder is told."""

    host: str
    """Where the API server listens."""
    port: int
    forward: bool = True
    """False: nothing passes in either direction; connections stay open, and new ones hang."""
    delay: float = 0.0
    """Seconds by which what the server sends comes late."""


class Applied(msgspec.Struct, frozen=True):
    """What is in force."""

    port: int
    """Where the forwarder listens on 127.0.0.1."""
    settings: Settings


class Forwarder:
    """Passes bytes between each client and the server, as the settings of the moment say."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """From now on."""
        self.settings = settings
        (self._open.set if settings.forward else self._open.clear)()

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        ends = [back]
        try:
            await self._open.wait()
            server, forth = await asyncio.open_connection(self.settings.host, self.settings.port)
            ends.append(forth)
            pumps = [
                asyncio.create_task(self._pump(client, forth, lambda: 0.0)),
                asyncio.create_task(self._pump(server, back, lambda: self.settings.delay)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the API server is away: the client sees a closed connection, as it would without us
        finally:
            for end in ends:
                end.close()
            self._connections.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: Callable[[], float]
    ) -> None:
        """Pass everything on in order, each chunk no earlier than `delay` seconds after it came."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        reading = asyncio.create_task(_read(source, late, delay))
        try:
            while True:
                due, chunk = await late.get()
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                await self._open.wait()
                if not chunk:
                    return
                sink.write(chunk)
                await sink.drain()
        finally:
            reading.cancel()


async def _read(
    source: asyncio.StreamReader, late: "asyncio.Queue[tuple[float, bytes]]", delay: Callable[[], float]
) -> None:
    """Put chunks with the time at which they are due; an empty one ends the stream."""
    while True:
        try:
            chunk = await source.read(CHUNK)
        except OSError:
            chunk = b""
        await late.put((time.monotonic() + delay(), chunk))
        if not chunk:
            return


async def main(file: Path) -> None:
    """Serve until SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    forwarder = Forwarder(_settings(file))
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def again() -> None:
        forwarder.apply(_settings(file))
        _confirm(file, Applied(port, forwarder.settings))

    loop.add_signal_handler(signal.SIGHUP, again)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    _confirm(file, Applied(port, forwarder.settings))
    await stop.wait()
    server.close()


def _settings(file: Path) -> Settings:
    return msgspec.json.decode(file.read_bytes(), type=Settings)


def applied_file(file: Path) -> Path:
    """Where the forwarder writes what is in force."""
    return file.with_name(f"{file.name}.applied")


def _confirm(file: Path, applied: Applied) -> None:
    written = file.with_name(f".{file.name}.applied")
    written.write_bytes(msgspec.json.encode(applied))
    written.rename(applied_file(file))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
