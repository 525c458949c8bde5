"""What pods of other namespaces request on each region's nodes, kept per pod event, written in chunks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import fsum
from typing import Any

from edgewright.kube.names import RESOURCE_GPU, RESOURCE_NPU, RESOURCE_RADIO
from edgewright.kube.objects import Pod
from edgewright.kube.quantities import pod_requests
from edgewright.operator.claims import Claim, Key

CHUNK = 200
"""Nodes per NodeLoad object."""
COLUMNS = ("cpu", "memory", "gpu", "npu", "radioMbps", "pods")
Load = tuple[float, ...]
"""Requests in the order of COLUMNS: cores, bytes, devices, devices, Mbps, pods."""
NONE: Load = (0.0,) * len(COLUMNS)
ResourceNames = Mapping[str, str]
"""The cluster's names of `gpu`, `npu` and `radio` (`EdgeController.spec.resourceNames`)."""
DEFAULT_NAMES: ResourceNames = {"gpu": RESOURCE_GPU, "npu": RESOURCE_NPU, "radio": RESOURCE_RADIO}


@dataclass
class Ledger:
    """Sums of requests per node and namespace; each pod event costs O(1)."""

    sums: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Node to namespace to resource name to the requests of its bound, non-terminal pods."""
    changed: set[str] = field(default_factory=set)
    """Nodes whose sums moved since the caller last cleared the set."""

    def move(self, old: Pod | None, new: Pod | None) -> None:
        """Account for a pod that appeared, changed or went away; terminal and unbound pods weigh nothing."""
        before, after = _node(old), _node(new)
        if before == after and (old is None or new is None or old.spec == new.spec):
            return
        if old is not None and before is not None:
            self._add(before, old.metadata.namespace, old, -1.0)
        if new is not None and after is not None:
            self._add(after, new.metadata.namespace, new, 1.0)

    def foreign(
        self,
        node: str,
        governed: frozenset[str] | set[str],
        fraction: float = 1.0,
        names: ResourceNames = DEFAULT_NAMES,
    ) -> Load:
        """Requests on `node` of the namespaces that are not in `governed`, times `fraction`."""
        resources = ("cpu", "memory", names["gpu"], names["npu"], names["radio"], "pods")
        total = [0.0] * len(resources)
        for namespace, load in self.sums.get(node, {}).items():
            if namespace not in governed:
                for column, resource in enumerate(resources):
                    total[column] += load.get(resource, 0.0)
        return tuple(round(fraction * value, 6) for value in total)

    def _add(self, node: str, namespace: str, pod: Pod, sign: float) -> None:
        self.changed.add(node)
        load = self.sums.setdefault(node, {}).setdefault(namespace, {})
        for resource, value in (*pod_requests(pod).items(), ("pods", 1.0)):
            load[resource] = load.get(resource, 0.0) + sign * value
        if load["pods"] < 0.5:
            del self.sums[node][namespace]
            if not self.sums[node]:
                del self.sums[node]


def _node(pod: Pod | None) -> str | None:
    """The node on which the pod holds resources, if any."""
    return None if pod is None or pod.terminal or not pod.spec.node_name else pod.spec.node_name


@dataclass
class Chunks:
    """Which NodeLoad object of a region reports which node; a node stays in its chunk while it has load."""

    of: dict[str, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def place(self, node: str) -> int:
        """The chunk of `node`, assigned to the first with room."""
        chunk = self.of.get(node)
        if chunk is None:
            chunk = 0
            while self.sizes.get(chunk, 0) >= CHUNK:
                chunk += 1
            self.of[node] = chunk
            self.sizes[chunk] = self.sizes.get(chunk, 0) + 1
        return chunk

    def remove(self, node: str) -> int | None:
        """Take `node` out; returns the chunk that it was in."""
        chunk = self.of.pop(node, None)
        if chunk is not None:
            self.sizes[chunk] -= 1
        return chunk


@dataclass
class RegionLoad:
    """The NodeLoad objects of one EdgeController: chunk 0 always, as a sign of life, others while needed."""

    key: Key
    chunks: Chunks = field(default_factory=Chunks)
    loads: dict[str, Load] = field(default_factory=dict)
    """Node to its foreign load, only where there is some."""
    written: dict[int, float] = field(default_factory=dict)
    """Chunk to the time of its last write."""
    dirty: set[int] = field(default_factory=lambda: {0})

    def update(
        self,
        ledger: Ledger,
        claim: Claim,
        all_governed: frozenset[str],
        nodes: Iterable[str],
        names: ResourceNames = DEFAULT_NAMES,
    ) -> None:
        """Take over the present load of `nodes`, which must contain every node that changed owner or load.

        On a node of its own a region sees all pods outside its namespaces; of a shared node it sees its
        fraction of the pods that no EdgeController governs.
        """
        for node in nodes:
            if node in claim.owned:
                load = ledger.foreign(node, claim.namespaces, names=names)
            elif node in claim.shared:
                load = ledger.foreign(node, all_governed, claim.shared[node], names)
            else:
                load = NONE
            if load == self.loads.get(node, NONE):
                continue
            if any(load):
                self.loads[node] = load
                self.dirty.add(self.chunks.place(node))
            else:
                del self.loads[node]
                chunk = self.chunks.remove(node)
                if chunk is not None:
                    self.dirty.add(chunk)

    def due(self, before: float) -> list[int]:
        """The chunks to write: those that changed, and those last written no later than `before`."""
        return sorted(self.dirty | {chunk for chunk, when in self.written.items() if when <= before})

    def members(self, chunk: int) -> dict[str, Load]:
        """The nodes of a chunk and their loads, sorted by name."""
        return {node: self.loads[node] for node in sorted(self.loads) if self.chunks.of[node] == chunk}

    def empty(self, chunk: int) -> bool:
        """Whether a chunk other than the first reports nothing and can be deleted."""
        return chunk > 0 and self.chunks.sizes.get(chunk, 0) == 0

    def name(self, chunk: int) -> str:
        """Name of the NodeLoad object of a chunk."""
        return f"{self.key[0]}-{self.key[1]}-{chunk}"

    def body(self, chunk: int, observed_at: str, elsewhere: float = 0.0) -> dict[str, Any]:
        """The NodeLoad object of a chunk as observed at an RFC 3339 time; the first tells of others."""
        namespace, name = self.key
        told = {} if chunk else {"requestedElsewhere": round(elsewhere, 4)}
        return {
            "apiVersion": "edgewright.dev/v1alpha1",
            "kind": "NodeLoad",
            "metadata": {"name": self.name(chunk), "labels": {"app.kubernetes.io/managed-by": "edgewright"}},
            "spec": {
                "edgeController": {"namespace": namespace, "name": name},
                "observedAt": observed_at,
                **told,
                "nodes": [
                    {"name": node, "requests": dict(zip(COLUMNS, load, strict=True))}
                    for node, load in self.members(chunk).items()
                ],
            },
        }


def requested_elsewhere(
    ledger: Ledger, claims: Mapping[Key, Claim], cores: Mapping[str, float]
) -> dict[Key, float]:
    """For each region the mean share of their CPU that pods request of the nodes of all the others."""
    shares = {
        key: [ledger.foreign(node, set())[0] / cores[node] for node in claim.owned if cores.get(node)]
        for key, claim in claims.items()
    }
    total, count = fsum(chain(*shares.values())), sum(map(len, shares.values()))
    return {key: (total - fsum(own)) / max(count - len(own), 1) for key, own in shares.items()}
