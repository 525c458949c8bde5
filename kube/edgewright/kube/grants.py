"""Which nodes an agent may bind pods of a namespace to, as RBAC objects."""

from collections.abc import Iterable, Mapping
from typing import Any

from edgewright.kube.names import AGENT_ACCOUNT, GROUP, LABEL_MANAGED_BY, MANAGED_BY, ROLE_AGENT_NODES

VERB = "place"
"""Verb on `nodes.edgewright.dev` that the policy `edgewright-agent-nodes` asks for."""


def node_grants(
    namespace: str, agent_namespace: str, nodes: Iterable[str], labels: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Role, RoleBinding) that let the agent of `agent_namespace` bind pods of `namespace` to `nodes`.

    To be applied before the agent gets its role in the namespace. No node: nothing is granted.
    """
    metadata = {
        "name": ROLE_AGENT_NODES,
        "namespace": namespace,
        "labels": {LABEL_MANAGED_BY: MANAGED_BY, **(labels or {})},
    }
    granted = sorted(nodes)
    rule = {"apiGroups": [GROUP], "resources": ["nodes"], "resourceNames": granted, "verbs": [VERB]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [rule] if granted else [],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE_AGENT_NODES},
        "subjects": [{"kind": "ServiceAccount", "name": AGENT_ACCOUNT, "namespace": agent_namespace}],
    }
    return role, binding
