"""What reconcilers rely on: no key is lost, none runs twice at once, failures back off."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgewright.operator.queue import Backlog, KeyedQueue

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 4)),
        st.tuples(st.just("later"), st.integers(0, 4), st.floats(0.01, 3)),
        st.tuples(st.just("take")),
        st.tuples(st.just("done"), st.booleans()),
        st.tuples(st.just("tick"), st.floats(0.01, 5)),
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_every_key_marked_dirty_is_worked_on_afterwards_and_never_by_two_workers(
    operations: list[tuple[Any, ...]],
) -> None:
    backlog: Backlog[int] = Backlog(base=0.5, cap=4)
    now, owned, dirty = 0.0, [], set()
    for name, *arguments in operations:
        match name:
            case "add":
                backlog.add(arguments[0], now)
                dirty.add(arguments[0])
            case "later":
                backlog.add_at(arguments[0], now + arguments[1])
                dirty.add(arguments[0])
            case "take":
                key = backlog.take(now)
                if key is not None:
                    assert key not in owned
                    owned.append(key)
                    dirty.discard(key)
            case "done" if owned:
                key = owned.pop(0)
                backlog.done(key, now, failed=arguments[0])
                if arguments[0]:
                    dirty.add(key)
            case "tick":
                now += arguments[0]
    while owned:
        backlog.done(owned.pop(), now)
    for _ in range(20):
        now += 5
        key = backlog.take(now)
        while key is not None:
            dirty.discard(key)
            backlog.done(key, now)
            key = backlog.take(now)
    assert not dirty
    assert backlog.idle


def test_a_key_added_many_times_is_handed_out_once() -> None:
    backlog: Backlog[str] = Backlog()
    for _ in range(5):
        backlog.add("a", 0)
    assert backlog.take(0) == "a"
    assert backlog.take(0) is None


def test_a_key_that_gets_dirty_while_worked_on_comes_again() -> None:
    backlog: Backlog[str] = Backlog()
    backlog.add("a", 0)
    assert backlog.take(0) == "a"
    backlog.add("a", 0)
    assert backlog.take(0) is None
    backlog.done("a", 0)
    assert backlog.take(0) == "a"


def test_failures_back_off_to_the_cap_and_a_success_forgets_them() -> None:
    backlog: Backlog[str] = Backlog(base=1, cap=8)
    now = 0.0
    waits = []
    backlog.add("a", now)
    for _ in range(6):
        assert backlog.take(now) == "a"
        backlog.done("a", now, failed=True)
        due = backlog.next_due()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 8, 8]
    assert backlog.take(now) == "a"
    backlog.done("a", now)
    assert backlog.failures("a") == 0


def test_events_cannot_turn_backoff_into_a_busy_loop() -> None:
    backlog: Backlog[str] = Backlog(base=8, cap=60)
    backlog.add("a", 0)
    assert backlog.take(0) == "a"
    backlog.done("a", 0, failed=True)
    backlog.add("a", 0.1)
    assert backlog.take(0.1) is None
    assert backlog.take(4.0) == "a"


def test_the_server_s_retry_after_is_kept() -> None:
    backlog: Backlog[str] = Backlog(base=0.1)
    backlog.add("a", 0)
    assert backlog.take(0) == "a"
    backlog.done("a", 0, failed=True, retry_after=5)
    backlog.add("a", 1)
    assert backlog.take(4.9) is None
    assert backlog.take(5.0) == "a"


async def test_workers_share_the_keys_and_wake_up_for_delayed_ones() -> None:
    queue: KeyedQueue[int] = KeyedQueue()
    seen: list[int] = []
    finished = asyncio.Event()

    async def worker() -> None:
        while True:
            key = await queue.get()
            seen.append(key)
            queue.done(key)
            if len(seen) == 21:
                finished.set()

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    queue.add_after(99, 0.05)
    for key in range(20):
        queue.add(key)
    async with asyncio.timeout(5):
        await finished.wait()
    assert sorted(seen) == [*range(20), 99]
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
