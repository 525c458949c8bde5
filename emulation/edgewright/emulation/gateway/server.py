"""HTTP/1.1 as bytes in and out: one small object per connection, answers in the order of the requests.

A protocol of our own on httptools' parser takes half of the CPU of aiohttp per request, which leaves the
core to the model (docs/decisions/0017).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools

from edgewright.emulation.gateway import answers
from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.exposition import exposition

HEAD_BYTES = 64 * 1024
"""Most bytes of a request's target and headers."""
PENDING = 128
"""Unanswered requests of one connection beyond which no more are read from it."""
AT_ONCE = 40
"""Pieces of the metrics' text that are written before others get their turn: under a millisecond."""


class Connection(asyncio.Protocol):
    """One client; requests may be pipelined, bodies are read and dropped."""

    def __init__(self, desk: Desk, ready: Callable[[], bool]) -> None:
        self._desk = desk
        self._ready = ready
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._length = 0
        self._fed = 0
        """Bytes that came since the last complete head: the parser keeps an unfinished one, however long."""
        self._slots: deque[list[bytes]] = deque()
        self._in_head = self._paused = self._last = False
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went; what it waits for is not written."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Bytes of one or more requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._give_up("400 Bad Request", "only plain HTTP is spoken here, no WebSocket")
        except httptools.HttpParserError as error:
            too_long = self._length > HEAD_BYTES
            status = "431 Request Header Fields Too Large" if too_long else "400 Bad Request"
            self._give_up(status, f"the request cannot be read: {error}")
        else:
            self._fed += len(data)
            if self._in_head and self._fed > HEAD_BYTES + len(data):
                self._give_up("431 Request Header Fields Too Large", f"its head has over {HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Parser: a request begins."""
        self._target, self._length, self._in_head = b"", 0, True

    def on_headers_complete(self) -> None:
        """Parser: the head is here."""
        self._in_head, self._fed = False, 0

    def on_url(self, url: bytes) -> None:
        """Parser: a part of the target."""
        self._target += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: a header."""
        self._grow(len(name) + len(value))
        if name.lower() == b"expect" and value.lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_message_complete(self) -> None:
        """Parser: the request is here, which is the moment of its arrival."""
        slot: list[bytes] = []
        self._slots.append(slot)
        last, bare = not self._parser.should_keep_alive(), self._parser.get_method() == b"HEAD"

        def answer(text: bytes) -> None:
            if bare:
                text = text[: text.index(b"\r\n\r\n") + 4]
            if last:
                text = text.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
                self._last = True
            slot.append(text)
            self._flush()

        self._dispatch(self._target, answer)
        if len(self._slots) > PENDING and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > HEAD_BYTES:
            raise ValueError(f"its head is longer than {HEAD_BYTES} bytes")

    def _dispatch(self, target: bytes, answer: Callable[[bytes], None]) -> None:
        if target.count(b"/") > 1:
            self._desk.request(target, answer)
        elif target == b"/":
            answer(answers.listing(self._desk.plane))
        elif target == b"/metrics":
            task = asyncio.create_task(self._metrics(answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif target == b"/healthz":
            answer(answers.plain("200 OK", {"alive": True}))
        elif target == b"/readyz":
            ready = self._ready()
            answer(answers.plain("200 OK" if ready else "503 Service Unavailable", {"ready": ready}))
        else:
            answer(answers.unknown(target))

    async def _metrics(self, answer: Callable[[bytes], None]) -> None:
        pieces = []
        for number, piece in enumerate(exposition(self._desk)):
            pieces.append(piece)
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        answer(answers.whole("200 OK", "text/plain; version=0.0.4; charset=utf-8", "".join(pieces).encode()))

    def _flush(self) -> None:
        """Write what is answered, up to the first request that is not."""
        while self._slots and self._slots[0]:
            text = self._slots.popleft()[0]
            if self._transport is not None:
                self._transport.write(text)
        if self._transport is None:
            return
        if self._last and not self._slots:
            self._transport.close()
        elif self._paused and len(self._slots) < PENDING:
            self._paused = False
            self._transport.resume_reading()

    def _give_up(self, status: str, error: str) -> None:
        if self._transport is not None:
            self._transport.write(answers.plain(status, {"error": error}, "connection: close\r\n"))
            self._transport.close()
