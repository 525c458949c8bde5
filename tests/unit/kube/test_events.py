import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from edgewright.kube.api import Api
from edgewright.kube.events import EventRecorder

Make = Callable[..., Any]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


def dag(name: str) -> dict[str, Any]:
    metadata = {"namespace": "metro-1", "name": name, "uid": f"u-{name}"}
    return {"apiVersion": "edgewright.dev/v1alpha1", "kind": "ServiceDAG", "metadata": metadata}


async def test_the_same_reason_about_the_same_object_is_counted(
    fake_api: Api, script: Any, says: Make
) -> None:
    script.then(says(201))
    events = EventRecorder(fake_api, "edgewright-agent", interval=0.0)
    for word in ("first", "second", "third"):
        events.record(dag("a"), "NodeLost", word, warning=True)
    events.record(dag("b"), "NodeLost", "other")
    await events.close()
    bodies = [json.loads(body) for body in script.bodies]
    assert [(body["count"], body["message"], body["type"]) for body in bodies] == [
        (3, "third", "Warning"),
        (1, "other", "Normal"),
    ]
    assert bodies[0]["involvedObject"]["uid"] == "u-a"
    events.record(dag("a"), "NodeLost", "fourth", warning=True)
    await events.close()
    assert script.requests[-1][0] == "PATCH"
    assert json.loads(script.bodies[-1])["count"] == 4


async def test_an_event_that_the_server_forgot_is_written_anew(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(says(201), refuses(404, "NotFound"), says(201))
    events = EventRecorder(fake_api, "edgewright-agent")
    for _ in range(2):
        events.record(dag("a"), "Rebinding", "again")
        await events.close()
    assert [method for method, _, _ in script.requests] == ["POST", "PATCH", "POST"]


async def test_more_series_than_the_capacity_are_dropped_and_counted(
    fake_api: Api, script: Any, says: Make
) -> None:
    script.then(says(201))
    events = EventRecorder(fake_api, "edgewright-agent", capacity=2)
    for name in "abc":
        events.record(dag(name), "Rebinding", "x")
    assert events.dropped == 1
    await events.close()
    events.record(dag("d"), "Rebinding", "x")
    assert events.dropped == 1, "written series make room"


async def test_recording_writes_in_the_background_and_survives_refusals(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(refuses(403, "Forbidden"), says(201))
    events = EventRecorder(fake_api, "edgewright-agent", interval=0.05)
    writer = asyncio.create_task(events.run())
    events.record(dag("a"), "Rebinding", "x")
    await until(lambda: len(script.requests) == 1)
    events.record(dag("a"), "Rebinding", "y")
    await until(lambda: len(script.requests) == 2)
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
