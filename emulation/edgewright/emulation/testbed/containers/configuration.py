"""Configuration of containerd, the bridge network, the kubelet and kube-proxy, as values and as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation.testbed.containers.plan import DNS_SERVICE, DOMAIN, NODE, Plan
from edgewright.emulation.testbed.control_plane import FACTORS, Heartbeat

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
"""In the node's own /run."""
LEASE_SECONDS = 40
BRIDGE = "pods"
"""In the node's own network, so that its name collides with no other."""


def write(plan: Plan, heartbeat: Heartbeat, pause: str, programs: Mapping[str, Path]) -> None:
    """Write every file; `pause` is the image of the sandboxes."""
    files = plan.files
    files.cni.mkdir(parents=True, exist_ok=True)
    files.containerd.write_text(containerd(plan, pause, programs))
    (files.cni / "10-pods.conflist").write_text(json.dumps(network(plan)))
    (files.root / "resolv.conf").write_text("# The testbed's pods know the cluster's names only.\n")
    files.kubelet.write_text(yaml.safe_dump(kubelet(plan, heartbeat)))
    files.proxy.write_text(yaml.safe_dump(proxy(plan)))


def containerd(plan: Plan, pause: str, programs: Mapping[str, Path]) -> str:
    """containerd's TOML."""
    runtime = 'plugins."io.containerd.cri.v1.runtime"'
    text = json.dumps  # a JSON string is a TOML string
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = {text(pause)}

[{runtime}]
# Containers may run where lowering a process's OOM score is forbidden.
restrict_oom_score_adj = true

[{runtime}.cni]
bin_dirs = [{text(str(programs["bridge"].parent))}]
conf_dir = {text(str(plan.files.cni))}

[{runtime}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[{runtime}.containerd.runtimes.runc.options]
BinaryName = {text(str(programs["runc"]))}
SystemdCgroup = false
"""


def network(plan: Plan) -> dict[str, Any]:
    """The CNI configuration: a bridge, and addresses of the pods' subnet."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(plan.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni",
        },
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def kubelet(plan: Plan, heartbeat: Heartbeat) -> dict[str, Any]:
    """The kubelet's configuration; its Lease lasts as long as those of the emulated nodes."""
    nothing = dict.fromkeys(("memory.available", "nodefs.available", "nodefs.inodesFree"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(plan.node),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plan.layout.cluster / "pki" / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{plan.files.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [str(DNS_SERVICE)],
        "clusterDomain": DOMAIN,
        "resolvConf": str(plan.files.root / "resolv.conf"),
        "nodeLeaseDurationSeconds": round(LEASE_SECONDS * FACTORS[heartbeat]),
        "oomScoreAdj": 0,
        # A test machine's disk may be fuller than a production node's; nothing is evicted for it.
        "evictionHard": nothing,
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def proxy(plan: Plan) -> dict[str, Any]:
    """kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "bindAddress": str(plan.node),
        "clientConnection": {"kubeconfig": str(plan.files.kubeconfig("kube-proxy"))},
        "clusterCIDR": str(plan.pods),
        "hostnameOverride": NODE,
        # These limits belong to the whole machine.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
