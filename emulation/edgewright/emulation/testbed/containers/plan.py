"""What the container node of a testbed is called and which addresses it has: a pure function of its ports."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from edgewright.emulation.testbed.layout import Layout
from edgewright.emulation.testbed.ports import BLOCK, FIRST, Ports

NODE = "container-node"
"""Name of the Node object."""
PODS = IPv4Network("10.208.0.0/14")
"""Cut into a /24 for the pods of each testbed of this machine."""
LINKS = IPv4Network("10.212.0.0/20")
"""Cut into a /30 for the wire between this machine and each testbed's node."""
SERVICES = IPv4Network("10.96.0.0/18")
API_SERVICE = SERVICES[1]
DNS_SERVICE = SERVICES[10]
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Plan:
    """Names, addresses and files of the container node; two testbeds of one machine share none."""

    layout: Layout
    ports: Ports

    @property
    def _index(self) -> int:
        return (self.ports.apiserver - FIRST) // BLOCK

    @cached_property
    def pods(self) -> IPv4Network:
        """Addresses of the node's pods; the first is its bridge's."""
        return IPv4Network((int(PODS.network_address) + 256 * self._index, 24))

    @cached_property
    def link(self) -> IPv4Network:
        """The wire between this machine and the node."""
        return IPv4Network((int(LINKS.network_address) + 4 * self._index, 30))

    @property
    def host(self) -> IPv4Address:
        """This machine's end of the wire, where pods reach the API server."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node's end: its InternalIP."""
        return self.link[2]

    @property
    def server(self) -> str:
        """The API server as seen from the node."""
        return f"https://{self.host}:{self.ports.apiserver}"

    @property
    def files(self) -> "Files":
        """Where the node keeps its files."""
        return Files(self.layout)

    @property
    def names_of_server(self) -> tuple[str, ...]:
        """What the API server's certificate must say besides loopback."""
        service = "kubernetes.default.svc"
        return (
            str(self.host),
            str(API_SERVICE),
            "kubernetes",
            "kubernetes.default",
            service,
            f"{service}.{DOMAIN}",
        )

    @property
    def server_arguments(self) -> tuple[str, ...]:
        """What the API server must be told, as `component=key=value`."""
        admin = self.layout.cluster / "pki" / "admin"
        return (
            f"kube-apiserver=advertise-address={self.host}",
            f"kube-apiserver=kubelet-client-certificate={admin}.crt",
            f"kube-apiserver=kubelet-client-key={admin}.key",
            "kube-apiserver=kubelet-preferred-address-types=InternalIP",
        )


@dataclass(frozen=True)
class Files:
    """Files and names that follow from the testbed's folder alone, so that `down` needs nothing else."""

    layout: Layout

    @property
    def root(self) -> Path:
        """Everything of the node is below this folder."""
        return self.layout.root / "node"

    @property
    def tag(self) -> str:
        """Eight characters that no other testbed of this machine has."""
        return hashlib.sha256(str(self.layout.root).encode()).hexdigest()[:8]

    @property
    def interface(self) -> str:
        """This machine's end of the wire; the kernel allows 15 characters."""
        return f"edgew-{self.tag}"

    @property
    def cgroup(self) -> str:
        """The cgroup, in every hierarchy, below which all pods are."""
        return f"edgewright-{self.tag}"

    @property
    def containerd(self) -> Path:
        """containerd's configuration."""
        return self.root / "containerd.toml"

    @property
    def cni(self) -> Path:
        """Folder of the network's configuration."""
        return self.root / "cni"

    @property
    def kubelet(self) -> Path:
        """The kubelet's configuration."""
        return self.root / "kubelet.yaml"

    @property
    def proxy(self) -> Path:
        """kube-proxy's configuration."""
        return self.root / "kube-proxy.yaml"

    def kubeconfig(self, user: str) -> Path:
        """Kubeconfig of the kubelet or of kube-proxy."""
        return self.root / "kubeconfigs" / user

    def program(self, name: str) -> Path:
        """A link to a program: what runs through it is recognised as this testbed's."""
        return self.root / "bin" / name
