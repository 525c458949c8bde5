"""The small parts that keep the operator's picture true: drift, own writes, living agents, field owners."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgewright.kube.objects import Lease, LeaseSpec, Manifest, Metadata
from edgewright.operator.agents_alive import AgentsAlive
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.drift import covers
from edgewright.operator.field_ownership import owned_by_apply, owns
from edgewright.operator.gate import Gate
from edgewright.operator.owned_objects import Change, OwnedObjects

MakeDag = Callable[..., Dag]


@pytest.mark.parametrize(
    ("observed", "desired", "same"),
    [
        ({"a": 1, "defaulted": True}, {"a": 1}, True),
        ({"cpu": "1"}, {"cpu": "1000m"}, True),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}, True),
        ({"image": "app:1"}, {"image": "app:2"}, False),
        ({}, {"command": [], "medium": "", "optional": False}, True),
        ({"ports": [{"port": 80, "nodePort": 1}]}, {"ports": [{"port": 80}]}, True),
        ({"ports": [{"port": 80}, {"port": 81}]}, {"ports": [{"port": 80}]}, False),
        ({"flag": True}, {"flag": 1}, True),
        ({"value": "1"}, {"value": True}, False),
    ],
)
def test_drift_ignores_what_the_server_adds(observed: Any, desired: Any, same: bool) -> None:
    assert covers(observed, desired) is same


class TestOwnedObjects:
    """Our own writes are known before the watch tells them, and cause no work when it does."""

    @pytest.fixture
    def item(
        self, make_dag: MakeDag, make_compiled: Callable[..., tuple[Compiled, ...]], stored: Any
    ) -> Manifest:
        made: Manifest = stored(make_compiled(make_dag("a"))[0])
        return made

    def test_a_written_object_is_there_at_once_and_its_echo_is_silent(self, item: Manifest) -> None:
        changes: list[Any] = []
        objects = OwnedObjects(lambda *change: changes.append(change))
        objects.note("Deployment", item)
        assert objects.of(("region", "dag")) == {("Deployment", "dag-a"): item}
        objects.listener("Deployment")("ADDED", item.metadata.key, None, item)
        assert changes == []
        assert objects.of(("region", "dag")) == {("Deployment", "dag-a"): item}

    def test_an_older_event_does_not_hide_a_newer_write(self, item: Manifest) -> None:
        objects = OwnedObjects(lambda *_: None)
        newer = msgspec.structs.replace(
            item, metadata=msgspec.structs.replace(item.metadata, resource_version="5")
        )
        objects.note("Deployment", newer)
        objects.listener("Deployment")("ADDED", item.metadata.key, None, item)
        assert objects.of(("region", "dag"))["Deployment", "dag-a"] is newer

    def test_a_deletion_is_told_and_forgets_the_write(self, item: Manifest) -> None:
        changes: list[Any] = []
        objects = OwnedObjects(lambda *change: changes.append(change))
        listen = objects.listener("Deployment")
        objects.note("Deployment", item)
        listen("ADDED", item.metadata.key, None, item)
        listen("DELETED", item.metadata.key, item, None)
        assert objects.of(("region", "dag")) == {}
        assert changes == [(("region", "dag"), Change.DELETED)]

    def test_status_alone_is_not_substantial(self, item: Manifest) -> None:
        changes: list[Any] = []
        objects = OwnedObjects(lambda *change: changes.append(change))
        metadata = msgspec.structs.replace(item.metadata, resource_version="2")
        later = msgspec.structs.replace(item, metadata=metadata, status={"readyReplicas": 0})
        objects.listener("Deployment")("MODIFIED", item.metadata.key, item, later)
        assert changes == [(("region", "dag"), Change.PROGRESS)]


def lease(holder: str, duration: int = 20) -> Lease:
    spec = LeaseSpec(holder_identity=holder, lease_duration_seconds=duration)
    return Lease(metadata=Metadata(name="edgewright-agent", namespace="region"), spec=spec)


def test_an_agent_lives_while_its_lease_changes() -> None:
    agents = AgentsAlive()
    assert not agents.alive("region", 0)
    agents.see(None, lease("a"), 0)
    assert agents.alive("region", 19)
    assert agents.next_expiry(0) == 20
    assert not agents.alive("region", 21)
    agents.see(lease("a"), lease("a"), 22)
    assert agents.alive("region", 30)
    agents.see(lease("a"), lease(""), 23)
    assert not agents.alive("region", 23)


def test_a_short_lease_gives_a_standby_the_time_to_take_over() -> None:
    agents = AgentsAlive()
    agents.see(None, lease("a", duration=4), 0)
    assert agents.alive("region", 14)
    assert not agents.alive("region", 16)


FIELDS: dict[str, Any] = {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}}


def test_fields_from_post_are_handed_to_server_side_apply() -> None:
    posted = {"manager": "me", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": FIELDS}
    other = {"manager": "kcm", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}
    handed = owned_by_apply([posted, other], "me")
    assert handed == [{**posted, "operation": "Apply"}, other]
    assert owned_by_apply(handed, "me") is None
    applied = {**posted, "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    merged = owned_by_apply([posted, applied], "me")
    assert merged is not None
    assert merged[0]["fieldsV1"]["f:spec"].keys() == {"f:replicas", "f:template", "f:paused"}


def test_field_ownership_is_found_by_path() -> None:
    entries = [{"manager": "me", "operation": "Apply", "fieldsV1": FIELDS}]
    assert owns(entries, "me", "spec", "replicas")
    assert not owns(entries, "me", "spec", "paused")
    assert not owns(entries, "you", "spec", "replicas")


async def test_the_gate_lets_urgent_writes_go_first() -> None:
    gate, order = Gate(1), []

    async def write(priority: int) -> None:
        async with gate.slot(priority):
            order.append(priority)

    async with gate.slot(0):
        writes = [asyncio.create_task(write(priority)) for priority in (2, 1, 0, 1)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    assert order == [0, 1, 1, 2]


async def test_a_cancelled_wait_does_not_lose_a_slot() -> None:
    gate = Gate(1)

    async def hold() -> None:
        async with gate.slot(0):
            pass

    async with gate.slot(0):
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), gate.slot(0):
        pass
