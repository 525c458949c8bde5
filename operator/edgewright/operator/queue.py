"""One queue of dirty keys: each key at most once in it, one worker per key, backoff after failures."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Backlog(Generic[K]):
    """What is to be done and when; pure bookkeeping, every call is told the time.

    A key that is added while a worker has it is handed out again after `done`. A key that fails waits
    `base * 2 ** (failures - 1)` seconds, at most `cap`; a new event about it cuts that wait short only after
    half of it, so that a stream of events cannot turn backoff into a busy loop.
    """

    def __init__(self, *, base: float = 0.2, cap: float = 60.0) -> None:
        self._base, self._cap = base, cap
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._ready)

    def depth(self) -> dict[str, int]:
        """Keys by state: ready for a worker, busy with one, or waiting for their time."""
        return {"ready": len(self._ready), "busy": len(self._busy), "waiting": len(self._due)}

    @property
    def idle(self) -> bool:
        """Whether nothing is ready and no worker is busy (delayed keys do not count)."""
        return not self._ready and not self._busy

    def failures(self, key: K) -> int:
        """How many times in a row `key` failed."""
        return self._failures.get(key, 0)

    def add(self, key: K, now: float) -> None:
        """Mark `key` dirty: it will be handed out once, after its present worker or backoff."""
        resume = self._not_before.get(key, now)
        if resume > now:
            self.add_at(key, resume)
        elif key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._due.pop(key, None)

    def add_at(self, key: K, due: float) -> None:
        """Mark `key` dirty at the time `due`; the earliest of several times wins."""
        if key in self._waiting or self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))

    def take(self, now: float) -> K | None:
        """The next key to work on, now owned by the caller until `done`; None if there is none yet."""
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, now)
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: K, now: float, *, failed: bool = False, retry_after: float = 0.0) -> None:
        """Give `key` back; after a failure it returns by itself, not before `retry_after` seconds.

        Raises KeyError if the caller does not own it.
        """
        self._busy.remove(key)
        again = key in self._again
        self._again.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            delay = max(min(self._base * 2 ** min(count - 1, 30), self._cap), retry_after)
            self._not_before[key] = now + max(delay / 2, retry_after)
            self.add_at(key, now + delay)
        else:
            self._failures.pop(key, None)
            self._not_before.pop(key, None)
        if again:
            self.add(key, now)

    def forget(self, key: K) -> None:
        """Drop every memory of an object that is gone; a worker that has it keeps it until `done`."""
        self._due.pop(key, None)
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    def next_due(self) -> float | None:
        """When the next delayed key becomes ready, if any waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None


class KeyedQueue(Generic[K]):
    """A Backlog that workers can await."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, base: float = 0.2, cap: float = 60.0
    ) -> None:
        self.backlog: Backlog[K] = Backlog(base=base, cap=cap)
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()

    def add(self, key: K) -> None:
        """Mark `key` dirty."""
        self.backlog.add(key, self._clock())
        self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Mark `key` dirty in `seconds`; the earliest of several times wins."""
        self.backlog.add_at(key, self._clock() + seconds)
        self._wake()

    async def get(self) -> K:
        """Wait for a key to work on; give it back with `done`."""
        while True:
            key = self.backlog.take(self._clock())
            if key is not None:
                self._wake()
                return key
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._arm()
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def done(self, key: K, *, failed: bool = False, retry_after: float = 0.0) -> None:
        """Give `key` back; after a failure it returns with exponential backoff."""
        self.backlog.done(key, self._clock(), failed=failed, retry_after=retry_after)
        self._wake()

    def forget(self, key: K) -> None:
        """Drop every memory of an object that is gone."""
        self.backlog.forget(key)

    def _wake(self) -> None:
        """Let one waiting worker look again, or arm the timer for the next delayed key."""
        if len(self.backlog):
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return
        else:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.backlog.next_due()
        if due is not None and self._waiters:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
