import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from edgewright.kube.api import Api
from edgewright.kube.objects import Metadata, Node, Resource
from edgewright.kube.reflector import Reflector

Make = Callable[..., Any]
Seen = list[tuple[str, str]]


def item(name: str, version: int, uid: str = "", **extra: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or name, "resourceVersion": str(version)}, **extra}


def page(version: int, *items: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}


def event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": thing}


GONE = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


@contextlib.asynccontextmanager
async def running(reflector: Reflector[Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(reflector.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def reflector(fake_api: Api, seen: Seen) -> Reflector[Resource]:
    return Reflector(fake_api, "/things", Resource, lambda kind, key, _old, _new: seen.append((kind, key[1])))


async def test_pages_make_one_copy_and_events_follow(
    reflector: Reflector[Resource], script: Any, says: Make, streams: Make, seen: Seen
) -> None:
    script.then(
        says(body=page(5, item("a", 1), more="next")),
        says(body=page(5, item("b", 2))),
        streams(
            event("MODIFIED", item("a", 6)),
            event("DELETED", item("b", 7)),
            event("BOOKMARK", item("", 9)),
        ),
        streams(hold=True),
    )
    async with running(reflector):
        await reflector.wait_synced(5)
        await until(lambda: len(script.requests) == 4)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert script.requests[2][2]["resourceVersion"] == "5"
    assert script.requests[3][2]["resourceVersion"] == "9", "a watch resumes where the bookmark was"
    assert reflector.lists == 1


@pytest.mark.parametrize("how", ["event", "answer"])
async def test_after_a_gap_the_differences_are_reported(
    reflector: Reflector[Resource],
    script: Any,
    says: Make,
    streams: Make,
    refuses: Make,
    seen: Seen,
    how: str,
) -> None:
    script.then(
        says(body=page(5, item("stays", 1), item("changes", 2), item("goes", 3), item("reborn", 4, "old"))),
        streams(GONE) if how == "event" else refuses(410, "Expired"),
        says(
            body=page(50, item("stays", 1), item("changes", 20), item("new", 30), item("reborn", 40, "other"))
        ),
        streams(hold=True),
    )
    async with running(reflector):
        await until(lambda: reflector.lists == 2)
    assert sorted(seen[4:]) == [
        ("ADDED", "new"),
        ("ADDED", "reborn"),
        ("DELETED", "goes"),
        ("DELETED", "reborn"),
        ("MODIFIED", "changes"),
    ]
    assert set(reflector.store) == {("", name) for name in ("stays", "changes", "new", "reborn")}


async def test_a_broken_connection_resumes_without_a_list(
    reflector: Reflector[Resource], script: Any, says: Make, streams: Make, drops: Any, seen: Seen
) -> None:
    script.then(
        says(body=page(5, item("a", 1))),
        streams(event("ADDED", item("b", 6))),
        drops,
        streams(event("ADDED", item("c", 7)), hold=True),
    )
    async with running(reflector):
        await until(lambda: len(seen) == 3)
    assert reflector.lists == 1
    assert script.requests[-1][2]["resourceVersion"] == "6"


async def test_silence_is_not_taken_for_health(fake_api: Api, script: Any, says: Make, streams: Make) -> None:
    reflector = Reflector(fake_api, "/things", Resource, idle=0.3)
    script.then(says(body=page(5)), streams(hold=True))
    async with running(reflector):
        await reflector.wait_synced(5)
        await until(lambda: len(script.requests) >= 3)
        assert reflector.last_heard() <= time.monotonic()
        assert reflector.last_error is None or reflector.last_error.reason == "Timeout"


async def test_an_object_that_does_not_decode_is_left_out_and_named(
    fake_api: Api, script: Any, says: Make, streams: Make
) -> None:
    reflector = Reflector(fake_api, "/nodes", Node)
    broken = item("bad", 1, spec={"taints": "none"})
    script.then(
        says(body=page(5, item("good", 1), broken)),
        streams(event("MODIFIED", item("bad", 6, spec={"taints": []})), hold=True),
    )
    async with running(reflector):
        await reflector.wait_synced(5)
        assert set(reflector.store) == {("", "good")}
        assert "taints" in reflector.undecodable["", "bad"]
        await until(lambda: ("", "bad") in reflector.store)
    assert not reflector.undecodable


async def test_a_refused_list_is_told_to_whoever_waits(
    reflector: Reflector[Resource], script: Any, refuses: Make
) -> None:
    script.then(refuses(403, "Forbidden", "things is forbidden"))
    async with running(reflector):
        with pytest.raises(Exception, match="things is forbidden"):
            await reflector.wait_synced(0.5)


def test_metadata_knows_its_controller() -> None:
    assert Metadata().controller is None
