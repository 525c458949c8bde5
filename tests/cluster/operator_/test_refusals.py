"""Bad input and bad luck: each ends in the right state, with a condition that says what happened."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.cluster.builders import quota

from edgewright.kube import names, paths
from edgewright.kube.api import ApiError

Make = Callable[..., dict[str, Any]]
Until = Callable[..., Awaitable[Any]]


def plain_service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"mine": "yes"}},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 1234}]},
    }


async def test_a_service_of_someone_else_is_never_overwritten(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    api = region.api
    theirs = await api.create(paths.services(region.namespace), plain_service("frontend"))
    await region.apply(make("shop", {"name": "web", "service": {"name": "frontend"}}, "cart"))
    found = await region.wait("shop", "Ready", "False", "NameConflict")
    assert "frontend" in found["message"]
    await wait_until("an event", lambda: _reasons(api, region.namespace, "NameConflict"))
    now = await api.get(paths.services(region.namespace, "frontend"))
    assert now["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    assert {item["metadata"]["name"] for item in await region.objects("shop")} == {"shop-web", "shop-cart"}
    # It heals by itself once the name is free.
    await api.delete(paths.services(region.namespace, "frontend"))
    await region.wait("shop", "Ready", "True", seconds=60)
    now = await api.get(paths.services(region.namespace, "frontend"))
    assert now["metadata"]["ownerReferences"][0]["name"] == "shop"


async def _reasons(api: Any, namespace: str, reason: str) -> bool:
    events = await api.items(paths.events(namespace))
    return reason in {event.get("reason") for event in events}


async def test_two_service_dags_whose_names_meet_both_run(region: Any, agent: Any, make: Make) -> None:
    await region.apply(make("a-b", "c"))
    await region.wait("a-b", "Ready", "True")
    await region.apply(make("a", "b-c"))
    await region.wait("a", "Ready", "True")
    [first] = {item["metadata"]["name"] for item in await region.objects("a-b")}
    [second] = {item["metadata"]["name"] for item in await region.objects("a")}
    assert first == "a-b-c"
    assert second.startswith("a-b-c-")


async def test_a_quota_on_pods_is_reported_in_the_api_server_s_words(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await quota(region.api, region.namespace, "small", {"pods": "1"})
    await region.apply(make("big", {"name": "a", "replicas": {"min": 3}}))
    found = await region.wait("big", "Ready", "False", "QuotaExceeded", seconds=60)
    assert "exceeded quota: small" in found["message"]
    assert (await region.condition("big", "Degraded"))["reason"] == "QuotaExceeded"
    await region.api.delete(f"{paths.resourcequotas(region.namespace, 'small')}")
    await region.api.patch(
        paths.deployments(region.namespace, "big-a"), {"metadata": {"labels": {"poke": "1"}}}
    )
    await region.wait("big", "Ready", "True", seconds=90)


async def test_a_quota_on_deployments_is_reported(region: Any, agent: Any, make: Make) -> None:
    await quota(region.api, region.namespace, "few", {"count/deployments.apps": "1"})
    await region.apply(make("wide", "a", "b"))
    found = await region.wait("wide", "Ready", "False", "QuotaExceeded")
    assert "few" in found["message"]
    await region.api.delete(f"{paths.resourcequotas(region.namespace, 'few')}")
    await region.wait("wide", "Ready", "True", seconds=60)


async def test_a_limit_range_s_refusal_is_reported(region: Any, agent: Any, make: Make) -> None:
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "tiny"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]},
    }
    await region.api.create(paths.limitranges(region.namespace), limits)
    await region.apply(make("fat", "a"))
    found = await region.wait("fat", "Ready", "False", "PodRejected", seconds=60)
    assert "maximum memory usage" in found["message"]


async def test_a_namespace_without_an_edge_controller_says_so_and_heals(
    api: Any, operator: Any, make: Make, fresh_namespace: Callable[[], Awaitable[str]], region: Any
) -> None:
    other = type(region)(api, await fresh_namespace())
    await other.apply(make("lost", "a"))
    found = await other.wait("lost", "Accepted", "False", "NoEdgeController")
    assert other.namespace in found["message"]
    assert await other.objects("lost") == []
    await api.patch(
        paths.edge_controllers(region.namespace, "region"),
        {"spec": {"namespaces": [region.namespace, other.namespace]}},
    )
    await other.wait("lost", "Accepted", "True")
    await api.delete(paths.namespaces(other.namespace))


async def test_a_namespace_where_the_operator_has_no_rights_says_so(
    api: Any, region: Any, namespace: str, make: Make
) -> None:
    await api.delete(paths.rolebindings(namespace, names.ROLE_OPERATOR_REGION))
    await region.apply(make("barred", "a"))
    found = await region.wait("barred", "Accepted", "False", "ObjectRefused")
    assert "cannot create resource" in found["message"]


async def test_a_cycle_is_rejected_and_what_runs_stays(
    region: Any, agent: Any, make: Make, wait_until: Until
) -> None:
    await region.apply(make("ring", "a", "b", "c"))
    await region.wait("ring", "Ready", "True")
    before = {item["metadata"]["uid"] for item in await region.objects("ring")}
    edges = [{"from": x, "to": y, "payloadKB": 1} for x, y in ("ab", "bc", "ca")]
    await region.apply(make("ring", "a", "b", "c", invocations=edges))
    found = await region.wait("ring", "Accepted", "False", "CyclicGraph")
    assert "b -> c -> a" in found["message"]
    assert {item["metadata"]["uid"] for item in await region.objects("ring")} == before
    await region.apply(make("fresh-ring", "a", "b", "c", invocations=edges))
    await region.wait("fresh-ring", "Accepted", "False", "CyclicGraph")
    assert await region.objects("fresh-ring") == []


async def test_callers_that_disagree_about_traffic_are_told(region: Any, make: Make) -> None:
    edges = [
        {"from": "a", "to": "c", "payloadKB": 1, "trafficDistribution": "sameNode"},
        {"from": "b", "to": "c", "payloadKB": 1, "trafficDistribution": "sameZone"},
    ]
    await region.apply(make("split", "a", "b", "c", invocations=edges))
    await region.wait("split", "Accepted", "False", "TrafficConflict")
    assert await region.objects("split") == []


async def test_a_tier_that_the_region_does_not_have_is_named(region: Any, make: Make) -> None:
    await region.apply(make("sea", {"name": "a", "placement": {"tiers": ["obu"]}}))
    found = await region.wait("sea", "Accepted", "False", "UnknownTier")
    assert "obu" in found["message"]


async def test_the_api_server_refuses_nonsense_before_the_operator_sees_it(region: Any, make: Make) -> None:
    for broken in (
        make("bad"),
        make("bad", "a", invocations=[{"from": "a", "to": "ghost", "payloadKB": 1}]),
        make("bad", {"name": "a", "resources": {"cpu": "0", "memory": "64Mi"}}),
        make("bad", {"name": "a", "replicas": {"min": 3, "max": 1}}),
    ):
        with pytest.raises(ApiError) as refused:
            await region.apply(broken)
        assert refused.value.status == 422


async def test_the_largest_service_dag_is_created_and_removed(
    region: Any, make: Make, wait_until: Until
) -> None:
    stages = [f"s{index}" for index in range(64)]
    pairs = [(i, j) for distance in range(1, 6) for i in range(64) for j in [i + distance] if j < 64][:256]
    edges = [{"from": stages[i], "to": stages[j], "payloadKB": 1} for i, j in pairs]
    await region.apply(make("huge", *stages, invocations=edges))
    await region.wait("huge", "Accepted", "True")

    async def complete() -> bool:
        return len(await region.objects("huge")) == 3 * 64

    await wait_until("192 objects", complete, 60, 0.5)
    await region.api.delete(paths.service_dags(region.namespace, "huge"))

    async def nothing() -> bool:
        return not await region.objects("huge")

    await wait_until("everything is gone", nothing, 90, 0.5)
