"""How many decisions a region takes and how long they take, over the last minute."""

import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0


class Pace:
    """Decisions of one region; noted on the thinking thread, read by the event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._decisions: deque[tuple[float, float]] = deque(maxlen=4096)
        self._p99: float | None = None

    def note(self, seconds: float) -> None:
        """A decision took so long."""
        self._decisions.append((self._clock(), seconds))

    def read(self) -> tuple[float, float | None]:
        """Decisions per second over the last minute, and their 99th percentile in seconds.

        In a minute without decisions the percentile stays what it was.
        """
        now = self._clock()
        recent = sorted(seconds for at, seconds in list(self._decisions) if now - at <= WINDOW)
        if recent:
            self._p99 = recent[min(len(recent) - 1, int(0.99 * len(recent)))]
        return len(recent) / WINDOW, self._p99
