"""What an EdgeController needs in the cluster and what its status says; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.kube.conditions import ConditionType, Reason, condition
from edgewright.kube.crds.edge_controller import EdgeControllerSpec
from edgewright.kube.grants import node_grants
from edgewright.kube.names import (
    AGENT_ACCOUNT,
    API_VERSION,
    GROUP,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    ROLE_AGENT,
    ROLE_AGENT_HOME,
    ROLE_OPERATOR_REGION,
)
from edgewright.kube.objects import version_number
from edgewright.operator.claims import Claim, Key, LinkShare, Region, Share
from edgewright.operator.observed import Now
from edgewright.operator.verdicts import Verdict

LABEL_REGION_OWNER = f"{GROUP}/edge-controller-uid"
"""On RoleBindings in governed namespaces, which no owner reference may lead out of."""
_SHOWN = 5


@dataclass(frozen=True)
class Controller:
    """An EdgeController as the operator reads it."""

    key: Key
    uid: str
    generation: int
    version: int
    created: str
    spec: EdgeControllerSpec
    status: Mapping[str, Any]
    deleted: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Controller":
        """From the object as the API serves it; raises pydantic.ValidationError if its spec is not valid."""
        metadata = body["metadata"]
        return cls(
            key=(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=int(metadata.get("generation") or 1),
            version=version_of(body),
            created=metadata.get("creationTimestamp") or "",
            spec=EdgeControllerSpec.model_validate(body.get("spec") or {}),
            status=body.get("status") or {},
            deleted=bool(metadata.get("deletionTimestamp")),
        )

    @property
    def region(self) -> Region:
        """What it claims."""
        shared = self.spec.shared
        return Region(
            key=self.key,
            created=self.created,
            selector=self.spec.node_selector,
            shares=tuple(Share(s.node_selector, s.fraction) for s in shared if s.node_selector),
            links=tuple(
                LinkShare((link.source, link.target), s.fraction) for s in shared for link in s.links
            ),
            namespaces=tuple(self.spec.namespaces),
        )

    @property
    def resource_names(self) -> dict[str, str]:
        """The cluster's names of gpu, npu and radio."""
        return self.spec.resource_names.model_dump()

    @property
    def subject(self) -> dict[str, str]:
        """The agent's ServiceAccount as an RBAC subject."""
        return {"kind": "ServiceAccount", "name": AGENT_ACCOUNT, "namespace": self.key[0]}


def version_of(body: Mapping[str, Any]) -> int:
    """The resource version of an object as the API serves it, as a number."""
    return version_number(str(body["metadata"].get("resourceVersion") or ""))


@dataclass(frozen=True)
class Trouble:
    """What keeps a region's agents from running or from their rights, for a condition."""

    reason: Reason
    message: str
    written: bool = True
    """Whether the objects that agents need are there; if not, the EdgeController is not Accepted."""


def owner_reference(controller: Controller) -> dict[str, Any]:
    """What makes an object in the EdgeController's namespace go with it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "EdgeController",
        "name": controller.key[1],
        "uid": controller.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def account(controller: Controller) -> dict[str, Any]:
    """The agent's ServiceAccount; it goes when the EdgeController goes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": AGENT_ACCOUNT,
            "namespace": controller.key[0],
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
            "ownerReferences": [owner_reference(controller)],
        },
    }


def role_binding(controller: Controller, namespace: str, role: str) -> dict[str, Any]:
    """The agent's rights in a namespace; no owner reference, because it may cross namespaces."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": role,
            "namespace": namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_REGION_OWNER: controller.uid},
        },
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [controller.subject],
    }


def rights(controller: Controller, claim: Claim) -> list[dict[str, Any]]:
    """Every object that the agent needs to do its work, in the order in which they must come.

    Its Lease and its figures are in the EdgeController's own namespace, whether or not that is governed. The
    grant of nodes precedes the role to bind pods, and the account comes last: nobody may act under it before
    what a predecessor left has been put right.
    """
    home, owner = controller.key[0], {LABEL_REGION_OWNER: controller.uid}
    made = [role_binding(controller, home, ROLE_AGENT_HOME)]
    for namespace in sorted(claim.namespaces):
        made += node_grants(namespace, home, claim.nodes, owner)
        made.append(role_binding(controller, namespace, ROLE_AGENT))
    return [*made, account(controller)]


def static_subjects(controllers: Iterable[Controller]) -> list[dict[str, str]]:
    """Subjects of the cluster-wide bindings: every region's agent, sorted."""
    subjects = {controller.key[0]: controller.subject for controller in controllers}
    return [subjects[namespace] for namespace in sorted(subjects)]


def status(
    controller: Controller, claim: Claim, *, agent: bool, trouble: Trouble | None = None, now: Now
) -> dict[str, Any]:
    """The operator's part of an EdgeController's status; `agent`: whether one holds the region's Lease."""
    verdicts = {
        ConditionType.READY: _ready(controller, claim, trouble, agent=agent),
        ConditionType.ACCEPTED: _accepted(claim, trouble),
        ConditionType.DEGRADED: _degraded(claim, trouble),
    }
    nodes = claim.nodes
    return {
        "observedGeneration": controller.generation,
        "conditions": [
            condition(
                kind,
                verdict.status,
                verdict.reason,
                verdict.message,
                generation=controller.generation,
                previous=controller.status.get("conditions") or [],
                at=now.stamp,
            )
            for kind, verdict in verdicts.items()
        ],
        "nodes": nodes,
        "nodeCount": len(nodes),
        "namespaces": sorted(claim.namespaces),
    }


def _accepted(claim: Claim, trouble: Trouble | None) -> Verdict:
    if claim.rival is not None:
        return Verdict(
            "False",
            Reason.NAMESPACE_CLAIMED,
            f"EdgeController {claim.rival[1]} is older and governs from this namespace. "
            "A namespace holds one; move this one to a namespace of its own.",
        )
    if trouble is not None and not trouble.written:
        return Verdict("False", trouble.reason, trouble.message)
    return Verdict("True", Reason.VALID)


def refused(what: str, words: str) -> Trouble:
    """The API server refuses the operator an object that agents need."""
    return Trouble(
        Reason.OBJECT_REFUSED,
        f"{what}: {words}. If it is a right that is missing, bind ClusterRole {ROLE_OPERATOR_REGION} to the "
        "operator in the EdgeController's namespace and in every governed one.",
        written=False,
    )


def _ready(controller: Controller, claim: Claim, trouble: Trouble | None, *, agent: bool) -> Verdict:
    if claim.rival is not None:
        return Verdict("False", Reason.NAMESPACE_CLAIMED, _accepted(claim, None).message)
    if not claim.nodes:
        return Verdict(
            "False",
            Reason.NO_NODES,
            "spec.nodeSelector and spec.shared yield no node; "
            "compare them with `kubectl get nodes --show-labels`.",
        )
    if not agent and trouble is not None:
        return Verdict("False", trouble.reason, trouble.message)
    if not agent:
        why = "spec.replicas is 0." if controller.spec.replicas == 0 else ""
        said = f"No agent holds the region's Lease; new pods stay pending. {why}"
        return Verdict("False", Reason.AGENT_MISSING, said.rstrip())
    return Verdict("True", Reason.AGENT_READY, f"The agent governs {len(claim.nodes)} nodes.")


def _degraded(claim: Claim, trouble: Trouble | None) -> Verdict:
    said: list[str] = []
    reason = Reason.AS_EXPECTED
    if claim.lost_namespaces or claim.contested_namespaces:
        reason = Reason.NAMESPACE_CLAIMED
        said += [
            f"Namespace {namespace} belongs to the older EdgeController {'/'.join(other)}."
            for namespace, other in sorted(claim.lost_namespaces.items())[:_SHOWN]
        ]
        said += [
            f"Namespace {namespace} is also claimed by EdgeController {'/'.join(other)}, in vain."
            for namespace, other in sorted(claim.contested_namespaces.items())[:_SHOWN]
        ]
    if claim.refused_shares:
        reason = Reason.SHARES_EXCEEDED
        said += [
            f"{name}: the fractions shared would add up to {total:g}, more than 1; this region gets none."
            for name, total in sorted(claim.refused_shares.items())[:_SHOWN]
        ]
    if claim.lost_nodes or claim.contested_nodes:
        reason = Reason.NODE_CLAIMED
        said += _claimed(claim.lost_nodes, "belong to the older EdgeController {}")
        said += _claimed(claim.contested_nodes, "are also selected by EdgeController {}, in vain")
    if claim.beyond_limit:
        said.append(f"{claim.beyond_limit} nodes beyond the limit of 2,000 are left out; split the region.")
        reason = Reason.NODE_CLAIMED if reason is Reason.AS_EXPECTED else reason
    if trouble is not None and trouble.written:
        said.append(trouble.message)
        reason = trouble.reason if reason is Reason.AS_EXPECTED else reason
    return Verdict("False" if reason is Reason.AS_EXPECTED else "True", reason, " ".join(said))


def _claimed(nodes: Mapping[str, Key], text: str) -> list[str]:
    others = sorted(set(nodes.values()))
    return [
        f"{_list(sorted(node for node, holder in nodes.items() if holder == other))} "
        f"{text.format('/'.join(other))}."
        for other in others
    ]


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"Nodes {shown} and {more} more" if more > 0 else f"Nodes {shown}"
