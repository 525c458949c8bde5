"""Crashes, conflicts and refusals: nothing is lost, nothing is doubled, and the reason is said."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.cluster.trouble import troubled

from edgewright.kube import names, paths

Make = Callable[..., dict[str, Any]]


async def test_an_agent_killed_at_any_moment_loses_and_doubles_nothing(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.add_nodes(4)
    dice = random.Random(7)
    for number in range(6):
        await region.apply(make(f"d{number}", *(f"m{i}" for i in range(5))))
    for _ in range(3):
        agent = await region.agent()
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        agent.kill()
    await region.agent()
    for number in range(6):
        await region.placed(f"d{number}", seconds=60)

    async def whole() -> bool:
        for number in range(6):
            pods = await region.pods(f"d{number}")
            counts = Counter(pod["metadata"]["labels"][names.LABEL_MICROSERVICE] for pod in pods)
            assert counts == {f"m{i}": 1 for i in range(5)}, counts
            assert all(pod["spec"].get("nodeName") for pod in pods)
        return True

    await wait_until("every microservice has exactly one bound pod", whole)


async def test_a_server_that_refuses_writes_and_loses_watches_only_delays(
    region: Any, make: Make, wait_until: Any
) -> None:
    async with troubled(region.api.server, region.bed.layout.cluster / "pki" / "ca.crt") as trouble:
        agent = await region.agent(through=trouble)
        for number in range(4):
            await region.apply(make(f"d{number}", *(f"m{i}" for i in range(4))))
        for number in range(4):
            await region.placed(f"d{number}", seconds=90)
            await region.all_bound(f"d{number}", 4)
        agent.kill()
    assert trouble.refused > 4
    assert trouble.gaps > 0
    assert "Traceback" not in agent.log


async def test_of_two_agents_one_leads_and_the_other_takes_over(region: Any, make: Make) -> None:
    first = await region.agent()
    second = await region.agent(wait=False)
    await region.apply(make("one", "a"))
    await region.placed("one")
    assert "governing" not in second.log
    first.kill()
    await second.governs()
    await region.apply(make("two", "a"))
    await region.placed("two")


async def test_sigterm_hands_the_region_over_at_once(region: Any) -> None:
    first = await region.agent()
    assert first.terminate() == 0
    lease = await region.api.get(paths.leases(region.namespace, names.LEASE_AGENT))
    assert lease["spec"].get("holderIdentity", "") == ""


async def test_pods_deleted_by_hand_are_placed_again(region: Any, make: Make) -> None:
    await region.agent()
    await region.apply(make("d", "a", "b"))
    await region.placed("d")
    before = await region.all_bound("d", 2)
    for pod in before:
        await region.api.delete(paths.pods(region.namespace, pod))
    after = await region.all_bound("d", 2)
    assert not before.keys() & after.keys()


async def test_a_pod_that_somebody_else_bound_first_counts_where_it_is(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.apply(make("d", "a", "b"))

    async def there() -> Any:
        return len(await region.pods("d")) == 2

    await wait_until("pods exist", there)
    pods = await region.pods("d")
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pods[0]["metadata"]["name"]},
        "target": {"apiVersion": "v1", "kind": "Node", "name": region.nodes[2]},
    }
    await region.api.create(paths.pods(region.namespace, pods[0]["metadata"]["name"], "binding"), body)
    await region.agent()
    await region.placed("d")
    on = await region.all_bound("d", 2)
    assert on[pods[0]["metadata"]["name"]] == region.nodes[2]


async def test_a_kubelet_that_refuses_a_pod_gets_no_second_one_at_once(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.agent()
    await region.apply(make("d", "a"))
    await region.placed("d")
    (pod, refuser), *_ = (await region.all_bound("d", 1)).items()
    await _refuse(region, pod)

    async def replaced() -> bool:
        on = await region.on("d")
        return len(on) == 1 and pod not in on and refuser not in on.values()

    await wait_until("the replica is placed on another node", replaced)

    async def cleared() -> bool:
        return pod not in {
            p["metadata"]["name"] for p in await region.api.items(paths.pods(region.namespace))
        }

    await wait_until("the refused pod is deleted", cleared)


async def test_after_three_refusals_the_replica_waits_and_says_why(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.agent()
    await region.apply(make("d", "a"))
    for _ in range(3):
        (pod, _node), *_ = (await region.all_bound("d", 1)).items()
        await _refuse(region, pod)

        async def gone(name: str = pod) -> bool:
            return name not in {p["metadata"]["name"] for p in await region.pods("d")}

        await wait_until("the refused pod is deleted", gone)
    await region.reaches("d", "False", "KubeletRejected")
    assert await region.on("d") == {}


async def test_an_edit_and_a_deletion_while_placing(region: Any, make: Make, wait_until: Any) -> None:
    await region.agent()
    for number in range(5):
        await region.apply(make("d", *(f"m{i}" for i in range(3 + number))))
    await region.placed("d")
    await region.all_bound("d", 7, 40.0)
    await region.apply(make("short", *(f"m{i}" for i in range(6))))
    await region.api.delete(paths.service_dags(region.namespace, "short"))

    async def empty() -> bool:
        return not await region.pods("short")

    await wait_until("nothing is left of the deleted DAG", empty)
    await region.apply(make("next", "a"))
    await region.placed("next")


async def _refuse(region: Any, pod: str) -> None:
    """What a kubelet writes when it will not run a pod."""
    status = {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"}
    await region.api.patch(paths.pods(region.namespace, pod, "status"), {"status": status})
