"""Every way in which a pod can lack a node, and what the command says of it."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.cluster.builders import edge_controller, quota, service_dag, until
from tests.cluster.cli_.conftest import REGION, Command

from edgewright.cli.causes import Cause
from edgewright.cli.pending import Entry
from edgewright.cli.reading import Reader
from edgewright.cli.why_pending import explained
from edgewright.kube import names, paths
from edgewright.kube.api import Api

Space = Callable[..., Awaitable[str]]


async def told(
    reader: Reader, namespace: str, reason: str, *words: str, what: str | None = None
) -> tuple[Entry, Cause]:
    """Wait until some pods are explained by `reason` with all `words`; always with a remedy."""

    async def seen() -> Any:
        found, _ = await explained(reader, namespace, what)
        for entry in found:
            for cause in entry.causes:
                assert cause.remedy
                if cause.reason == reason and all(word in cause.message for word in words):
                    return entry, cause
        raise AssertionError(found)

    entry, cause = await until(f"{reason} {words}", seen, 60.0)
    return entry, cause


def plain_pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "example"}], **spec}}


async def test_what_no_node_can_hold(admin: Api, reader: Reader, edgewright: Command) -> None:
    huge = {"name": "huge", "resources": {"cpu": "100", "memory": "1Gi"}, "placement": {"tiers": ["edge"]}}
    dag = service_dag("giant", "small", huge)
    await admin.create(paths.service_dags(REGION), dag)
    try:
        entry, cause = await told(reader, REGION, "cpu", "huge", "100 cores", what="sdag/giant")
        assert len(entry.pods) == 2, "the group waits as a whole"
        assert "top nodes" in cause.remedy
        pod = entry.pods[0]
        done = await edgewright("why-pending", pod, "-n", REGION)
        assert done.status == 0
        assert pod in done.out
        assert "to do:" in done.out
        done = await edgewright("why-pending", "-A", "-o", "json")
        assert {e["dag"] for e in done.json["pending"]} == {"giant"}
    finally:
        await admin.delete(paths.service_dags(REGION, "giant"))


async def test_nothing_pending_is_an_answer(edgewright: Command, space: Space) -> None:
    done = await edgewright("why-pending", "-n", await space())
    assert done.status == 0
    assert "No pod is pending" in done.out


async def test_a_name_that_nothing_has(edgewright: Command) -> None:
    done = await edgewright("why-pending", "nobody", "-n", REGION)
    assert done.status == 2
    assert "neither a pod nor a ServiceDAG" in done.err


async def test_gates_other_schedulers_and_pods_of_nobody(admin: Api, reader: Reader, space: Space) -> None:
    namespace = await space()
    pods: dict[str, dict[str, Any]] = {
        "gated": {"schedulingGates": [{"name": "example.com/later"}], "schedulerName": names.SCHEDULER},
        "elsewhere": {"schedulerName": "somebody-else"},
        "alone": {"schedulerName": names.SCHEDULER},
    }
    for name, spec in pods.items():
        await admin.create(paths.pods(namespace), plain_pod(name, **spec))
    await told(reader, namespace, "SchedulingGated", "example.com/later")
    await told(reader, namespace, "OtherScheduler", "somebody-else")
    entry, _ = await told(reader, namespace, "NoServiceDAG")
    assert entry.pods == ("alone",)
    assert [cause.reason for cause in entry.causes] == ["NoEdgeController", "NoServiceDAG"]


async def test_a_namespace_that_nobody_governs(admin: Api, reader: Reader, space: Space) -> None:
    namespace = await space()
    await admin.create(paths.service_dags(namespace), service_dag("shop", "a"))
    entry, _ = await told(reader, namespace, "NoEdgeController", namespace)
    assert entry.missing == 1


async def test_a_region_without_an_agent(admin: Api, reader: Reader, space: Space) -> None:
    namespace = await space()
    await admin.create(paths.edge_controllers(namespace), edge_controller(namespace, REGION))
    await admin.create(paths.service_dags(namespace), service_dag("shop", "a"))
    entry, _ = await told(reader, namespace, "AgentMissing", "nobody holds it")
    assert len(entry.pods) == 1


async def test_pods_that_a_quota_or_a_limit_refuses(admin: Api, reader: Reader, space: Space) -> None:
    quoted, limited = await space(), await space()
    await quota(admin, quoted, "tight", {"pods": "0"})
    limits = {"limits": [{"type": "Container", "max": {"cpu": "50m"}}]}
    await admin.create(paths.limitranges(limited), {"metadata": {"name": "tight"}, "spec": limits})
    for reason, namespace in (("QuotaExceeded", quoted), ("PodRejected", limited)):
        await admin.create(paths.edge_controllers(namespace), edge_controller(namespace, REGION))
        await admin.create(paths.service_dags(namespace), service_dag("shop", "a"))
        entry, _ = await told(reader, namespace, reason)
        assert (entry.dag, entry.missing) == ("shop", 1)


async def test_a_spec_that_the_operator_rejects_and_a_dry_run(
    admin: Api, reader: Reader, space: Space
) -> None:
    namespace = await space()
    await admin.create(paths.edge_controllers(namespace), edge_controller(namespace, REGION))
    ring = service_dag("ring", "a", "b", "c")
    ring["spec"]["invocations"].append({"from": "c", "to": "a", "payloadKB": 1})
    await admin.create(paths.service_dags(namespace), ring)
    await told(reader, namespace, "CyclicGraph", what="sdag/ring")
    shown = service_dag("shown", "a", placementPolicy={"dryRun": True})
    await admin.create(paths.service_dags(namespace), shown)
    await told(reader, namespace, "DryRun", what="sdag/shown")


async def test_what_may_not_be_read_is_said_and_the_rest_is_told(
    admin: Api, person: Any, space: Space
) -> None:
    namespace = await space()
    await admin.create(paths.service_dags(namespace), service_dag("shop", "a"))
    few = Command(
        await person(
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [names.GROUP], "resources": ["servicedags"], "verbs": ["get", "list"]},
        )
    )
    done = await few("why-pending", "-n", namespace, "-o", "json")
    assert done.status == 0, done.err
    assert set(done.json["unknown"]) == {"deployments", "events", "edgecontrollers"}
    nothing = Command(await person())
    done = await nothing("why-pending", "-n", namespace)
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert "is forbidden" in done.err
    assert len(done.err.splitlines()) == 1
