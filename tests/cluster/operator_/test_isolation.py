"""What the agent of one region may do, and that with its token nothing of another region can be touched."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.builders import edge_controller

from edgewright.emulation import testbed
from edgewright.emulation.testbed import binaries
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

Until = Callable[..., Awaitable[Any]]
MINE, THEIRS, CLUSTER = "its own region", "another region", "the cluster"
OTHER_HALF = "melbourne-small-2"
METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "patch": "PATCH",
    "delete": "DELETE",
}
POD = {"spec": {"schedulerName": names.SCHEDULER, "containers": [{"name": "c", "image": "c"}]}}


@dataclass
class Regions:
    """Two regions that the operator governs, and a client with the token of the first one's agent."""

    admin: Api
    agent: Api
    mine: str
    theirs: str
    my_node: str
    their_node: str

    def path(self, where: str, resource: str, verb: str) -> str:
        """Of a resource (`group/plural/subresource`), of one of its objects where the verb needs one."""
        group, plural, *rest = resource.split("/")
        group = "" if group == "core" else group
        version = {"": "v1", names.GROUP: names.VERSION}.get(group, "v1")
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        if where != CLUSTER:
            root += f"/namespaces/{self.mine if where == MINE else self.theirs}"
        name = {"nodes": self.their_node, "edgecontrollers": "region", "leases": names.LEASE_AGENT}.get(
            plural, "victim"
        )
        needs_name = bool(rest) or verb in {"get", "patch", "delete"}
        return "/".join([root, plural, *([name] if needs_name else []), *rest])


@pytest.fixture
async def regions(
    region: Any, api: Api, fresh_namespace: Any, as_account: Any, wait_until: Until
) -> AsyncIterator[Regions]:
    mine, theirs = region.namespace, await fresh_namespace()
    await api.create(paths.edge_controllers(theirs), edge_controller(theirs, OTHER_HALF))

    async def granted(home: str) -> Any:
        await api.get(paths.rolebindings(home, names.ROLE_AGENT_HOME))
        return (await api.get(paths.edge_controllers(home, "region")))["status"]["nodes"]

    nodes = {home: await wait_until("nodes", lambda home=home: granted(home)) for home in (mine, theirs)}
    for home in (mine, theirs):
        await api.create(
            paths.pods(home), {"apiVersion": "v1", "kind": "Pod", **POD, "metadata": {"name": "victim"}}
        )
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": names.LEASE_AGENT},
        }
        await api.create(paths.leases(home), lease)
    agent = await as_account(mine, names.AGENT_ACCOUNT)

    async def known() -> bool:
        await agent.items(paths.nodes())  # the static binding has reached the API server
        await agent.items(paths.pods(mine))
        return True

    await wait_until("the agent's rights", known)
    theirs_alone = sorted(set(nodes[theirs]) - set(nodes[mine]))
    yield Regions(api, agent, mine, theirs, nodes[mine][0], theirs_alone[0])
    await api.delete(paths.edge_controllers(theirs, "region"), missing_ok=True)


EVERY = ("get", "list", "watch", "create", "patch", "delete")
REFUSED: dict[tuple[str, str], tuple[str, ...]] = {
    (THEIRS, "core/pods"): EVERY,
    (THEIRS, "core/pods/binding"): ("create",),
    (THEIRS, "core/pods/status"): ("get", "patch"),
    (THEIRS, "core/pods/eviction"): ("create",),
    (THEIRS, "core/pods/exec"): ("get", "create"),
    (THEIRS, "core/pods/log"): ("get",),
    (THEIRS, "core/bindings"): ("create",),
    (THEIRS, "core/secrets"): EVERY,
    (THEIRS, "core/configmaps"): EVERY,
    (THEIRS, "core/events"): EVERY,
    (THEIRS, "core/serviceaccounts"): EVERY,
    (THEIRS, "core/serviceaccounts/token"): ("create",),
    (THEIRS, "core/services"): EVERY,
    (THEIRS, "apps/deployments"): EVERY,
    (THEIRS, "apps/deployments/scale"): ("get", "patch"),
    (THEIRS, "policy/poddisruptionbudgets"): EVERY,
    (THEIRS, "coordination.k8s.io/leases"): EVERY,
    (THEIRS, "rbac.authorization.k8s.io/roles"): EVERY,
    (THEIRS, "rbac.authorization.k8s.io/rolebindings"): EVERY,
    (THEIRS, "edgewright.dev/servicedags"): EVERY,
    (THEIRS, "edgewright.dev/servicedags/status"): ("get", "patch"),
    (THEIRS, "edgewright.dev/edgecontrollers"): EVERY,
    (THEIRS, "edgewright.dev/edgecontrollers/status"): ("get", "patch"),
    (MINE, "core/pods"): ("create", "patch"),
    (MINE, "core/pods/eviction"): ("create",),
    (MINE, "core/pods/exec"): ("get", "create"),
    (MINE, "core/pods/log"): ("get",),
    (MINE, "core/bindings"): ("create",),
    (MINE, "core/secrets"): EVERY,
    (MINE, "core/configmaps"): EVERY,
    (MINE, "core/serviceaccounts"): EVERY,
    (MINE, "core/serviceaccounts/token"): ("create",),
    (MINE, "core/services"): EVERY,
    (MINE, "apps/deployments"): EVERY,
    (MINE, "policy/poddisruptionbudgets"): EVERY,
    (MINE, "coordination.k8s.io/leases"): ("delete", "patch"),
    (MINE, "rbac.authorization.k8s.io/roles"): EVERY,
    (MINE, "rbac.authorization.k8s.io/rolebindings"): EVERY,
    (MINE, "edgewright.dev/servicedags"): ("create", "patch", "delete"),
    (MINE, "edgewright.dev/edgecontrollers"): ("create", "patch", "delete"),
    (CLUSTER, "core/nodes"): ("create", "patch", "delete"),
    (CLUSTER, "core/nodes/status"): ("patch",),
    (CLUSTER, "core/nodes/proxy"): ("get", "create"),
    (CLUSTER, "core/namespaces"): EVERY,
    (CLUSTER, "core/pods"): ("list", "watch"),
    (CLUSTER, "core/secrets"): ("list", "watch"),
    (CLUSTER, "coordination.k8s.io/leases"): ("list", "watch"),
    (CLUSTER, "edgewright.dev/servicedags"): ("list", "watch"),
    (CLUSTER, "edgewright.dev/edgecontrollers"): ("list", "watch"),
    (CLUSTER, "edgewright.dev/edgetopologies"): ("create", "patch", "delete"),
    (CLUSTER, "edgewright.dev/nodeloads"): ("create", "patch", "delete"),
    (CLUSTER, "rbac.authorization.k8s.io/clusterroles"): EVERY,
    (CLUSTER, "rbac.authorization.k8s.io/clusterrolebindings"): EVERY,
    (CLUSTER, "apiextensions.k8s.io/customresourcedefinitions"): EVERY,
    (CLUSTER, "admissionregistration.k8s.io/validatingadmissionpolicies"): EVERY,
    (CLUSTER, "admissionregistration.k8s.io/validatingadmissionpolicybindings"): EVERY,
}
"""Where and on what, which verbs are tried and must be refused."""


async def attempt(client: Api, verb: str, path: str) -> str:
    """Try it for real; "refused", or what happened instead."""
    query = {"watch": "1", "timeoutSeconds": "1"} if verb == "watch" else {}
    body = b"{}" if verb in {"create", "patch"} else None
    kind = "application/merge-patch+json" if verb == "patch" else "application/json"
    try:
        await client.raw(METHODS[verb], path, params=query, body=body, content_type=kind)
    except ApiError as error:
        return "refused" if error.status == 403 else str(error)
    return "done"


async def test_every_attempt_is_refused(regions: Regions, api: Api) -> None:
    outcomes = {
        f"{verb} {resource} in {where}": await attempt(
            regions.agent, verb, regions.path(where, resource, verb)
        )
        for (where, resource), verbs in REFUSED.items()
        for verb in verbs
    }
    assert len(outcomes) > 200
    assert {what: outcome for what, outcome in outcomes.items() if outcome != "refused"} == {}
    await api.get(paths.pods(regions.theirs, "victim"))


async def test_the_attempts_themselves_can_succeed(regions: Regions) -> None:
    """Or the table above would prove nothing."""
    for verb, resource in (
        ("get", "core/pods"),
        ("list", "core/pods"),
        ("watch", "edgewright.dev/servicedags"),
    ):
        assert await attempt(regions.agent, verb, regions.path(MINE, resource, verb)) == "done"
    assert await attempt(regions.agent, "list", regions.path(CLUSTER, "core/nodes", "list")) == "done"
    assert await attempt(regions.agent, "delete", regions.path(MINE, "core/pods", "delete")) == "done"


async def bind(regions: Regions, namespace: str, node: str) -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "victim"}, "target": target}
    await regions.agent.create(paths.pods(namespace, "victim", "binding"), body, dryRun="All")


async def test_it_binds_to_no_node_but_its_own(regions: Regions, wait_until: Until) -> None:
    async def bound() -> bool:
        await bind(regions, regions.mine, regions.my_node)
        return True

    await wait_until("a binding to its own node", bound)
    for node in (regions.their_node, "no-such-node"):
        with pytest.raises(ApiError, match="may not bind pods there") as caught:
            await bind(regions, regions.mine, node)
        assert caught.value.status == 403


async def test_what_its_region_loses_it_may_bind_to_no_more(
    regions: Regions, api: Api, wait_until: Until
) -> None:
    async def bound() -> bool:
        await bind(regions, regions.mine, regions.my_node)
        return True

    async def refused() -> bool:
        try:
            await bind(regions, regions.mine, regions.my_node)
        except ApiError as error:
            return "may not bind pods there" in error.message
        return False

    await wait_until("a binding to its own node", bound)
    nowhere = {"spec": {"nodeSelector": {names.LABEL_REGION: "nowhere"}}}
    await api.patch(paths.edge_controllers(regions.mine, "region"), nowhere)
    await wait_until("its node is taken from it", refused)


async def test_governing_another_region_s_namespace_gives_neither_its_lease_nor_its_figures(
    regions: Regions, api: Api, wait_until: Until
) -> None:
    namespaces = {"spec": {"namespaces": [regions.mine, regions.theirs]}}
    await api.patch(paths.edge_controllers(regions.theirs, "region"), {"spec": {"namespaces": ["elsewhere"]}})
    await api.patch(paths.edge_controllers(regions.mine, "region"), namespaces)

    async def governed() -> bool:
        await regions.agent.items(paths.pods(regions.theirs))
        return True

    await wait_until("the agent governs both namespaces", governed)
    for verb, resource in (
        ("get", "coordination.k8s.io/leases"),
        ("create", "coordination.k8s.io/leases"),
        ("get", "edgewright.dev/edgecontrollers"),
        ("patch", "edgewright.dev/edgecontrollers/status"),
    ):
        outcome = await attempt(regions.agent, verb, regions.path(THEIRS, resource, verb))
        assert outcome == "refused", f"{verb} {resource}"


@pytest.mark.parametrize(
    "who",
    [
        ["--as=system:admin"],
        ["--as=nobody", "--as-group=system:masters"],
        [f"--as=system:serviceaccount:{names.OPERATOR_NAMESPACE}:{names.OPERATOR_ACCOUNT}"],
    ],
)
def test_it_impersonates_nobody(
    regions: Regions, cluster: testbed.Testbed, tmp_path: Path, who: list[str]
) -> None:
    kubeconfig = tmp_path / f"{regions.mine}-{names.AGENT_ACCOUNT}"
    command = [str(binaries.resolve()["kubectl"]), "--kubeconfig", str(kubeconfig), "get", "nodes"]
    allowed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert allowed.returncode == 0, allowed.stderr
    done = subprocess.run([*command, *who], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "cannot impersonate" in done.stderr


ALWAYS = {
    "create authentication.k8s.io/selfsubjectreviews",
    "create authorization.k8s.io/selfsubjectaccessreviews",
    "create authorization.k8s.io/selfsubjectrulesreviews",
}
"""What everybody may: ask who he is and what he may do."""
EVERYWHERE = ALWAYS | {
    "get,list,watch core/nodes",
    "get,list,watch edgewright.dev/edgetopologies",
    "get,list,watch edgewright.dev/nodeloads",
}
GOVERNED = EVERYWHERE | {
    "delete,get,list,watch core/pods",
    "create core/pods/binding",
    "patch core/pods/status",
    "create,patch core/events",
    "get,list,watch edgewright.dev/servicedags",
    "patch edgewright.dev/servicedags/status",
}
HOME = GOVERNED | {
    "create coordination.k8s.io/leases",
    "get,list,update,watch coordination.k8s.io/leases edgewright-agent",
    "get,list,watch edgewright.dev/edgecontrollers",
    "patch edgewright.dev/edgecontrollers/status",
}
NODE_LEASES = EVERYWHERE | {"get,list,watch coordination.k8s.io/leases"}


async def may(client: Api, namespace: str) -> set[str]:
    """Everything that the API server lets the client do in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = (await client.create(paths.rules_reviews(), review))["status"]
    return {
        f"{','.join(sorted(rule['verbs']))} {group or 'core'}/{resource}"
        + (f" {','.join(sorted(rule['resourceNames']))}" if rule.get("resourceNames") else "")
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


async def granted(regions: Regions) -> str:
    """The right to place on the region's nodes, as `may` says it."""
    status = (await regions.admin.get(paths.edge_controllers(regions.mine, "region")))["status"]
    return f"place edgewright.dev/nodes {','.join(status['nodes'])}"


async def test_it_may_do_exactly_this(regions: Regions) -> None:
    assert await may(regions.agent, regions.mine) == HOME | {await granted(regions)}
    assert await may(regions.agent, regions.theirs) == EVERYWHERE
    assert await may(regions.agent, names.NAMESPACE_NODE_LEASE) == NODE_LEASES
    for elsewhere in ("default", "kube-system", names.OPERATOR_NAMESPACE):
        assert await may(regions.agent, elsewhere) == EVERYWHERE


async def test_in_a_guest_namespace_it_may_place_and_not_more(
    regions: Regions, api: Api, fresh_namespace: Any, wait_until: Until
) -> None:
    guest = await fresh_namespace()
    namespaces = {"spec": {"namespaces": [regions.mine, guest]}}
    await api.patch(paths.edge_controllers(regions.mine, "region"), namespaces)

    async def governed() -> bool:
        await regions.agent.items(paths.pods(guest))
        return True

    await wait_until("the guest is governed", governed)
    assert await may(regions.agent, guest) == GOVERNED | {await granted(regions)}
