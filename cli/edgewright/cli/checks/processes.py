"""Checks of who works: the operator, the EdgeControllers, their agents, and their rights where they work."""

from collections.abc import Iterator
from typing import Any

from edgewright.cli.checks.finding import Cluster, Finding, Object, key, listed, ok, problem, warning
from edgewright.kube import paths
from edgewright.kube.conditions import ConditionType, Reason, find
from edgewright.kube.names import (
    AGENT_ACCOUNT,
    APP_AGENT,
    LABEL_APP,
    LEASE_AGENT,
    LEASE_OPERATOR,
    NAMESPACE_NODE_LEASE,
    OPERATOR_ACCOUNT,
    ROLE_AGENT,
    ROLE_AGENT_CLUSTER,
    ROLE_AGENT_HOME,
    ROLE_AGENT_NODES,
    ROLE_OPERATOR_REGION,
)

_MENDS = {
    Reason.NO_NODES: "label nodes as its spec.nodeSelector asks: kubectl get nodes --show-labels",
    Reason.NODE_CLAIMED: "narrow one spec.nodeSelector, or share the nodes in spec.shared of both",
    Reason.NAMESPACE_CLAIMED: "take it out of one spec.namespaces, or delete the younger EdgeController",
    Reason.SHARES_EXCEEDED: "lower the fractions in spec.shared so that they add up to 1 at most",
    Reason.AGENT_MISSING: f"kubectl describe pods -n {{namespace}} -l {LABEL_APP}={APP_AGENT}, or start one: "
    "edgewright agent --namespace {namespace}",
    Reason.AGENT_FAILING: f"kubectl describe pods -n {{namespace}} -l {LABEL_APP}={APP_AGENT}",
    Reason.OBJECT_REFUSED: "bind the operator's role in every governed namespace, see its rights above",
}


async def operator(cluster: Cluster) -> list[Finding]:
    """Whether somebody holds the operator's Lease and renews it."""
    held = await cluster.holder(cluster.namespace, LEASE_OPERATOR)
    if held.alive:
        return [ok(held.state)]
    return [
        problem(
            f"Lease {cluster.namespace}/{LEASE_OPERATOR}: {held.state}; ServiceDAGs are not compiled",
            f"kubectl get pods -n {cluster.namespace}, or start one: edgewright operator",
        )
    ]


async def controllers(cluster: Cluster) -> list[Finding]:
    """Whether the regions are as their EdgeControllers want them."""
    every = await cluster.controllers()
    if not every:
        return [
            problem("there is none: no namespace is governed", "apply one: manifests/samples/region.yaml")
        ]
    findings = [finding for each in every for finding in _controller(each)]
    nodes = sum(len(_status(each).get("nodes") or ()) for each in every)
    return findings or [ok(f"{len(every)} ready, governing {nodes} nodes")]


def _controller(each: Object) -> Iterator[Finding]:
    who = "/".join(key(each))
    conditions = _status(each).get("conditions") or ()
    said: set[str] = set()
    for kind, good, make in (
        (ConditionType.READY, "True", problem),
        (ConditionType.ACCEPTED, "True", problem),
        (ConditionType.DEGRADED, "False", warning),
    ):
        found = find(conditions, kind)
        if found is None and kind is ConditionType.READY:
            yield problem(
                f"{who} has no status: the operator has not seen it", "see the operator's check above"
            )
        elif found is not None and found["status"] != good and found["reason"] not in said:
            said.add(found["reason"])
            mend = _MENDS.get(found["reason"], f"kubectl describe ec -n {key(each)[0]} {key(each)[1]}")
            text = f"{who} {kind}={found['status']} {found['reason']}: {found.get('message', '')}"
            yield make(text, mend.format(namespace=key(each)[0]))


async def agents(cluster: Cluster) -> list[Finding]:
    """Whether an agent decides in every region."""
    findings, alive = [], 0
    for each in await cluster.controllers():
        namespace, name = key(each)
        held = await cluster.holder(namespace, LEASE_AGENT)
        alive += held.alive
        if not held.alive:
            text = (
                f"EdgeController {namespace}/{name}: Lease {LEASE_AGENT}: {held.state}; new pods stay pending"
            )
            findings.append(problem(text, _MENDS[Reason.AGENT_MISSING].format(namespace=namespace)))
    return findings or [ok(f"every region has one, {alive} in all")]


async def operator_rights(cluster: Cluster) -> list[Finding]:
    """Whether the operator may write in every governed namespace."""
    bindings = await cluster.items(paths.rolebindings())
    subject = ("ServiceAccount", cluster.namespace, OPERATOR_ACCOUNT)
    there = {
        key(binding)[0]
        for binding in bindings
        if binding["roleRef"]["name"] == ROLE_OPERATOR_REGION and subject in _subjects(binding)
    }
    spaces = governed_spaces(await cluster.controllers())
    findings = [
        problem(
            f"the operator may not write in namespace {space}: ServiceDAGs there are not compiled",
            f"kubectl create rolebinding {ROLE_OPERATOR_REGION} -n {space} "
            f"--clusterrole={ROLE_OPERATOR_REGION} --serviceaccount={cluster.namespace}:{OPERATOR_ACCOUNT}",
        )
        for space in sorted(spaces.keys() - there)
    ]
    return findings or [ok(f"bound in all {len(spaces)} governed namespaces")]


async def agent_rights(cluster: Cluster) -> list[Finding]:
    """Whether every agent may read the cluster, write in its namespaces and bind to its nodes."""
    every = await cluster.controllers()
    homes = {key(each)[0] for each in every}
    findings = await _node_grants(cluster, every)
    bound = {
        (key(binding)[0], binding["roleRef"]["name"], subject[1])
        for binding in await cluster.items(paths.rolebindings())
        for subject in _subjects(binding)
    }
    spaces = governed_spaces(every)
    due = {(space, role, home) for space, home in spaces.items() for role in (ROLE_AGENT, ROLE_AGENT_NODES)}
    due |= {(home, ROLE_AGENT_HOME, home) for home in homes}
    if lacking := due - bound:
        said = listed(f"{role} in {space}" for space, role, _ in lacking)
        findings.append(
            problem(f"agents are not bound to {said}", "the operator does it: see its checks above")
        )
    for kind, space in (("ClusterRoleBinding", None), ("RoleBinding", NAMESPACE_NODE_LEASE)):
        binding = await cluster.object(kind, space, ROLE_AGENT_CLUSTER)
        known = {subject[1] for subject in _subjects(binding or {}) if subject[2] == AGENT_ACCOUNT}
        if homes - known:
            text = f"{kind} {ROLE_AGENT_CLUSTER} lacks the agents of {listed(homes - known)}"
            findings.append(problem(text, "the operator writes its subjects: see its checks above"))
    return findings or [ok(f"{len(homes)} agents have their roles")]


async def _node_grants(cluster: Cluster, every: list[dict[str, Any]]) -> list[Finding]:
    """Where the nodes that an agent may bind to are not those of its EdgeController's status."""
    granted = {
        key(role)[0]: {name for rule in role.get("rules") or () for name in rule.get("resourceNames") or ()}
        for role in await cluster.items(paths.roles())
        if key(role)[1] == ROLE_AGENT_NODES
    }
    return [
        problem(
            f"Role {ROLE_AGENT_NODES} in {space} does not grant the nodes of EdgeController "
            f"{'/'.join(key(each))}: they differ in {listed(wrong)}",
            "the operator does it: see its checks above",
        )
        for each in every
        for space in _status(each).get("namespaces") or ()
        if (wrong := granted.get(space, set()) ^ set(_status(each).get("nodes") or ()))
    ]


def governed_spaces(every: list[dict[str, Any]]) -> dict[str, str]:
    """Governed namespace to the namespace of the EdgeController that was granted it, else claims it."""
    found: dict[str, str] = {}
    for each in every:
        home = key(each)[0]
        found |= dict.fromkeys((each.get("spec") or {}).get("namespaces") or (home,), home)
    for each in every:
        found |= dict.fromkeys(_status(each).get("namespaces") or (), key(each)[0])
    return found


def _status(item: Object) -> Object:
    return item.get("status") or {}


def _subjects(binding: Object) -> set[tuple[str, str, str]]:
    return {(s["kind"], s.get("namespace", ""), s["name"]) for s in binding.get("subjects") or ()}
