"""What a real API server cannot be brought to do; the rest of the Lease's rules are tested against one."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgewright.kube.api import Api
from edgewright.kube.lease import LeaderLease

Make = Callable[..., Any]


def lease(holder: str, version: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "l", "resourceVersion": str(version)},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 2, "leaseTransitions": 1},
    }


def candidate(api: Api, identity: str = "me") -> LeaderLease:
    return LeaderLease(api, "ns", "l", identity, duration=2, deadline=1.0, retry=0.1)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def test_leadership_ends_in_time_when_no_renewal_is_answered(
    fake_api: Api, script: Any, says: Make, refuses: Make, drops: Any
) -> None:
    script.then(refuses(404, "NotFound"), says(201, lease("me", 1)), drops)
    mine = candidate(fake_api)
    await mine.acquire()
    held = time.monotonic()
    await asyncio.wait_for(mine.lost.wait(), 5)
    assert time.monotonic() - held <= 1.5, "given up before the Lease's duration of 2 s is over"
    assert not mine.is_leader
    await mine.close()


async def test_a_refused_renewal_is_tried_again_long_before_the_next_is_due(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    """An API server that has just started knows nobody's roles, and leadership ends soon."""
    refusal = refuses(403, "Forbidden")
    script.then(refuses(404, "NotFound"), says(201, lease("me", 1)), refusal, says(body=lease("me", 2)))
    mine = LeaderLease(fake_api, "ns", "l", "me", duration=40, deadline=30.0, retry=5.0)
    await mine.acquire()
    await until(lambda: len(script.requests) >= 4, seconds=3.0)
    assert mine.is_leader
    await mine.close()


async def test_a_renewal_whose_answer_was_lost_is_recognised_as_our_own(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(
        refuses(404, "NotFound"),
        says(201, lease("me", 1)),
        refuses(409, "Conflict"),
        says(body=lease("me", 2)),
        says(body=lease("me", 3)),
    )
    mine = candidate(fake_api)
    await mine.acquire()
    await until(lambda: len(script.requests) >= 5)
    assert mine.is_leader
    await mine.close()


async def test_a_lease_taken_by_another_is_lost_at_once(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(
        refuses(404, "NotFound"),
        says(201, lease("me", 1)),
        refuses(409, "Conflict"),
        says(body=lease("you", 2)),
    )
    mine = candidate(fake_api)
    await mine.acquire()
    await asyncio.wait_for(mine.lost.wait(), 0.9)
    assert mine.holder == "you"


async def test_the_clock_of_another_machine_does_not_matter(fake_api: Api, script: Any, says: Make) -> None:
    stale = lease("you", 7)
    stale["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    script.then(says(body=stale))
    mine = candidate(fake_api)
    taking = asyncio.create_task(mine.acquire())
    started = time.monotonic()
    await asyncio.wait_for(taking, 10)
    assert time.monotonic() - started >= 2.0, "the Lease was watched for its whole duration first"
    await mine.close()


def event(holder: str, version: int, kind: str = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": lease(holder, version)}


async def test_a_standby_takes_a_released_lease_at_once(
    fake_api: Api, script: Any, says: Make, streams: Make
) -> None:
    held, free = (
        {**lease("you", 1), "spec": {**lease("you", 1)["spec"], "leaseDurationSeconds": 60}},
        lease("", 3),
    )
    script.then(
        says(body=held),
        streams({"type": "MODIFIED", "object": held}, event("", 3), hold=True),
        says(body=free),
        says(body=lease("me", 4)),
    )
    mine = LeaderLease(fake_api, "ns", "l", "me", duration=60)
    await asyncio.wait_for(mine.acquire(), 5)
    assert script.requests[1][2]["fieldSelector"] == "metadata.name=l"
    assert mine.is_leader


async def test_a_standby_counts_from_the_last_renewal_that_it_saw(
    fake_api: Api, script: Any, says: Make, streams: Make
) -> None:
    script.then(
        says(body=lease("you", 1)),
        streams(event("you", 2), event("you", 3), hold=True),
        says(body=lease("you", 3)),
        says(body=lease("me", 4)),
    )
    started = time.monotonic()
    await asyncio.wait_for(candidate(fake_api).acquire(), 10)
    assert 2.0 <= time.monotonic() - started < 3.0, "the Lease lasts 2 s, and no further look was needed"
    assert len(script.requests) == 4


async def test_a_standby_that_may_not_watch_looks_now_and_then(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(
        says(body=lease("you", 1)),
        refuses(403, "Forbidden"),
        says(body=lease("", 2)),
        says(body=lease("me", 3)),
    )
    mine = candidate(fake_api)
    await asyncio.wait_for(mine.acquire(), 5)
    assert mine.is_leader


@pytest.mark.parametrize(("duration", "deadline", "retry"), [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_settings_that_could_make_two_leaders_are_refused(
    duration: int, deadline: float, retry: float
) -> None:
    api: Any = None
    with pytest.raises(ValueError, match="retry < deadline < duration"):
        LeaderLease(api, "ns", "l", "me", duration=duration, deadline=deadline, retry=retry)


async def test_a_candidate_says_how_it_stands(fake_api: Api, script: Any, says: Make, refuses: Make) -> None:
    mine = candidate(fake_api)
    assert mine.standing == (False, "its Lease has not been read lately")
    script.then(
        says(200, lease("other", 1)),
        refuses(404, "NotFound"),
        says(201, lease("me", 2)),
    )
    acquiring = asyncio.create_task(mine.acquire())
    await until(lambda: mine.standing == (True, "standing by for other"))
    await acquiring
    assert mine.standing == (True, "leading")
    await mine.close()
