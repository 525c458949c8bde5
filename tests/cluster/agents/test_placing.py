"""What a user sees of an agent: groups bound together, reasons, refusals, order, dry runs, foreign load."""

import json
from collections.abc import Callable
from typing import Any

from tests.cluster.builders import quota

from edgewright.kube import names, paths

Make = Callable[..., dict[str, Any]]


def big(name: str, cpu: str = "1500m", **more: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"cpu": cpu, "memory": "64Mi"}, **more}


async def test_a_dag_is_bound_and_every_pod_says_why(region: Any, make: Make) -> None:
    await region.agent()
    await region.apply(make("shop", "front", "cart", {"name": "pay", "replicas": {"min": 2, "max": 2}}))
    dag = await region.placed("shop")
    on = await region.all_bound("shop", 4)
    assert set(on.values()) <= set(region.nodes)
    status = dag["status"]
    assert {p["microservice"] for p in status["placements"]} == {"front", "cart", "pay"}
    assert [p["replica"] for p in status["placements"] if p["microservice"] == "pay"] == [0, 1]
    assert status["summary"]["placed"] == "4/4"
    assert status["predicted"]["latencyMs"] > 0
    assert [(r["from"], r["to"]) for r in status["routes"]] == [("front", "cart"), ("cart", "pay")]
    assert all(sum(p["fraction"] for p in r["pairs"]) > 0.99 for r in status["routes"])
    for pod in await region.pods("shop"):
        reason = json.loads(pod["metadata"]["annotations"][names.ANNOTATION_REASON])
        assert reason["node"] == pod["spec"]["nodeName"]


async def test_what_cannot_fit_says_so_everywhere_and_blocks_nobody(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.agent()
    await region.apply(make("huge", "small", big("giant", "64"), priority=1000))
    await region.apply(make("modest", "a", "b"))
    await region.placed("modest")
    dag = await region.reaches("huge", "False", "NoFeasiblePlacement")
    assert await region.on("huge") == {}
    assert any(u["constraint"] == "cpu" and u["microservice"] == "giant" for u in dag["status"]["unplaced"])

    async def told() -> bool:
        pods = await region.pods("huge")
        for pod in pods:
            scheduled = [c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled"]
            assert scheduled[0]["status"] == "False", scheduled
            assert scheduled[0]["reason"] == "Unschedulable", scheduled
        events = [e["reason"] for pod in pods for e in await region.events(pod["metadata"]["name"])]
        assert "FailedScheduling" in events, events
        assert "NoFeasiblePlacement" in {e["reason"] for e in await region.events("huge")}
        return len(pods) == 2

    await wait_until("pods and events say why", told)


async def test_nodes_that_admission_refuses_are_avoided_by_the_whole_group(region: Any, make: Make) -> None:
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    name, rule = f"only-one-{region.namespace}", f"object.target.name == '{region.nodes[3]}'"
    resources = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods/binding"],
    }
    here = {"name": "here", "expression": f"request.namespace == '{region.namespace}'"}
    policy = {
        "matchConstraints": {"resourceRules": [resources]},
        "matchConditions": [here],
        "validations": [{"expression": rule, "message": "the site's owner wants it so"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    await region.api.create(policies, {"metadata": {"name": name}, "spec": policy})
    bindings = policies.replace("policies", "policybindings")
    await region.api.create(bindings, {"metadata": {"name": name}, "spec": binding})
    try:
        await region.apply(make("guarded", "a", "b", "c"))
        await region.agent()
        on = await region.all_bound("guarded", 3)
        assert set(on.values()) == {region.nodes[3]}
        await region.placed("guarded")
        assert "the site's owner wants it so" in region.agents[0].log
    finally:
        for path in (bindings, policies):
            await region.api.delete(f"{path}/{name}", missing_ok=True)


async def test_room_that_comes_free_is_used_without_waiting_for_a_backoff(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.agent()
    await region.apply(make("first", *(big(f"m{i}") for i in range(4))))
    await region.placed("first")
    await region.apply(make("second", *(big(f"m{i}") for i in range(2))))
    await region.reaches("second", "False", "NoFeasiblePlacement")
    await region.api.delete(paths.service_dags(region.namespace, "first"))

    async def room() -> bool:
        return not await region.on("first")

    # The garbage collector may learn of a new kind only half a minute after its definition.
    await wait_until("the pods of first are gone", room, 60.0)
    await region.placed("second", seconds=15)


async def test_a_gang_waits_for_all_its_pods(region: Any, make: Make) -> None:
    await quota(region.api, region.namespace, "three-pods", {"pods": "3"})
    await region.agent()
    await region.apply(make("four", "a", "b", "c", "d"))
    await region.reaches("four", "False", "WaitingForPods")
    assert await region.on("four") == {}
    await region.api.delete(paths.resourcequotas(region.namespace, "three-pods"))
    await region.placed("four", seconds=90)


async def test_the_more_important_dag_gets_the_last_room(region: Any, make: Make, wait_until: Any) -> None:
    for number in range(4):
        await region.apply(make(f"low-{number}", big("m"), priority=1))
    await region.apply(make("high", *(big(f"m{i}") for i in range(4)), priority=500))

    async def all_there() -> bool:
        return len(await region.pods()) == 8

    await wait_until("all pods exist", all_there)
    await region.agent()
    await region.placed("high")
    for number in range(4):
        await region.reaches(f"low-{number}", "False", "NoFeasiblePlacement")


async def test_a_dry_run_shows_a_placement_and_creates_nothing(region: Any, make: Make) -> None:
    await region.agent()
    await region.apply(make("maybe", "a", "b", placementPolicy={"dryRun": True}))
    dag = await region.reaches("maybe", "False", "DryRun")
    assert {p["microservice"] for p in dag["status"]["placements"]} == {"a", "b"}
    assert {p["node"] for p in dag["status"]["placements"]} <= set(region.nodes)
    assert dag["status"]["predicted"]["latencyMs"] > 0
    assert await region.pods() == []
    await region.apply(make("never", big("giant", "64"), placementPolicy={"dryRun": True}))
    await region.reaches("never", "False", "NoFeasiblePlacement")


async def test_pods_of_other_namespaces_count_as_load(region: Any, make: Make, wait_until: Any) -> None:
    """A stranger's pods leave room on one node only; the agent hears of them through the operator."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{region.namespace}-", "namespace": "default"},
        "spec": {
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}
            ],
        },
    }
    strangers = []
    for node in region.nodes[:3]:
        pod = {**body, "spec": {**body["spec"], "nodeName": node}}
        strangers.append(await region.api.create(paths.pods("default"), pod))

    async def reported() -> bool:
        loads = await region.api.items(paths.node_loads())
        mine = [load for load in loads if load["spec"]["edgeController"]["namespace"] == region.namespace]
        return sum(len(load["spec"].get("nodes") or ()) for load in mine) == 3

    try:
        await wait_until("the operator reports the strangers", reported)
        await region.agent()
        await region.apply(make("guest", big("a", "1")))
        await region.placed("guest")
        assert set((await region.on("guest")).values()) == {region.nodes[3]}
        await region.apply(make("another", big("a", "1500m")))
        await region.reaches("another", "False", "NoFeasiblePlacement")
    finally:
        for pod in strangers:
            await region.api.delete(paths.pods("default", pod["metadata"]["name"]), grace=0, missing_ok=True)


async def test_an_update_rolls_without_a_window_below_the_minimum(
    region: Any, make: Make, wait_until: Any
) -> None:
    await region.agent()
    service = {"name": "a", "replicas": {"min": 2, "max": 2}}
    await region.apply(make("web", service, "b"))
    await region.placed("web")
    await region.all_bound("web", 3)
    fewest = 99

    async def rolled() -> bool:
        nonlocal fewest
        pods = await region.pods("web")
        mine = [p for p in pods if p["metadata"]["labels"][names.LABEL_MICROSERVICE] == "a"]
        fewest = min(fewest, sum(bool(p["spec"].get("nodeName")) for p in mine))
        cpus = {p["spec"]["containers"][0]["resources"]["requests"]["cpu"] for p in mine}
        return cpus == {"200m"} and all(p["spec"].get("nodeName") for p in pods) and len(pods) == 3

    changed = {**service, "resources": {"cpu": "200m", "memory": "64Mi"}}
    await region.apply(make("web", changed, "b"))
    await wait_until("the new replicas replace the old ones", rolled, 60.0)
    assert fewest >= 2


async def test_no_room_for_a_surge_keeps_the_old_replicas(region: Any, make: Make) -> None:
    await region.agent()
    await region.apply(make("tight", *(big(f"m{i}") for i in range(4))))
    await region.placed("tight")
    before = await region.all_bound("tight", 4)
    await region.apply(make("tight", *(big(f"m{i}", "1600m") for i in range(4))))
    await region.reaches("tight", "True", "NoSurgeCapacity")
    assert before.items() <= (await region.on("tight")).items()
