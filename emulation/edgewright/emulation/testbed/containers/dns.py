"""The cluster's DNS: CoreDNS as a Deployment on the container node, under restricted pod security."""

from typing import Any

from edgewright.emulation.testbed.containers.plan import DNS_SERVICE, DOMAIN, NODE

NAMESPACE = "kube-system"
NAME = "coredns"
PORT = 8053
LABELS = {"k8s-app": "kube-dns"}
READY_PORT = 8181
# What the cluster does not know does not exist: the node reaches no other name server.
CORE_FILE = f"""{DOMAIN}:{PORT} in-addr.arpa:{PORT} ip6.arpa:{PORT} {{
    errors
    health
    ready
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        ttl 30
    }}
    cache 30
}}
.:{PORT} {{
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def objects(image: str) -> list[dict[str, Any]]:
    """Everything that CoreDNS needs, in the order in which it is applied."""
    return [_account(), _role(), _binding(), _configuration(), _service(), _deployment(image)]


def _object(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": LABELS}
    if not kind.startswith("Cluster"):
        metadata["namespace"] = NAMESPACE
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _account() -> dict[str, Any]:
    return _object("v1", "ServiceAccount", NAME)


def _role() -> dict[str, Any]:
    read = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
    ]
    return _object("rbac.authorization.k8s.io/v1", "ClusterRole", f"system:{NAME}", rules=rules)


def _binding() -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return _object(
        f"{group}/v1",
        "ClusterRoleBinding",
        f"system:{NAME}",
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": f"system:{NAME}"},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    )


def _configuration() -> dict[str, Any]:
    return _object("v1", "ConfigMap", NAME, data={"Corefile": CORE_FILE})


def _service() -> dict[str, Any]:
    ports = [
        {"name": f"dns-{protocol.lower()}", "port": 53, "targetPort": PORT, "protocol": protocol}
        for protocol in ("UDP", "TCP")
    ]
    spec = {"clusterIP": str(DNS_SERVICE), "selector": LABELS, "ports": ports}
    return _object("v1", "Service", "kube-dns", spec=spec)


def _deployment(image: str) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": PORT, "protocol": protocol} for protocol in ("UDP", "TCP")],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": READY_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "configuration", "configMap": {"name": NAME}}],
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", NAME, spec=spec)
