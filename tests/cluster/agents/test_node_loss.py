"""Nodes that die, return and flap; and the days on which nobody may be evicted."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgewright.emulation import testbed
from edgewright.kube import names, paths
from edgewright.kube.api import ApiError

Make = Callable[..., dict[str, Any]]
FAST = {"onNodeLoss": "fast"}


async def _settled(region: Any, make: Make, count: int = 4, **policy: str) -> dict[str, str]:
    await region.agent()
    await region.apply(make("d", *(f"m{i}" for i in range(count)), placementPolicy={**FAST, **policy}))
    await region.placed("d")
    on: dict[str, str] = await region.all_bound("d", count)
    await asyncio.sleep(5.0)  # renewals are counted in seconds here: the detector learns the rhythm
    return on


async def test_a_cut_node_is_replaced_and_used_again_when_it_returns(
    region: Any, make: Make, wait_until: Any
) -> None:
    on = await _settled(region, make)
    victim = next(iter(on.values()))
    lost = {pod for pod, node in on.items() if node == victim}
    began = time.monotonic()
    await testbed.nodes.cut(region.api, [victim])

    async def replaced() -> bool:
        now_on = await region.on("d")
        assert len(now_on) == 4, now_on
        assert victim not in now_on.values(), now_on
        return not lost & now_on.keys()

    await wait_until("replacements are bound elsewhere", replaced, 10.0)
    assert time.monotonic() - began < 10.0
    others = [node for node in region.nodes if node != victim]
    for node in others:
        await region.api.patch(paths.nodes(node), {"spec": {"unschedulable": True}})
    await testbed.nodes.heal(region.api, [victim])
    await region.apply(make("late", "x"))
    await region.placed("late", seconds=40)
    assert set((await region.on("late")).values()) == {victim}


async def test_safe_and_keep_leave_the_decision_to_kubernetes(region: Any, make: Make) -> None:
    on = await _settled(region, make, onNodeLoss="keep")
    victim = next(iter(on.values()))
    await testbed.nodes.cut(region.api, [victim])
    await region.reaches("d", "True", "NodeLost", seconds=15)
    assert await region.on("d") == on
    await testbed.nodes.heal(region.api, [victim])
    await region.reaches("d", "True", "PlacedByHeuristic", seconds=40)
    assert await region.on("d") == on


async def test_a_flapping_node_is_left_alone_for_longer_each_time(
    region: Any, make: Make, wait_until: Any
) -> None:
    await _settled(region, make)
    agent, victim = region.agents[0], region.nodes[0]
    for time_lost in range(2):
        await testbed.nodes.cut(region.api, [victim])

        async def noticed(times: int = time_lost + 1) -> bool:
            return bool(agent.log.count(f"node {victim} is silent") == times)

        await wait_until("the loss is noticed", noticed, 15.0)
        await testbed.nodes.heal(region.api, [victim])

        async def returned(times: int = time_lost + 1) -> bool:
            return bool(agent.log.count(f"node {victim} renews its Lease again") == times)

        await wait_until("the return is noticed", returned, 20.0)
    assert f"node {victim} renews its Lease again; used again in 0 s" in agent.log
    assert f"node {victim} renews its Lease again; used again in 10 s" in agent.log


async def test_a_node_deleted_under_its_pods(region: Any, make: Make, wait_until: Any) -> None:
    on = await _settled(region, make, onNodeLoss="safe")
    victim = next(iter(on.values()))
    await region.api.delete(paths.nodes(victim))

    async def replaced() -> bool:
        now_on = await region.on("d")
        return len(now_on) == 4 and victim not in now_on.values()

    await wait_until("pods of the deleted node are replaced", replaced, 20.0)


async def test_an_api_server_outage_evicts_nobody(region: Any, make: Make) -> None:
    on = await _settled(region, make)
    bed = region.bed
    pid = next(process.pid for process in bed.processes if process.name == "kube-apiserver")
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(12.0)  # an outage of many renewal intervals
    os.kill(pid, signal.SIGCONT)
    await _nobody_evicted(region, on, seconds=8.0)


async def test_an_api_server_restart_evicts_nobody(region: Any, make: Make) -> None:
    on = await _settled(region, make)
    await asyncio.to_thread(region.bed.restart_component, "kube-apiserver")
    await _nobody_evicted(region, on, seconds=8.0)
    await region.apply(make("after", "x"))
    await region.placed("after", seconds=40)


@pytest.mark.parametrize("late", [1.8])
async def test_late_renewals_evict_nobody(region: Any, make: Make, late: float) -> None:
    """The test renews one more Lease itself, every fifth time after 1.8 intervals, with a skewed clock."""
    on = await _settled(region, make)
    slow, path = region.nodes[-1], paths.leases(names.NAMESPACE_NODE_LEASE, region.nodes[-1])
    await region.api.patch(path, {"spec": {"holderIdentity": "test", "leaseDurationSeconds": 3600}})
    for number in range(20):
        stamp = f"2001-01-01T00:00:{number:02d}.000000Z"
        await region.api.patch(path, {"spec": {"renewTime": stamp}})
        await asyncio.sleep(late if number % 5 == 4 else 1.0)
    assert f"node {slow} is silent" not in region.agents[0].log
    assert await region.on("d") == on


async def _nobody_evicted(region: Any, on: dict[str, str], seconds: float) -> None:
    """For some seconds of a working API server all pods stay where they are."""
    until, answered = time.monotonic() + 60.0, None
    while answered is None or time.monotonic() < answered + seconds:
        assert time.monotonic() < until
        try:
            assert await region.on("d") == on
            answered = answered or time.monotonic()
        except ApiError:
            assert answered is None
        await asyncio.sleep(0.25)
