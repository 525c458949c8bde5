"""The operator killed at any moment, two of them, an API server that restarts: the end is the same."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.cluster.trouble import Trouble, troubled

from edgewright.kube import names, paths
from edgewright.kube.api import Api

Make = Callable[..., dict[str, Any]]
Until = Callable[..., Awaitable[Any]]


async def leader(api: Api) -> str:
    lease = await api.get(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR))
    return str(lease["spec"].get("holderIdentity") or "")


async def test_killed_at_random_moments_it_finishes_what_it_began(
    region: Any, agent: Any, operator: Any, make: Make, wait_until: Until
) -> None:
    chance = random.Random(7)
    stages = [f"s{index}" for index in range(10)]
    for index in range(4):
        await region.apply(make(f"dag-{index}", *stages))
        await asyncio.sleep(chance.uniform(0.0, 0.25))  # a random moment of the creation is the point
        operator.kill()
        # A crashed leader's Lease has to expire; taking it away saves the wait.
        await region.api.delete(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR), missing_ok=True)
        operator.start()
    for index in range(4):
        await region.wait(f"dag-{index}", "Ready", "True", seconds=60)

        async def complete(dag: str = f"dag-{index}") -> Any:
            objects = await region.objects(dag)
            return objects if len(objects) == 30 else []

        objects = await wait_until("every object exists", complete)
        assert {item["metadata"]["generation"] for item in objects if item["kind"] == "Deployment"} == {1}


async def test_killed_during_an_update_it_ends_in_the_new_spec(
    region: Any, agent: Any, operator: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("edit", *(f"s{index}" for index in range(8))))
    await region.wait("edit", "Ready", "True", seconds=60)
    image = "registry.k8s.io/pause:3.9"
    agent.watch_least()
    await region.apply(make("edit", *({"name": f"s{index}", "image": image} for index in range(1, 9))))
    await asyncio.sleep(0.1)
    operator.kill()
    await region.api.delete(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR), missing_ok=True)
    operator.start()

    async def done() -> bool:
        deployments = [item for item in await region.objects("edit") if item["kind"] == "Deployment"]
        images = {item["spec"]["template"]["spec"]["containers"][0]["image"] for item in deployments}
        return images == {image} and {d["metadata"]["name"] for d in deployments} == {
            f"edit-s{index}" for index in range(1, 9)
        }

    await wait_until("the new spec", done, 90)
    assert all(agent.least[f"s{index}"] >= 1 for index in range(1, 8))


@pytest.fixture
async def in_trouble(operator: Any, cluster: Any, api: Api) -> AsyncIterator[tuple[Any, Trouble]]:
    """An operator that leads, not yet started, and the bad server that it will speak to."""
    operator.kill()
    await api.delete(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR), missing_ok=True)
    second = type(operator)(cluster, "troubled")
    second.log.unlink(missing_ok=True)
    second.kubeconfig = operator.kubeconfig.with_name("operator-in-trouble")
    second.kubeconfig.write_text(operator.kubeconfig.read_text())
    async with troubled(api.server, cluster.layout.cluster / "pki" / "ca.crt") as trouble:
        trouble.lead(second.kubeconfig)
        yield second, trouble
        second.kill()


async def test_a_server_that_refuses_writes_and_loses_watches_only_delays(
    region: Any, agent: Any, in_trouble: tuple[Any, Trouble], make: Make, wait_until: Until
) -> None:
    second, trouble = in_trouble
    stages = [f"s{index}" for index in range(8)]
    second.start()
    await region.apply(make("hard", *stages))
    await region.wait("hard", "Ready", "True", seconds=90)
    await region.apply(make("hard", *stages[:-1], "late"))
    await region.wait("hard", "Ready", "True", seconds=90)

    async def as_specified() -> bool:
        objects = await region.objects("hard")
        made = {(o["kind"], o["metadata"]["labels"][names.LABEL_MICROSERVICE]) for o in objects}
        assert {name for _, name in made} == {*stages[:-1], "late"}
        return len(made) == 3 * len(stages)

    await wait_until("exactly the objects of the new spec", as_specified, 90)
    assert trouble.refused > len(stages)
    assert trouble.gaps > 0
    assert "Traceback" not in second.log.read_text()


async def test_a_watch_that_hangs_is_started_again(
    region: Any, agent: Any, in_trouble: tuple[Any, Trouble], make: Make
) -> None:
    second, trouble = in_trouble
    trouble.deafening = 1
    await region.apply(make("before", "a"))
    second.start()
    await region.wait("before", "Ready", "True", seconds=60)
    assert trouble.deafening == 0
    await region.apply(make("after", "a"))
    await region.wait("after", "Ready", "True", seconds=90)
    assert "it hangs" in second.log.read_text()


async def test_of_two_operators_one_leads_and_the_other_takes_over(
    region: Any, agent: Any, operator: Any, cluster: Any, make: Make, wait_until: Until
) -> None:
    api = region.api
    await region.apply(make("first", "a"))
    await region.wait("first", "Ready", "True")
    led = await leader(api)
    second = type(operator)(cluster, "second")
    second.start()
    try:
        await region.apply(make("both", "a", "b"))
        await region.wait("both", "Ready", "True")
        assert await leader(api) == led
        assert operator.terminate() == 0

        async def taken_over() -> bool:
            return await leader(api) not in {"", led}

        await wait_until("the standby leads", taken_over, 20)
        await region.apply(make("after", "a"))
        await region.wait("after", "Ready", "True")
    finally:
        second.terminate()
    text = second.log.read_text()
    assert "Traceback" not in text


async def test_an_operator_that_loses_its_lease_starts_afresh(
    region: Any, operator: Any, wait_until: Until
) -> None:
    api = region.api
    path = paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR)
    led = await wait_until("a leader", lambda: leader(api))

    async def usurped() -> bool:
        lease = await api.get(path)
        lease["spec"] |= {"holderIdentity": "usurper", "leaseDurationSeconds": 1}
        await api.replace(path, lease)
        return True

    async def led_again() -> bool:
        return await leader(api) not in {"", "usurper", led}

    await wait_until("the Lease is taken away", usurped)
    await wait_until("a new identity leads", led_again, 60)
    assert operator.running
    assert "the Lease is lost" in operator.log.read_text()


async def test_it_lives_through_a_restart_of_the_api_server(
    new_cluster: Callable[..., Any], make: Make, wait_until: Until, operator_kit: Any
) -> None:
    bed = await asyncio.to_thread(new_cluster, edge_controllers=True)
    process = operator_kit.Process(bed)
    process.start()
    try:
        async with await Api.connect(str(bed.kubeconfig)) as api:
            region = operator_kit.Region(api, "melbourne-small-1")
            await region.apply(make("before", "a"))
            await wait_until("objects", lambda: region.objects("before"))
            await asyncio.to_thread(bed.stop_component, "kube-apiserver")
            await asyncio.sleep(3)
            await asyncio.to_thread(bed.start_component, "kube-apiserver")
            await region.apply(make("after", "a", "b"))

            async def created() -> bool:
                return len(await region.objects("after")) == 6

            await wait_until("a ServiceDAG made after the restart", created, 60)
            await api.delete(paths.service_dags("melbourne-small-1", "before"))

            async def nothing() -> bool:
                return not await region.objects("before")

            await wait_until("the first one is gone", nothing, 60)
            assert process.running
    finally:
        process.kill()
    assert "Traceback" not in process.log.read_text()
