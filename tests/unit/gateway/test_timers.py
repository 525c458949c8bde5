"""Calls come at their moments, in order, in virtual and in real time."""

import asyncio

from edgewright.emulation.gateway.timers import RealTimers, Timers


def test_virtual_time_passes_only_when_told() -> None:
    timers, seen = Timers(now=5.0), list[tuple[str, float]]()

    def note(name: str) -> None:
        seen.append((name, timers.now()))

    timers.at(7.0, note, "later")
    timers.at(6.0, note, "sooner")
    timers.at(6.0, note, "second")
    timers.at(1.0, note, "past")
    assert seen == []
    timers.advance(1.5)
    assert seen == [("past", 5.0), ("sooner", 6.0), ("second", 6.0)]
    timers.advance(1.0)
    assert seen[-1] == ("later", 7.0)
    assert timers.now() == 7.5


def test_a_call_may_plan_another_within_the_same_advance() -> None:
    timers, seen = Timers(), list[float]()

    def again() -> None:
        seen.append(timers.now())
        timers.at(timers.now() + 1.0, again)

    timers.at(0.5, again)
    timers.advance(3.0)
    assert seen == [0.5, 1.5, 2.5]


async def test_real_calls_are_never_early_and_in_order() -> None:
    timers, seen = RealTimers(), list[tuple[int, float]]()
    done, start = asyncio.Event(), timers.now()

    def note(number: int, when: float) -> None:
        seen.append((number, timers.now() - when))
        if len(seen) == 100:
            done.set()

    for number in reversed(range(100)):
        when = start + number * 1e-3
        timers.at(when, note, number, when)
    await asyncio.wait_for(done.wait(), 10)
    timers.close()
    assert [number for number, _ in seen] == list(range(100))
    assert min(late for _, late in seen) >= 0.0
