"""What the accounts of agents and operator may do, and to which nodes an agent may bind."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.grants import node_grants
from edgewright.operator.claims import MAX_NODES

RBAC = "rbac.authorization.k8s.io/v1"
As = Callable[[str, str], Awaitable[Api]]
Row = tuple[str, str, str, str, bool, bool]
"""Verb, group, resource, subresource, whether in its own namespace, whether it may."""


async def make(api: Api, body: dict[str, Any], namespace: str | None = None) -> dict[str, Any]:
    return await api.create(paths.of_object(body["kind"], namespace, None), body)


def account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def binding(role: str, account_namespace: str, account_name: str) -> dict[str, Any]:
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": account_namespace, "name": account_name}],
    }


@pytest.fixture
async def region(api: Api, namespace: str) -> str:
    """A namespace with an EdgeController of the nodes `mine-1` and `mine-2`, and its agent's account."""
    await make(api, account(names.AGENT_ACCOUNT), namespace)
    for role in (names.ROLE_AGENT, names.ROLE_AGENT_HOME):
        await make(api, binding(role, namespace, names.AGENT_ACCOUNT), namespace)
    for granted in node_grants(namespace, namespace, ["mine-1", "mine-2"]):
        await make(api, granted, namespace)
    controller = {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeController",
        "metadata": {"name": "ec"},
        "spec": {"nodeSelector": {"edgewright.dev/region": namespace}},
    }
    await make(api, controller, namespace)
    await api.patch(
        paths.edge_controllers(namespace, "ec", "status"), {"status": {"nodes": ["mine-1", "mine-2"]}}
    )
    return namespace


@pytest.fixture
async def agent(region: str, as_account: As) -> Api:
    return await as_account(region, names.AGENT_ACCOUNT)


async def pod(api: Api, namespace: str) -> str:
    spec = {"schedulerName": names.SCHEDULER, "containers": [{"name": "c", "image": "c"}]}
    made = await make(
        api,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}, "spec": spec},
        namespace,
    )
    return str(made["metadata"]["name"])


async def bind(client: Api, namespace: str, name: str, node: str) -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    await client.create(paths.pods(namespace, name, "binding"), body, dryRun="All")


async def refused(attempt: Callable[[], Awaitable[None]], seconds: float = 30.0) -> str:
    """The message of the refusal; policies and their parameters reach the API server a moment late."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await attempt()
        except ApiError as error:
            assert error.status == 403, error
            return error.message
        assert time.monotonic() < deadline, "it was never refused"
        await asyncio.sleep(0.05)


async def allowed(attempt: Callable[[], Awaitable[None]], seconds: float = 30.0) -> None:
    """Returns when the attempt succeeds; raises its last refusal otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except ApiError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def test_an_agent_binds_to_its_own_nodes_only(api: Api, region: str, agent: Api) -> None:
    name = await pod(api, region)
    await allowed(lambda: bind(agent, region, name, "mine-2"))
    said = await refused(lambda: bind(agent, region, name, "foreign"))
    assert f"node foreign is not granted to system:serviceaccount:{region}:edgewright-agent" in said


async def test_nodes_taken_from_a_region_are_taken_from_its_agent(api: Api, region: str, agent: Api) -> None:
    name = await pod(api, region)
    await allowed(lambda: bind(agent, region, name, "mine-1"))
    await grant(api, region, "mine-2")
    await refused(lambda: bind(agent, region, name, "mine-1"))
    await allowed(lambda: bind(agent, region, name, "mine-2"))
    await grant(api, region)
    await refused(lambda: bind(agent, region, name, "mine-2"))


async def grant(api: Api, region: str, *nodes: str) -> None:
    """Grant the region's agent exactly these nodes in its own namespace."""
    role, _ = node_grants(region, region, nodes)
    await api.apply(paths.roles(region, names.ROLE_AGENT_NODES), role, manager="operator")


async def test_two_thousand_nodes_are_granted_one_by_one(api: Api, region: str, agent: Api) -> None:
    many = [f"node-{number:04}" for number in range(MAX_NODES)]
    await grant(api, region, *many)
    name = await pod(api, region)
    await allowed(lambda: bind(agent, region, name, many[-1]))
    await refused(lambda: bind(agent, region, name, f"node-{MAX_NODES}"))


async def test_what_an_edge_controller_says_of_itself_grants_nothing(
    api: Api, region: str, agent: Api
) -> None:
    await api.patch(paths.edge_controllers(region, "ec", "status"), {"status": {"nodes": ["foreign"]}})
    name = await pod(api, region)
    await allowed(lambda: bind(agent, region, name, "mine-1"))
    await refused(lambda: bind(agent, region, name, "foreign"))


async def test_every_namespace_needs_a_grant_of_its_own(
    api: Api, region: str, agent: Api, guest: str
) -> None:
    name = await pod(api, guest)
    await make(api, binding(names.ROLE_AGENT, region, names.AGENT_ACCOUNT), guest)
    said = await refused(lambda: bind(agent, guest, name, "mine-1"))
    assert "is not granted to" in said or "cannot create resource" in said
    for granted in node_grants(guest, region, ["mine-1"]):
        await make(api, granted, guest)
    await allowed(lambda: bind(agent, guest, name, "mine-1"))
    await refused(lambda: bind(agent, guest, name, "mine-2"))


async def test_others_bind_where_they_like(api: Api, region: str, guest: str) -> None:
    for namespace in (region, guest):
        await bind(api, namespace, await pod(api, namespace), "anything")


CLAIMED = {
    "type": "Accepted",
    "status": "False",
    "reason": "NamespaceClaimed",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
GRANTS: dict[str, Any] = {
    "nodes": ["foreign"],
    "nodeCount": 7,
    "namespaces": ["kube-system"],
    "observedGeneration": 7,
    "conditions": [CLAIMED],
}


@pytest.mark.parametrize("field", GRANTS)
@pytest.mark.parametrize("change", ["set", "remove"])
async def test_an_agent_cannot_change_what_is_granted(
    api: Api, region: str, agent: Api, field: str, change: str
) -> None:
    path = paths.edge_controllers(region, "ec", "status")
    if change == "remove":
        await api.patch(path, {"status": {field: GRANTS[field]}})
    attempt = {"status": {field: GRANTS[field] if change == "set" else None}}
    said = await refused(lambda: _patched(agent, path, attempt))
    assert "an agent may change only algorithm, algorithmReason" in said


async def _patched(client: Api, path: str, change: dict[str, Any]) -> None:
    await client.patch(path, change)


async def test_an_agent_reports_its_figures(region: str, agent: Api) -> None:
    figures = {
        "algorithm": "heuristic",
        "algorithmReason": "spec.algorithm is auto, which means heuristic",
        "decisionsPerSecond": 0.5,
        "p99DecisionMs": 1.5,
        "lastError": {"message": "m", "at": "2026-01-01T00:00:00Z"},
    }
    path = paths.edge_controllers(region, "ec", "status")
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeController",
        "metadata": {"name": "ec", "namespace": region},
        "status": figures,
    }
    made = await agent.apply(path, body, manager=names.MANAGER_AGENT)
    assert figures.items() <= made["status"].items()
    assert made["status"]["nodes"] == ["mine-1", "mine-2"]
    fewer = {**body, "status": {"algorithm": "exact"}}
    made = await agent.apply(path, fewer, manager=names.MANAGER_AGENT)
    assert made["status"].keys() == {"algorithm", "nodes"}


@pytest.fixture
async def guest(api: Api) -> AsyncIterator[str]:
    """A namespace without an EdgeController."""
    made = await make(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "guest-"}})
    name = str(made["metadata"]["name"])
    deadline = time.monotonic() + 20
    while not await api.items(paths.serviceaccounts(name)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    yield name
    await api.delete(paths.namespaces(name))


AGENT: dict[str, list[Row]] = {
    "place": [
        ("list", "", "pods", "", True, True),
        ("create", "", "pods", "binding", True, True),
        ("delete", "", "pods", "", True, True),
        ("patch", "", "pods", "status", True, True),
        ("watch", names.GROUP, "servicedags", "", True, True),
        ("patch", names.GROUP, "servicedags", "status", True, True),
        ("create", "", "events", "", True, True),
    ],
    "not more": [
        ("list", "", "pods", "", False, False),
        ("create", "", "pods", "binding", False, False),
        ("create", "", "pods", "", True, False),
        ("patch", "", "pods", "", True, False),
        ("get", "", "secrets", "", True, False),
        ("patch", names.GROUP, "servicedags", "", True, False),
        ("patch", names.GROUP, "edgecontrollers", "", True, False),
        ("list", "", "nodes", "", False, False),
        ("patch", "apps", "deployments", "", True, False),
        ("create", "rbac.authorization.k8s.io", "rolebindings", "", True, False),
    ],
}
OPERATOR: dict[str, list[Row]] = {
    "see": [
        ("list", "", "pods", "", False, True),
        ("list", "", "nodes", "", False, True),
        ("watch", names.GROUP, "servicedags", "", False, True),
        ("patch", names.GROUP, "servicedags", "status", False, True),
        ("create", names.GROUP, "nodeloads", "", False, True),
    ],
    "write in its regions": [
        ("create", "apps", "deployments", "", True, True),
        ("patch", "", "services", "", True, True),
        ("create", "policy", "poddisruptionbudgets", "", True, True),
        ("create", "", "serviceaccounts", "", True, True),
    ],
    "not elsewhere": [
        ("create", "apps", "deployments", "", False, False),
        ("create", "", "services", "", False, False),
        ("create", "", "pods", "binding", True, False),
        ("get", "", "secrets", "", True, False),
        ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "", False, False),
        ("patch", names.GROUP, "servicedags", "", True, False),
    ],
}


async def check(client: Api, namespace: str, table: dict[str, list[Row]]) -> None:
    for what, rows in table.items():
        for verb, group, resource, subresource, inside, may in rows:
            attributes = {
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
                "namespace": namespace if inside else "",
            }
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
            answer = await client.create(
                paths.access_reviews(), {**review, "spec": {"resourceAttributes": attributes}}
            )
            assert answer["status"]["allowed"] == may, (
                f"{what}: {verb} {resource}/{subresource} inside={inside}"
            )


async def test_the_agent_may_place_and_not_more(region: str, agent: Api) -> None:
    await check(agent, region, AGENT)


async def test_the_operator_writes_in_its_regions_only(api: Api, namespace: str, as_account: As) -> None:
    role = binding(names.ROLE_OPERATOR_REGION, names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    await make(api, role, namespace)
    operator = await as_account(names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    await check(operator, namespace, OPERATOR)


async def test_the_operator_grants_what_it_may_and_nothing_else(
    api: Api, namespace: str, as_account: As
) -> None:
    role = binding(names.ROLE_OPERATOR_REGION, names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    await make(api, role, namespace)
    operator = await as_account(names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    await make(operator, binding(names.ROLE_AGENT, namespace, names.AGENT_ACCOUNT), namespace)
    for granted in node_grants(namespace, "other", [f"node-{number}" for number in range(MAX_NODES)]):
        await operator.apply(
            paths.of_object(granted["kind"], namespace, names.ROLE_AGENT_NODES), granted, manager="operator"
        )
    for wanted in ("cluster-admin", "admin", "edit"):
        with pytest.raises(ApiError) as caught:
            await make(operator, binding(wanted, namespace, names.AGENT_ACCOUNT), namespace)
        assert caught.value.status == 403


async def test_the_operator_rewrites_the_two_static_bindings(api: Api, as_account: As) -> None:
    operator = await as_account(names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
    subject = {"kind": "ServiceAccount", "namespace": "x", "name": names.AGENT_ACCOUNT}
    for path in (
        paths.clusterrolebindings(names.ROLE_AGENT_CLUSTER),
        paths.rolebindings(names.NAMESPACE_NODE_LEASE, names.ROLE_AGENT_CLUSTER),
    ):
        await operator.patch(path, {"subjects": [subject]})
        await operator.patch(path, {"subjects": []})
    with pytest.raises(ApiError, match="forbidden"):
        await operator.patch(paths.clusterrolebindings("cluster-admin"), {"subjects": [subject]})
