"""The order of decisions: priority, then age, nobody starves, and who cannot be placed steps aside."""

from hypothesis import given
from hypothesis import strategies as st

from edgewright.agents.turns import STARVING, Turns

A, B, C = ("n", "a"), ("n", "b"), ("n", "c")


def asking(**entries: tuple[int, float]) -> Turns:
    turns = Turns()
    for name, (priority, created) in entries.items():
        turns.ask(("n", name), priority=priority, created=created, now=0.0)
    return turns


def order(turns: Turns, now: float) -> list[tuple[str, str]]:
    found = []
    while (key := turns.next(now)) is not None:
        found.append(key)
        turns.settled(key)
    return found


def test_higher_priority_first_then_older() -> None:
    assert order(asking(a=(0, 5.0), b=(10, 9.0), c=(0, 1.0)), 1.0) == [B, C, A]


def test_an_unplaceable_dag_steps_aside_and_backs_off() -> None:
    turns = asking(a=(10, 0.0), b=(0, 1.0))
    pauses = []
    now = 0.0
    for _ in range(8):
        assert turns.next(now) == A
        pauses.append(turns.failed(A, now))
        assert order(turns, now) == [B]
        now += pauses[-1]
        turns.ask(B, priority=0, created=1.0, now=now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_freed_capacity_brings_a_backed_off_dag_back_but_not_in_a_storm() -> None:
    turns = asking(a=(0, 0.0))
    for attempt in range(4):
        turns.failed(A, 100.0 + attempt)
    turns.freed(103.1)
    assert turns.next(103.1) is None
    assert turns.delay(103.1) is not None
    assert turns.next(105.1) == A


def test_a_changed_dag_is_tried_at_once() -> None:
    turns = asking(a=(0, 0.0))
    turns.failed(A, 0.0)
    turns.reset(A)
    assert turns.next(0.0) == A


@given(arrivals=st.lists(st.integers(1, 1000), min_size=60, max_size=200))
def test_a_stream_of_higher_priorities_starves_nobody(arrivals: list[int]) -> None:
    """One decision per second, a more important DAG arriving each second: the old one waits 30 s, no more."""
    turns = asking(old=(0, 0.0))
    served = None
    for second, priority in enumerate(arrivals):
        now = float(second)
        turns.ask(("n", f"new-{second}"), priority=priority, created=now, now=now)
        key = turns.next(now)
        assert key is not None
        turns.settled(key)
        if key == ("n", "old"):
            served = now
            break
    assert served is not None
    assert served <= STARVING + 2.0


def test_forgetting_and_waiting() -> None:
    turns = asking(a=(0, 0.0))
    assert turns.delay(0.0) == 0.0
    turns.drop(A)
    assert turns.delay(0.0) is None
    assert turns.failed(A, 0.0) == 0.0
