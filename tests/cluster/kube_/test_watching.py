"""Reflector and Lease against a real API server, through its restart and a gap in the watch."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from edgewright.emulation.testbed import Testbed
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.lease import LeaderLease
from edgewright.kube.objects import Manifest
from edgewright.kube.reflector import Reflector

Seen = list[tuple[str, str]]


@contextlib.asynccontextmanager
async def running(reflector: Reflector[Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(reflector.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


async def note(api: Api, namespace: str, name: str) -> None:
    await api.create(paths.configmaps(namespace), {"metadata": {"name": name, "labels": {"of": "test"}}})


def watching(api: Api, namespace: str) -> tuple[Reflector[Manifest], Seen]:
    seen: Seen = []
    return (
        Reflector(
            api,
            paths.configmaps(namespace),
            Manifest,
            lambda kind, key, _old, _new: seen.append((kind, key[1])),
            label_selector="of=test",
            page=2,
        ),
        seen,
    )


async def test_every_change_is_seen_once(api: Api, namespace: str) -> None:
    for i in range(5):
        await note(api, namespace, f"c{i}")
    reflector, seen = watching(api, namespace)
    async with running(reflector):
        await reflector.wait_synced()
        assert [name for _, name in seen] == [f"c{i}" for i in range(5)], "three pages make one list"
        await api.patch(paths.configmaps(namespace, "c0"), {"data": {"a": "b"}})
        await api.delete(paths.configmaps(namespace, "c1"))
        await note(api, namespace, "c5")
        await until(lambda: len(seen) == 8)
    assert seen[5:] == [("MODIFIED", "c0"), ("DELETED", "c1"), ("ADDED", "c5")]


@pytest.fixture
async def own(new_cluster: Callable[..., Testbed]) -> AsyncIterator[tuple[Testbed, Api]]:
    """A control plane without nodes, to be restarted."""
    bed = await asyncio.to_thread(new_cluster, scenario=None, manifests=False)
    async with await Api.connect(str(bed.kubeconfig)) as api:
        yield bed, api


async def test_a_restart_and_a_gap_lose_nothing(own: tuple[Testbed, Api]) -> None:
    bed, api = own
    for name in ("stays", "goes"):
        await note(api, "default", name)
    reflector, seen = watching(api, "default")
    async with running(reflector):
        await reflector.wait_synced()
        await asyncio.to_thread(bed.restart_component, "kube-apiserver")
        heard = reflector.last_heard()
        await note(api, "default", "after")
        await until(lambda: ("ADDED", "after") in seen)
        assert reflector.last_heard() > heard
    # The reflector is away while things change and the API server forgets what it could have told.
    await api.delete(paths.configmaps("default", "goes"))
    await asyncio.to_thread(bed.restart_component, "kube-apiserver")
    await note(api, "default", "new")
    del seen[:]
    lists = reflector.lists
    async with running(reflector):
        await until(lambda: ("ADDED", "new") in seen)
        await until(lambda: ("DELETED", "goes") in seen)
    assert reflector.lists == lists + 1, "the gap made it list again"
    assert sorted(name for _, name in reflector.store) == ["after", "new", "stays"]


def candidate(api: Api, namespace: str, identity: str) -> LeaderLease:
    return LeaderLease(api, namespace, "leader", identity, duration=3, deadline=2.0, retry=0.2)


def leaders(*candidates: LeaderLease) -> list[str]:
    return [each.identity for each in candidates if each.is_leader]


async def test_one_of_two_candidates_leads_and_hands_over(api: Api, namespace: str) -> None:
    first, second = candidate(api, namespace, "first"), candidate(api, namespace, "second")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    held = await api.get(paths.leases(namespace, "leader"))
    await until(lambda: second.holder == "first")
    assert leaders(first, second) == ["first"]
    assert held["spec"]["holderIdentity"] == "first"
    await first.close()
    await asyncio.wait_for(waiting, 2)
    assert leaders(first, second) == ["second"]
    taken = await api.get(paths.leases(namespace, "leader"))
    assert taken["spec"]["leaseTransitions"] == held["spec"]["leaseTransitions"] + 1
    await second.close()


async def test_a_silent_leader_is_replaced_and_never_two_lead(
    cluster: Testbed, api: Api, namespace: str
) -> None:
    cut_off = await Api.connect(str(cluster.kubeconfig))
    first, second = candidate(cut_off, namespace, "first"), candidate(api, namespace, "second")
    await first.acquire()
    await cut_off.close()
    waiting = asyncio.create_task(second.acquire())
    while not waiting.done():
        assert len(leaders(first, second)) < 2
        await asyncio.sleep(0.01)
    assert leaders(first, second) == ["second"]
    await asyncio.wait_for(first.lost.wait(), 2)
    await first.close()
    await second.close()


async def test_a_lease_that_is_taken_away_is_given_up(api: Api, namespace: str) -> None:
    mine = candidate(api, namespace, "mine")
    await mine.acquire()
    await api.patch(paths.leases(namespace, "leader"), {"spec": {"holderIdentity": "thief"}})
    await asyncio.wait_for(mine.lost.wait(), 2)
    assert mine.holder == "thief"
    await mine.close()
    assert (await api.get(paths.leases(namespace, "leader")))["spec"]["holderIdentity"] == "thief"
