"""URL paths of the Kubernetes API for every kind that Edgewright reads or writes."""

from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from edgewright.kube.names import GROUP, VERSION


class Namespaced(Protocol):
    """Path of a namespaced kind: all namespaces, one namespace, one object, or its subresource."""

    def __call__(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The path; raises ValueError for a name without a namespace."""


class ClusterScoped(Protocol):
    """Path of a cluster-scoped kind: the collection, one object, or its subresource."""

    def __call__(self, name: str | None = None, subresource: str | None = None) -> str:
        """The path; raises ValueError for an empty name."""


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def namespaced(group: str, version: str, plural: str) -> Namespaced:
    """Path builder of a namespaced kind; `group` is empty for the core group."""
    root = _root(group, version)

    def path(namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        if namespace is None:
            if name is not None:
                raise ValueError(f"{plural}/{name}: a namespaced object needs its namespace")
            return f"{root}/{plural}"
        return _tail(f"{root}/namespaces/{quote(namespace, safe='')}/{plural}", name, subresource)

    return path


def cluster_scoped(group: str, version: str, plural: str) -> ClusterScoped:
    """Path builder of a cluster-scoped kind; `group` is empty for the core group."""
    root = _root(group, version)

    def path(name: str | None = None, subresource: str | None = None) -> str:
        return _tail(f"{root}/{plural}", name, subresource)

    return path


def _tail(collection: str, name: str | None, subresource: str | None) -> str:
    if name is None:
        if subresource is not None:
            raise ValueError(f"{collection}: subresource {subresource!r} needs the object's name")
        return collection
    if not name:
        raise ValueError(f"{collection}: the object's name is empty")
    path = f"{collection}/{quote(name, safe=':')}"
    return f"{path}/{subresource}" if subresource else path


pods = namespaced("", "v1", "pods")
services = namespaced("", "v1", "services")
serviceaccounts = namespaced("", "v1", "serviceaccounts")
configmaps = namespaced("", "v1", "configmaps")
resourcequotas = namespaced("", "v1", "resourcequotas")
limitranges = namespaced("", "v1", "limitranges")
events = namespaced("", "v1", "events")
endpointslices = namespaced("discovery.k8s.io", "v1", "endpointslices")
deployments = namespaced("apps", "v1", "deployments")
replicasets = namespaced("apps", "v1", "replicasets")
pdbs = namespaced("policy", "v1", "poddisruptionbudgets")
hpas = namespaced("autoscaling", "v2", "horizontalpodautoscalers")
leases = namespaced("coordination.k8s.io", "v1", "leases")
roles = namespaced("rbac.authorization.k8s.io", "v1", "roles")
rolebindings = namespaced("rbac.authorization.k8s.io", "v1", "rolebindings")

nodes = cluster_scoped("", "v1", "nodes")
namespaces = cluster_scoped("", "v1", "namespaces")
clusterroles = cluster_scoped("rbac.authorization.k8s.io", "v1", "clusterroles")
clusterrolebindings = cluster_scoped("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
crds = cluster_scoped("apiextensions.k8s.io", "v1", "customresourcedefinitions")
admission_policies = cluster_scoped("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
admission_policy_bindings = cluster_scoped(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"
)
access_reviews = cluster_scoped("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
rules_reviews = cluster_scoped("authorization.k8s.io", "v1", "selfsubjectrulesreviews")

service_dags = namespaced(GROUP, VERSION, "servicedags")
edge_controllers = namespaced(GROUP, VERSION, "edgecontrollers")
edge_topologies = cluster_scoped(GROUP, VERSION, "edgetopologies")
node_loads = cluster_scoped(GROUP, VERSION, "nodeloads")

_BY_KIND: dict[str, tuple[str, Callable[..., str]]] = {
    "CustomResourceDefinition": ("cluster", crds),
    "Namespace": ("cluster", namespaces),
    "Node": ("cluster", nodes),
    "ClusterRole": ("cluster", clusterroles),
    "ClusterRoleBinding": ("cluster", clusterrolebindings),
    "ValidatingAdmissionPolicy": ("cluster", admission_policies),
    "ValidatingAdmissionPolicyBinding": ("cluster", admission_policy_bindings),
    "EdgeTopology": ("cluster", edge_topologies),
    "NodeLoad": ("cluster", node_loads),
    "Pod": ("namespaced", pods),
    "Service": ("namespaced", services),
    "ServiceAccount": ("namespaced", serviceaccounts),
    "ConfigMap": ("namespaced", configmaps),
    "Deployment": ("namespaced", deployments),
    "PodDisruptionBudget": ("namespaced", pdbs),
    "Lease": ("namespaced", leases),
    "Role": ("namespaced", roles),
    "RoleBinding": ("namespaced", rolebindings),
    "ServiceDAG": ("namespaced", service_dags),
    "EdgeController": ("namespaced", edge_controllers),
}


def of_object(kind: str, namespace: str | None, name: str | None) -> str:
    """Path of an object (or, with `name=None`, of its collection) of one of the kinds that we install.

    Raises KeyError naming the kind if it is not one of ours.
    """
    if kind not in _BY_KIND:
        raise KeyError(f"kind {kind!r} is not one that Edgewright installs")
    scope, path = _BY_KIND[kind]
    return path(name) if scope == "cluster" else path(namespace, name)
