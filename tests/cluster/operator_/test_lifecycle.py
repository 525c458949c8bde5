"""A ServiceDAG from its creation through every kind of update to its deletion, on a real API server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.cluster.builders import quota

from edgewright.kube import names, paths
from edgewright.kube.api import ApiError
from edgewright.operator.queue import KeyedQueue
from edgewright.operator.regions import version_of
from edgewright.operator.world import World

Make = Callable[..., dict[str, Any]]
Until = Callable[..., Awaitable[Any]]


async def test_it_becomes_ready_with_everything_that_it_needs(region: Any, agent: Any, make: Make) -> None:
    await region.apply(
        make("shop", "web", {"name": "cart", "replicas": {"min": 2}}, qos={"maxLatencyMs": 20})
    )
    ready = await region.wait("shop", "Ready", "True", "Available")
    assert ready["observedGeneration"] == 1
    status = (await region.dag("shop"))["status"]
    assert status["phase"] == "Running"
    assert status["desired"] == [
        {"microservice": "web", "replicas": 1},
        {"microservice": "cart", "replicas": 2},
    ]
    assert (await region.condition("shop", "QoSMet"))["reason"] == "WithinLimits"
    assert (await region.condition("shop", "Planned"))["reason"] == "PlannerUnavailable"
    found = {(item["kind"], item["metadata"]["name"]) for item in await region.objects("shop")}
    kinds = ("Deployment", "Service", "PodDisruptionBudget")
    assert found == {(kind, f"shop-{name}") for kind in kinds for name in ("web", "cart")}


async def test_the_api_server_tells_how_new_its_newest_service_dag_is(
    region: Any, make: Make, wait_until: Until
) -> None:
    world = World(region.api, KeyedQueue(base=1, cap=1))
    made = await region.apply(make("newest", "a"))

    async def told() -> bool:
        return await world.newest_on_server("servicedags") >= version_of(made)

    await wait_until("the version in the API server's cache", told, 10)


async def test_deleting_it_leaves_nothing(region: Any, agent: Any, make: Make, wait_until: Until) -> None:
    await region.apply(make("gone", "a", "b"))
    await region.wait("gone", "Ready", "True")
    await region.api.delete(paths.service_dags(region.namespace, "gone"))

    async def nothing() -> bool:
        return not await region.objects("gone") and not await region.pods("gone")

    await wait_until("everything of the ServiceDAG is gone", nothing, 60)


async def test_deleting_it_while_it_is_created_leaves_nothing(
    region: Any, make: Make, wait_until: Until
) -> None:
    for index in range(5):
        await region.apply(make(f"brief-{index}", *(f"m{i}" for i in range(8))))
        await asyncio.sleep(0.03 * index)  # a different moment of the creation each time
        await region.api.delete(paths.service_dags(region.namespace, f"brief-{index}"))

    async def nothing() -> bool:
        return not any([await region.objects(f"brief-{index}") for index in range(5)])

    await wait_until("everything of the ServiceDAGs is gone", nothing, 60)


async def test_a_service_dag_made_again_at_once_gets_its_own_objects(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("again", "a"))
    await region.wait("again", "Ready", "True")
    await region.api.delete(paths.service_dags(region.namespace, "again"))
    made = await region.apply(make("again", "a"))

    async def adopted() -> bool:
        objects = await region.objects("again")
        owners = {item["metadata"]["ownerReferences"][0]["uid"] for item in objects}
        return len(objects) == 3 and owners == {made["metadata"]["uid"]}

    await wait_until("objects of the new incarnation", adopted, 60)
    await region.wait("again", "Ready", "True")


async def test_updates_never_leave_fewer_than_min_replicas_bound(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    three = {"min": 3, "max": 3}
    await region.apply(make("live", {"name": "a", "replicas": three}, {"name": "b", "replicas": three}))
    await region.wait("live", "Ready", "True")
    agent.watch_least()
    pause = "registry.k8s.io/pause:3.9"
    edited = make(
        "live",
        {"name": "a", "replicas": three, "image": pause},
        {"name": "b", "replicas": three, "resources": {"cpu": "200m", "memory": "64Mi"}},
    )
    await region.apply(edited)

    async def rolled() -> bool:
        deployments = [item for item in await region.objects("live") if item["kind"] == "Deployment"]
        containers = {
            item["metadata"]["labels"][names.LABEL_MICROSERVICE]: item["spec"]["template"]["spec"][
                "containers"
            ][0]
            for item in deployments
        }
        return (
            containers["a"]["image"] == pause
            and containers["b"]["resources"]["requests"]["cpu"] == "200m"
            and all(
                item["status"].get("updatedReplicas") == item["status"].get("replicas") == 3
                and item["status"].get("observedGeneration") == item["metadata"]["generation"]
                for item in deployments
            )
        )

    await wait_until("the rollout", rolled, 60)
    assert agent.least == {"a": 3, "b": 3}
    await region.wait("live", "Ready", "True")


async def test_microservices_and_replicas_come_and_go(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("grow", "a", "b"))
    await region.wait("grow", "Ready", "True")
    agent.watch_least()
    await region.apply(make("grow", {"name": "a", "replicas": {"min": 2, "max": 2}}, "c"))
    await region.wait("grow", "Ready", "True")

    async def replaced() -> bool:
        found = {item["metadata"]["name"] for item in await region.objects("grow")}
        return found == {"grow-a", "grow-c"}

    await wait_until("b is gone", replaced)
    assert agent.least["a"] == 1
    await region.apply(make("grow", "a", "c"))

    async def shrunk() -> bool:
        return len([p for p in await region.pods("grow") if "deletionTimestamp" not in p["metadata"]]) == 2

    await wait_until("the scale-down", shrunk)


async def test_a_removed_field_is_removed(region: Any, make: Make, wait_until: Until) -> None:
    ports = [{"containerPort": 8080}]
    first = {"name": "a", "template": {"ports": ports, "env": [{"name": "X", "value": "1"}]}}
    selector = {"placement": {"nodeSelector": {"disk": "ssd"}}}
    await region.apply(make("less", {**first, **selector}))
    await region.wait("less", "Accepted", "True")

    async def spec() -> dict[str, Any]:
        [found] = [item for item in await region.objects("less") if item["kind"] == "Deployment"]
        pod: dict[str, Any] = found["spec"]["template"]["spec"]
        return pod

    await wait_until("the Deployment", spec)
    assert (await spec())["nodeSelector"] == {"disk": "ssd"}
    await region.apply(make("less", {"name": "a", "template": {"ports": ports}}))

    async def pruned() -> bool:
        found = await spec()
        return "nodeSelector" not in found and "env" not in found["containers"][0]

    await wait_until("the fields are gone", pruned)


async def test_objects_deleted_or_changed_by_hand_come_back(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("hand", "a"))
    await region.wait("hand", "Ready", "True")
    for path in (paths.deployments, paths.services, paths.pdbs):
        await region.api.delete(path(region.namespace, "hand-a"))

    async def back() -> bool:
        found = [item for item in await region.objects("hand") if "deletionTimestamp" not in item["metadata"]]
        return len(found) == 3

    await wait_until("all three are back", back)
    await region.wait("hand", "Ready", "True")
    await region.api.patch(paths.deployments(region.namespace, "hand-a"), {"spec": {"replicas": 4}})

    async def corrected() -> bool:
        found = await region.api.get(paths.deployments(region.namespace, "hand-a"))
        return bool(found["spec"]["replicas"] == 1)

    await wait_until("the replicas are put back", corrected)


async def test_edits_while_it_is_placed_end_in_the_last_one(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    for tag in ("3.6", "3.7", "3.8", "3.9"):
        image = f"registry.k8s.io/pause:{tag}"
        await region.apply(make("hasty", {"name": "a", "image": image, "replicas": {"min": 2}}))
    await region.wait("hasty", "Ready", "True")

    async def last() -> bool:
        pods = [p for p in await region.pods("hasty") if "deletionTimestamp" not in p["metadata"]]
        return {p["spec"]["containers"][0]["image"] for p in pods} == {"registry.k8s.io/pause:3.9"}

    await wait_until("only the last image runs", last, 60)


async def test_a_dry_run_creates_nothing_and_leaves_a_running_one_alone(
    region: Any, agent: Any, make: Make
) -> None:
    dry = {"placementPolicy": {"dryRun": True}}
    await region.apply(make("dry", "a", "b", **dry))
    await region.wait("dry", "Ready", "False", "DryRun")
    assert await region.objects("dry") == []
    assert len((await region.dag("dry"))["status"]["desired"]) == 2
    await region.apply(make("wet", "a"))
    await region.wait("wet", "Ready", "True")
    await region.apply(make("wet", "a", "b", **dry))
    await region.wait("wet", "Ready", "False", "DryRun")
    assert {item["metadata"]["name"] for item in await region.objects("wet")} == {"wet-a"}


async def test_an_autoscaler_keeps_its_say(region: Any, agent: Any, make: Make, wait_until: Until) -> None:
    await region.apply(make("auto", {"name": "a", "replicas": {"min": 1, "max": 5}}))
    await region.wait("auto", "Ready", "True")
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "auto-a"},
            "minReplicas": 3,
            "maxReplicas": 5,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                }
            ],
        },
    }
    await region.api.create(paths.hpas(region.namespace), scaler)
    await region.wait("auto", "Degraded", "False", "ExternallyScaled")
    # What the autoscaler does, without waiting for its first period.
    scale = f"{paths.deployments(region.namespace, 'auto-a')}/scale"
    await region.api.patch(scale, {"spec": {"replicas": 3}})
    image = "registry.k8s.io/pause:3.9"
    await region.apply(make("auto", {"name": "a", "image": image, "replicas": {"min": 1, "max": 5}}))

    async def rolled() -> bool:
        found = await region.api.get(paths.deployments(region.namespace, "auto-a"))
        assert found["spec"]["replicas"] == 3
        return bool(found["spec"]["template"]["spec"]["containers"][0]["image"] == image)

    await wait_until("the new image at three replicas", rolled)


async def test_an_autoscaler_that_has_not_spoken_yet_loses_no_replicas(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    two = {"min": 2, "max": 5}
    await region.apply(make("calm", {"name": "a", "replicas": two}))
    await region.wait("calm", "Ready", "True")
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "calm"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "calm-a"},
            "minReplicas": 1,
            "maxReplicas": 5,
        },
    }
    await region.api.create(paths.hpas(region.namespace), scaler)
    await region.wait("calm", "Degraded", "False", "ExternallyScaled")
    image = "registry.k8s.io/pause:3.9"
    await region.apply(make("calm", {"name": "a", "image": image, "replicas": two}))

    async def rolled() -> bool:
        found = await region.api.get(paths.deployments(region.namespace, "calm-a"))
        assert found["spec"]["replicas"] == 2
        return bool(found["spec"]["template"]["spec"]["containers"][0]["image"] == image)

    await wait_until("the new image at two replicas", rolled)


async def test_nothing_carries_finalizers_or_notes_of_the_framework(
    region: Any, agent: Any, make: Make
) -> None:
    await region.apply(make("clean", "a"))
    await region.wait("clean", "Ready", "True")
    everything = [
        await region.dag("clean"),
        await region.api.get(paths.edge_controllers(region.namespace, "region")),
        *await region.objects("clean"),
        *await region.pods("clean"),
    ]
    for item in everything:
        metadata = item["metadata"]
        assert not metadata.get("finalizers"), item["kind"]
        assert not [name for name in metadata.get("annotations", {}) if "kopf" in name]
        managers = {entry["manager"] for entry in metadata.get("managedFields", [])}
        assert not [manager for manager in managers if "kopf" in manager]


async def test_a_drain_takes_one_replica_at_a_time(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("drained", {"name": "a", "replicas": {"min": 2}}))
    await region.wait("drained", "Ready", "True")
    first, second = sorted(str(pod["metadata"]["name"]) for pod in await region.pods("drained"))

    async def evict(pod: str) -> bool:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        await region.api.create(paths.pods(region.namespace, pod, "eviction"), body)
        return True

    # No replacement can appear meanwhile, however quick the cluster is.
    await quota(region.api, region.namespace, "full", {"pods": "1"})
    await wait_until("a budget that allows one", lambda: evict(first))
    with pytest.raises(ApiError) as refused:
        await evict(second)
    assert refused.value.status == 429
    await region.api.delete(paths.resourcequotas(region.namespace, "full"))
    await wait_until("the second eviction, once the first replica is replaced", lambda: evict(second), 60.0)
    await region.wait("drained", "Ready", "True")
