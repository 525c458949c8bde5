"""Calls things at exact moments: on the kernel's clock for people, on a virtual one for tests.

asyncio and uvloop wake up to a whole millisecond late, because epoll and libuv count milliseconds; Linux's
timerfd is exact to some ten microseconds (docs/decisions/0017).
"""

import asyncio
import ctypes
import heapq
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

CLOCK_MONOTONIC, TFD_NONBLOCK, TFD_CLOEXEC, TFD_TIMER_ABSTIME = 1, 0o4000, 0o2000000, 1


class Timers:
    """A heap of calls to make; this base class does so when `advance` is called, in virtual time."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def now(self) -> float:
        """Seconds; only differences mean something."""
        return self._now

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action` at the moment `when`, or soon if that has passed."""
        heapq.heappush(self._heap, (when, next(self._order), action, arguments))
        if self._heap[0][0] == when:
            self._arm(when)

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, making every call at its own moment."""
        end = self._now + seconds
        while self._heap and self._heap[0][0] <= end:
            self._now = max(self._now, self._heap[0][0])
            self._run()
        self._now = end

    def _run(self) -> None:
        """Make the calls that are due."""
        while self._heap and self._heap[0][0] <= self.now():
            _, _, action, arguments = heapq.heappop(self._heap)
            action(*arguments)

    def _arm(self, when: float) -> None:
        """Make sure to be woken at `when`; virtual time needs no waking."""


class RealTimers(Timers):
    """On the running event loop and the monotonic clock; `close` it in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._alarm = _TimerFd(self._wake) if sys.platform == "linux" else None

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Make no more calls."""
        self._heap.clear()
        if self._alarm is not None:
            self._alarm.close()

    def _arm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.set(when)
        else:
            self._loop.call_later(max(0.0, when - self.now()), self._wake)

    def _wake(self) -> None:
        self._run()
        if self._heap:
            self._arm(self._heap[0][0])


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class _TimerFd:
    """A timerfd in the event loop (Python has them from 3.13 on)."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._wake = wake
        self._setting = _Setting()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._ring)

    def set(self, when: float) -> None:
        """Ring once at `when` of the monotonic clock, not at the moment set before."""
        nanoseconds = max(1, int(when * 1e9))  # zero would switch it off
        self._setting.value.seconds, self._setting.value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        setting = ctypes.byref(self._setting)
        if self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, setting, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew between the ringing and now
            return
        self._wake()
