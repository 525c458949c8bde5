"""Bounds concurrent writes and lets the urgent ones go first."""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator


class Gate:
    """At most `slots` at once; of those that wait, the lowest priority number goes first, then the oldest."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sequence = 0

    @contextlib.asynccontextmanager
    async def slot(self, priority: int) -> AsyncIterator[None]:
        """Hold one slot."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._queue(priority)
        try:
            yield
        finally:
            self._release()

    async def _queue(self, priority: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence += 1
        heapq.heappush(self._waiting, (priority, self._sequence, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # the slot was handed over at the moment of cancellation
            raise

    def _release(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
