"""A simulated node loss: it changes nothing, needs no right to write, and comes true when the node is cut."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.cluster.builders import condition_of, service_dag, until
from tests.cluster.cli_.conftest import REGION, Command

from edgewright.emulation import testbed
from edgewright.kube import names, paths
from edgewright.kube.api import Api

Space = Callable[..., Awaitable[str]]
LOOK = ["get", "list"]
MAY = (
    {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": LOOK},
    {
        "apiGroups": [names.GROUP],
        "resources": ["servicedags", "edgecontrollers", "edgetopologies", "nodeloads"],
        "verbs": LOOK,
    },
)


async def placed(api: Api, dag: dict[str, Any]) -> dict[str, str]:
    """Apply a DAG and wait until it is Ready; pod to node."""
    name = dag["metadata"]["name"]
    await api.create(paths.service_dags(REGION), dag)

    async def ready() -> bool:
        found = await api.get(paths.service_dags(REGION, name))
        return bool(condition_of(found, "Ready").get("status") == "True")

    await until(f"{name} is Ready", ready, 60.0)
    return await where(api, name)


async def where(api: Api, name: str) -> dict[str, str]:
    pods = await api.items(paths.pods(REGION), labelSelector=f"{names.LABEL_DAG}={name}")
    return {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in pods
        if pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
    }


async def versions(api: Api) -> dict[str, str]:
    """Resource version of everything in the region that a placement could change.

    Not of EdgeControllers, nodes and Leases, in which agents and kubelets tell their pulse all the time.
    """
    kinds = (paths.pods, paths.deployments, paths.replicasets, paths.service_dags)
    rest = (paths.services, paths.pdbs, paths.events, paths.configmaps, paths.roles, paths.rolebindings)
    collections = [*(kind(REGION) for kind in (*kinds, *rest)), paths.edge_topologies()]
    return {
        f"{path}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for path in collections
        for item in await api.items(path)
    }


def choosy(name: str, mark: str, **policy: Any) -> dict[str, Any]:
    """A DAG of two microservices, of which `b` may go only to nodes that carry `mark`."""
    picky = {"name": "b", "placement": {"nodeSelector": {mark: "yes"}}}
    return service_dag(name, "a", picky, qos={"maxLatencyMs": 200}, placementPolicy=policy)


async def marked(api: Api, mark: str, count: int) -> list[str]:
    """Mark that many edge nodes of the region."""
    nodes = await api.items(paths.nodes(), labelSelector=f"{names.LABEL_REGION}={REGION}")
    chosen = [n["metadata"]["name"] for n in nodes if n["metadata"]["labels"][names.LABEL_TIER] == "edge"]
    for node in chosen[:count]:
        await api.patch(paths.nodes(node), {"metadata": {"labels": {mark: "yes"}}})
    return chosen[:count]


async def test_it_comes_true_when_the_node_is_cut(admin: Api, edgewright: Command, person: Any) -> None:
    both = await marked(admin, "example.com/pair", 2)
    on = await placed(admin, choosy("paired", "example.com/pair", onNodeLoss="fast"))
    try:
        [pod] = [pod for pod in on if pod.startswith("paired-b")]
        [other] = set(both) - {on[pod]}
        # A user without any right to write; and a moment in which nobody else wrote, in which all stays.
        reader = Command(await person(*MAY))

        async def simulated() -> Any:
            before = await versions(admin)
            done = await reader("simulate-node-loss", on[pod], "-o", "json")
            assert done.status == 0, done.err
            assert await versions(admin) == before
            return done

        done = await until("a simulation that changes nothing", simulated, 60.0)
        [region] = done.json["regions"]
        [dag] = [dag for dag in region["dags"] if dag["name"] == "paired"]
        moved = {lost["pod"]: lost["replacement"] for lost in dag["lost"]}
        assert moved[pod] == other
        assert dag["after"]["p95Ms"] <= dag["limitMs"]
        await testbed.nodes.cut(admin, [on[pod]])

        async def mended() -> Any:
            now = await where(admin, "paired")
            found = await admin.get(paths.service_dags(REGION, "paired"))
            assert len(now) == 2
            assert on[pod] not in now.values()
            assert condition_of(found, "Ready").get("status") == "True", found["status"]
            return [node for name, node in now.items() if name.startswith("paired-b")]

        assert await until("the loss is mended", mended, 60.0) == [moved[pod]]
    finally:
        await testbed.nodes.heal(admin, list(await testbed.nodes.cut_names(admin)))
        await admin.delete(paths.service_dags(REGION, "paired"))


async def test_what_has_no_place_is_said_with_its_constraint(admin: Api, edgewright: Command) -> None:
    [only] = await marked(admin, "example.com/only", 1)
    await placed(admin, choosy("stuck", "example.com/only"))
    try:
        done = await edgewright("simulate-node-loss", only, "-o", "json")
        [dag] = [dag for region in done.json["regions"] for dag in region["dags"] if dag["name"] == "stuck"]
        assert None in {lost["replacement"] for lost in dag["lost"]}
        assert "selector" in {entry["constraint"] for entry in dag["unplaced"]}
        assert dag["after"] is None
        told = await edgewright("simulate-node-loss", only)
        assert "nothing has been changed" in told.out
        assert "no place" in told.out
        assert "selector: " in told.out
    finally:
        await admin.delete(paths.service_dags(REGION, "stuck"))


async def test_drawn_nodes_are_those_that_the_testbed_cuts(admin: Api, edgewright: Command) -> None:
    done = await edgewright("simulate-node-loss", "--percent", "25", "--seed", "1", "-o", "json")
    assert done.json["nodes"] == testbed.nodes.sample(await testbed.nodes.edge_names(admin), 25, 1)
    part = await edgewright("simulate-node-loss", "--region", REGION, "--percent", "50", "-o", "json")
    controller = await admin.get(paths.edge_controllers(REGION, REGION))
    assert set(part.json["nodes"]) < set(controller["status"]["nodes"])
    whole = await edgewright("simulate-node-loss", "--region", REGION, "-o", "json")
    assert whole.json["nodes"] == sorted(controller["status"]["nodes"])
    [region] = [each for each in whole.json["regions"] if each["region"].startswith(f"{REGION}/")]
    assert region["evictionsSuspended"]


async def test_nonsense_is_refused(edgewright: Command) -> None:
    for arguments, says in (
        (["edge-0"], "no node 'edge-0'"),
        ([], "say what is lost"),
        (["--percent", "0"], "more than 0"),
        (["--region", "atlantis"], "no region 'atlantis'"),
        (["a", "--percent", "5"], "not both"),
    ):
        done = await edgewright("simulate-node-loss", *arguments)
        assert done.status == 2, done.out
        assert says in " ".join(done.err.replace("│", " ").split()), done.err
