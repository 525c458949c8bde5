"""When the agent's words about a DAG go out: at once for one loss, after the mending for a loss of many."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.agents.builders import NAMESPACE, controller, dag, node, pod

from edgewright.agents.publish import MANY, MANY_PATIENCE, Publisher
from edgewright.agents.region import Region
from edgewright.agents.standing import Standing

BOUND: dict[str, Any] = {"conditions": [{"type": "PodScheduled", "status": "True"}]}


@dataclass
class Desk:
    """A publisher over a real region, with nothing behind it: what it applies is kept, the region told."""

    region: Region
    now: float = 100.0
    written: list[tuple[str, str, str]] = field(default_factory=list)
    """(DAG, status and reason of Placed)."""
    standings: dict[Any, Standing] = field(default_factory=dict)

    async def apply(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        name, condition = body["metadata"]["name"], body["status"]["conditions"][0]
        self.written.append((name, condition["status"], condition["reason"]))
        self.region.dag_changed((NAMESPACE, name), dag(name, status=body["status"]))
        return body

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def standing(self, key: Any) -> Standing:
        return self.standings.setdefault(key, Standing(algorithm="heuristic"))

    def record(self, *_: Any, **__: Any) -> None:
        """Events are not what is looked at."""

    async def lets(self, publisher: Publisher, seconds: float) -> None:
        """Time passes for the publisher in steps of a tenth of a second."""
        task = asyncio.create_task(publisher.run())
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.region.load_heard = self.now
            publisher.mark_all()
            for _ in range(50):
                await asyncio.sleep(0)
            publisher._wake.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def desk() -> Desk:
    region = Region((NAMESPACE, "ec"), 0.0)
    for name in ("n1", "n2"):
        region.node_changed(name, node(name, cpu="64"))
    region.grant_changed(controller("n1", "n2"))
    return Desk(region)


def publisher(desk: Desk) -> Publisher:
    kept: Any = desk
    return Publisher(
        kept, desk.region, kept, kept, kept, lambda: desk.now, silent=frozenset, busy=lambda: False
    )


def place(desk: Desk, count: int) -> None:
    for number in range(count):
        desk.region.dag_changed((NAMESPACE, f"d{number}"), dag(f"d{number}"))
        for service in ("a", "b"):
            made = pod(f"{service}-{number}", "n1", dag_name=f"d{number}", **BOUND)
            desk.region.pod_changed(None, made, desk.now)


def lose(desk: Desk, number: int) -> None:
    desk.region.pod_changed(pod(f"a-{number}", "n1", dag_name=f"d{number}", **BOUND), None, desk.now)


@pytest.mark.parametrize(("lost", "patience"), [(1, 2.5), (MANY, MANY_PATIENCE)])
async def test_a_loss_of_many_is_told_late_and_a_single_one_at_once(
    desk: Desk, lost: int, patience: float
) -> None:
    here = publisher(desk)
    place(desk, MANY)
    await desk.lets(here, 3.0)
    assert desk.written == [(f"d{n}", "True", "PlacedByHeuristic") for n in range(MANY)]
    desk.written.clear()
    for number in range(lost):
        lose(desk, number)
    await desk.lets(here, patience - 1.0)
    assert (desk.written == []) == (lost == MANY), desk.written
    await desk.lets(here, 2.0)
    assert desk.written == [(f"d{n}", "False", "Rebinding") for n in range(lost)]


async def test_a_loss_of_many_that_is_mended_in_time_is_never_called_one(desk: Desk) -> None:
    here = publisher(desk)
    place(desk, MANY)
    await desk.lets(here, 3.0)
    for number in range(MANY):
        lose(desk, number)
    await desk.lets(here, MANY_PATIENCE / 2)
    for number in range(MANY):
        made = pod(f"a-{number}new", "n2", dag_name=f"d{number}", **BOUND)
        desk.region.pod_changed(None, made, desk.now)
    await desk.lets(here, 2 * MANY_PATIENCE)
    assert {status for _, status, _ in desk.written} == {"True"}
    assert len(desk.written) == 2 * MANY


async def test_what_is_mended_first_waits_for_the_others(desk: Desk) -> None:
    here = publisher(desk)
    place(desk, MANY + 1)
    await desk.lets(here, 3.0)
    desk.written.clear()
    for number in range(MANY + 1):
        lose(desk, number)
    await desk.lets(here, 1.0)
    desk.region.pod_changed(None, pod("a-0new", "n2", dag_name="d0", **BOUND), desk.now)
    await desk.lets(here, 2.0)
    assert desk.written == []
    desk.region.pod_changed(None, pod("a-1new", "n2", dag_name="d1", **BOUND), desk.now)
    await desk.lets(here, 2.0)
    assert sorted(desk.written)[:2] == [
        ("d0", "True", "PlacedByHeuristic"),
        ("d1", "True", "PlacedByHeuristic"),
    ]
