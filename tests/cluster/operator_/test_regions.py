"""EdgeControllers: who governs what, what agents may do, what other namespaces' pods weigh."""

from collections.abc import Awaitable, Callable
from typing import Any

from edgewright.kube import names, paths

Until = Callable[..., Awaitable[Any]]
Fresh = Callable[[], Awaitable[str]]
ONE = {names.LABEL_REGION: "melbourne-small-1"}
TWO = {names.LABEL_REGION: "melbourne-small-2"}
CORE = {names.LABEL_TIER: "core"}


async def create(api: Any, namespace: str, name: str = "region", **spec: Any) -> dict[str, Any]:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeController",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    made: dict[str, Any] = await api.create(paths.edge_controllers(namespace), body)
    return made


async def status_when(
    api: Any, wait_until: Until, namespace: str, name: str, check: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    async def reached() -> Any:
        status = (await api.get(paths.edge_controllers(namespace, name))).get("status") or {}
        assert check(status), status
        return status

    found: dict[str, Any] = await wait_until(f"EdgeController {namespace}/{name}", reached)
    return found


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry["reason"] for entry in status.get("conditions", [])}


async def test_an_agent_gets_its_account_its_rights_and_its_nodes(
    region: Any, api: Any, wait_until: Until
) -> None:
    status = await status_when(api, wait_until, region.namespace, "region", lambda s: s.get("nodes"))
    nodes = await api.items(paths.nodes(), labelSelector=f"{names.LABEL_REGION}=melbourne-small-1")
    assert status["nodes"] == sorted(node["metadata"]["name"] for node in nodes)
    assert status["nodeCount"] == len(nodes)
    assert reasons(status)["Ready"] == "AgentMissing"
    await api.get(paths.serviceaccounts(region.namespace, names.AGENT_ACCOUNT))
    binding = await api.get(paths.rolebindings(region.namespace, names.ROLE_AGENT))
    assert binding["roleRef"]["name"] == names.ROLE_AGENT
    assert await granted_nodes(api, region.namespace) == status["nodes"]

    async def listed() -> bool:
        for path in (
            paths.clusterrolebindings(names.ROLE_AGENT_CLUSTER),
            paths.rolebindings(names.NAMESPACE_NODE_LEASE, names.ROLE_AGENT_CLUSTER),
        ):
            subjects = (await api.get(path)).get("subjects") or []
            if region.namespace not in {subject["namespace"] for subject in subjects}:
                return False
        return True

    await wait_until("the static bindings", listed)


async def granted_nodes(api: Any, namespace: str) -> list[str]:
    """The nodes that a region's agent may bind pods of a namespace to."""
    role = await api.get(paths.roles(namespace, names.ROLE_AGENT_NODES))
    return [node for rule in role.get("rules") or [] for node in rule["resourceNames"]]


async def test_the_agent_s_lease_shows_in_ready(region: Any, agent: Any, api: Any, wait_until: Until) -> None:
    await status_when(
        api, wait_until, region.namespace, "region", lambda s: reasons(s).get("Ready") == "AgentReady"
    )


async def test_a_node_that_two_claim_goes_to_the_older_and_both_say_so(
    region: Any, api: Any, wait_until: Until, fresh_region: Callable[..., Awaitable[str]]
) -> None:
    await status_when(api, wait_until, region.namespace, "region", lambda s: s.get("nodes"))
    # Equal ages, to the second, are decided by name: "z" comes after the region's "t-".
    other = await fresh_region("z", nodeSelector={names.LABEL_TIER: "edge"})
    young = await status_when(
        api, wait_until, other, "region", lambda s: reasons(s).get("Degraded") == "NodeClaimed"
    )
    old = await status_when(
        api, wait_until, region.namespace, "region", lambda s: reasons(s).get("Degraded") == "NodeClaimed"
    )
    assert not set(young["nodes"]) & set(old["nodes"])
    assert young["nodes"]
    await api.delete(paths.edge_controllers(region.namespace, "region"))
    await status_when(api, wait_until, other, "region", lambda s: reasons(s).get("Degraded") == "AsExpected")


async def test_shares_of_more_than_the_whole_are_refused(
    api: Any, operator: Any, wait_until: Until, fresh_region: Callable[..., Awaitable[str]]
) -> None:
    shared = [{"nodeSelector": CORE, "fraction": 0.5}]
    homes = [await fresh_region(nodeSelector=each, shared=shared) for each in (ONE, TWO, {"no": "node"})]

    async def divided() -> bool:
        statuses = [(await api.get(paths.edge_controllers(home, "region")))["status"] for home in homes]
        said = sorted(reasons(status)["Degraded"] for status in statuses)
        holders = ["core" in status.get("nodes", []) for status in statuses]
        # Two of them get their half; of equal age, the names decide which.
        return said == ["AsExpected", "AsExpected", "SharesExceeded"] and sum(holders) == 2

    await wait_until("two halves", divided)


async def test_a_namespace_holds_one_edge_controller(region: Any, api: Any, wait_until: Until) -> None:
    first = await status_when(api, wait_until, region.namespace, "region", lambda s: s.get("nodes"))
    await create(api, region.namespace, "zweite", nodeSelector=TWO)
    found = await status_when(
        api,
        wait_until,
        region.namespace,
        "zweite",
        lambda s: reasons(s).get("Accepted") == "NamespaceClaimed",
    )
    assert not found.get("nodes")
    assert await granted_nodes(api, region.namespace) == first["nodes"]


async def test_nodes_go_with_the_selector_and_all_goes_with_the_edge_controller(
    region: Any, api: Any, wait_until: Until
) -> None:
    path = paths.edge_controllers(region.namespace, "region")
    await status_when(api, wait_until, region.namespace, "region", lambda s: s.get("nodes"))
    await api.patch(path, {"spec": {"nodeSelector": {"no": "node", names.LABEL_REGION: None}}})

    async def no_node() -> bool:
        return not await granted_nodes(api, region.namespace)

    await wait_until("no node is granted", no_node)
    await api.delete(path)

    async def nothing() -> bool:
        listed = [
            *await api.items(paths.rolebindings(region.namespace)),
            *await api.items(paths.roles(region.namespace)),
        ]
        return {item["metadata"]["name"] for item in listed} == {names.ROLE_OPERATOR_REGION}

    await wait_until("no grant is left", nothing)


async def test_a_guest_namespace_gets_grants_and_loses_them(
    region: Any, api: Any, wait_until: Until, fresh_namespace: Fresh
) -> None:
    guest = await fresh_namespace()
    path = paths.edge_controllers(region.namespace, "region")
    await api.patch(path, {"spec": {"namespaces": [region.namespace, guest]}})

    async def granted() -> bool:
        await api.get(paths.rolebindings(guest, names.ROLE_AGENT))
        nodes = await granted_nodes(api, guest)
        return bool(nodes) and nodes == (await api.get(path))["status"]["nodes"]

    await wait_until("the grants", granted)
    await api.patch(path, {"spec": {"namespaces": [region.namespace]}})

    async def gone() -> bool:
        listed = [*await api.items(paths.rolebindings(guest)), *await api.items(paths.roles(guest))]
        return {item["metadata"]["name"] for item in listed} == {names.ROLE_OPERATOR_REGION}

    await wait_until("the grants are gone", gone)


async def test_other_namespaces_pods_are_reported_as_load(
    region: Any, api: Any, wait_until: Until, fresh_namespace: Fresh
) -> None:
    elsewhere = await fresh_namespace()
    status = await status_when(api, wait_until, region.namespace, "region", lambda s: s.get("nodes"))
    node = next(name for name in status["nodes"] if name.startswith("edge"))
    container = {
        "name": "main",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "foreign"},
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0},
    }
    load = paths.node_loads(f"{region.namespace}-region-0")

    async def reported() -> Any:
        spec = (await api.get(load))["spec"]
        assert spec["edgeController"] == {"namespace": region.namespace, "name": "region"}
        return {entry["name"]: entry["requests"] for entry in spec.get("nodes", [])}

    async def appears() -> bool:
        return bool((await reported()).get(node, {}).get("cpu") == 0.25)

    async def vanishes() -> bool:
        return node not in await reported()

    async def confirmed() -> bool:
        return bool((await api.get(load))["spec"]["observedAt"] > first)

    await wait_until("an empty NodeLoad", lambda: _exists(api, load))
    await api.create(paths.pods(elsewhere), pod)
    await wait_until("the load of the foreign pod", appears)
    await api.delete(paths.pods(elsewhere, "foreign"), grace=0)
    await wait_until("the load is gone", vanishes)
    first = (await api.get(load))["spec"]["observedAt"]
    await wait_until("an unchanged load is confirmed", confirmed, 20, 0.5)
    await api.delete(paths.edge_controllers(region.namespace, "region"))

    async def removed() -> bool:
        return not await _exists(api, load)

    await wait_until("the NodeLoad of a region that is no more goes", removed)


async def _exists(api: Any, path: str) -> bool:
    collection, _, name = path.rpartition("/")
    return name in {item["metadata"]["name"] for item in await api.items(collection)}
