"""What the API server says right now, as core sees it: which replicas of which DAG serve where."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from edgewright.agents.ledger import Ledger
from edgewright.agents.terrain import Grant, Terrain
from edgewright.core.load import world_load
from edgewright.core.problem import PlacedDag, World
from edgewright.core.radio import serving_cell
from edgewright.core.routes import with_nodes
from edgewright.core.service import CyclicGraphError, Ingress, ServiceDag, topological_order
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.testbed.nodes import CUT_HOLDER
from edgewright.kube import convert
from edgewright.kube.convert import ConversionError
from edgewright.kube.names import LABEL_DAG, LABEL_MICROSERVICE
from edgewright.kube.objects import Lease, Manifest, Node, Pod

Key = tuple[str, str]
"""(namespace, name)."""
Replica = tuple[str, str, str]
"""(microservice, node, pod)."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Service:
    """One ServiceDAG as it serves now."""

    key: Key
    generation: int
    """Rises with every change of its serving replicas."""
    dag: ServiceDag | None = None
    placed: PlacedDag | None = None
    """None while it serves nothing; then `problem` says why."""
    names: tuple[tuple[str, ...], ...] = ()
    """Per stage `microservice=node/pod` of each replica, in the order of core's layout."""
    problem: str = ""
    users: tuple[float, float] | None = None
    """Where they are, metres; None: all over the region, or nobody knows."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a request's fate depends on, but the load."""

    substrate: Substrate | None
    services: Mapping[Key, Service]
    foreign: FloatArray
    """(stations,) utilisation by pods that belong to no ServiceDAG."""


@dataclass
class _Record:
    manifest: Manifest | None = None
    spec: ServiceDag | None = None
    """As written."""
    dag: ServiceDag | None = None
    """With its users in a cell, where the spec leaves them all over the region."""
    cell: str = ""
    error: str = ""
    pods: dict[str, Pod] = field(default_factory=dict)
    replicas: tuple[Replica, ...] = ()
    generation: int = 0
    service: Service | None = None
    """As last made; None after a change."""


class Picture:
    """Kept current event by event; `scene` is cheap while little changed. Nothing here does I/O.

    A replica serves as behind a Service: bound, Ready, and not being deleted. A node that is cut off or not
    Ready answers nothing, although replicas on it may still count as Ready: requests that pick them are lost.
    """

    def __init__(self) -> None:
        self.changed = True
        """Whether something happened since the last `scene`."""
        self._terrain = Terrain()
        self._nodes: set[str] = set()
        self._cut: set[str] = set()
        self._strangers = Ledger()
        self._grants: dict[Key, Grant] = {}
        self._records: dict[Key, _Record] = {}
        self._bare: Substrate | None = None
        self._substrate: Substrate | None = None
        self._rows: tuple[str, ...] = ()

    def node_changed(self, name: str, node: Node | None) -> None:
        """A node appeared, changed or went (None)."""
        before = len(self._nodes)
        (self._nodes.discard if node is None else self._nodes.add)(name)
        changed = self._terrain.set_node(name, node)
        self.changed |= changed or len(self._nodes) != before

    def lease_changed(self, name: str, lease: Lease | None) -> None:
        """A node's Lease appeared, changed or went: the testbed cuts a node off by taking it."""
        cut = lease is not None and lease.spec.holder_identity == CUT_HOLDER
        if cut != (name in self._cut):
            (self._cut.add if cut else self._cut.discard)(name)
            self._terrain.set_silent(frozenset(self._cut))
            self.changed = True

    def topologies_changed(self, topologies: Iterable[Mapping[str, Any]]) -> None:
        """Some EdgeTopology changed; `topologies` are all of them."""
        origin = self._terrain.origin
        self._terrain.set_topologies(topologies)
        if self._terrain.origin != origin:
            for record in self._records.values():
                self._convert(record)
        self.changed = True

    def controller_changed(self, key: Key, manifest: Manifest | None) -> None:
        """An EdgeController appeared, changed or went: it says which nodes a namespace's region has."""
        grant = None if manifest is None else Grant.of(manifest)
        self.changed |= self._grants.get(key) != grant
        self._grants.pop(key, None)
        if grant is not None:
            self._grants[key] = grant

    def dag_changed(self, key: Key, manifest: Manifest | None) -> None:
        """A ServiceDAG appeared, changed or went."""
        record = self._records.setdefault(key, _Record())
        before, record.manifest = record.manifest, manifest
        if manifest is None:
            record.spec, record.dag, record.service = None, None, None
            if not record.pods:
                del self._records[key]
        elif (
            before is None
            or before.metadata.uid != manifest.metadata.uid
            or before.metadata.generation != manifest.metadata.generation
        ):
            self._convert(record)
        else:
            return
        self.changed = True

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """A pod appeared, changed or went; one of a ServiceDAG is a replica, any other only load."""
        pod = new or old
        assert pod is not None
        uid, name = pod.metadata.uid, pod.metadata.labels.get(LABEL_DAG)
        if name is None:
            before = self._strangers.version
            if new is None or new.terminal or not new.spec.node_name:
                self._strangers.release(uid)
            else:
                self._strangers.take(uid, new.spec.node_name, convert.pod_request(new))
            self.changed |= self._strangers.version != before
            return
        key = (pod.metadata.namespace, name)
        record = self._records.setdefault(key, _Record())
        if new is None:
            record.pods.pop(uid, None)
        else:
            record.pods[uid] = new
        if old is None or new is None or _serves(old) != _serves(new):
            record.service, self.changed = None, True
        if record.manifest is None and not record.pods:
            del self._records[key]

    def scene(self) -> Scene:
        """The present state, whole."""
        self.changed = False
        if self._terrain.grant.nodes != self._nodes:
            self._terrain.set_grant(Grant(nodes=frozenset(self._nodes)))
        substrate = self._living()
        if substrate is None:
            services = {
                key: Service(key, 0, record.dag, problem="the cluster has no nodes")
                for key, record in self._records.items()
                if record.manifest is not None
            }
            return Scene(None, services, np.zeros(0))
        rows = tuple(node.name for node in substrate.nodes)
        if rows != self._rows:
            self._strangers.lay_out(rows)
            self._rows = rows
            for record in self._records.values():
                record.service = None
        self._locate_users(substrate)
        services = {
            key: self._service(key, record, substrate)
            for key, record in self._records.items()
            if record.manifest is not None
        }
        return Scene(substrate, services, world_load(World(substrate, self._strangers.used())).rho)

    def _living(self) -> Substrate | None:
        """The substrate in which what is on a dead node fails."""
        bare = self._terrain.substrate()
        if bare is not self._bare:
            self._bare = bare
            self._substrate = bare
            if bare is not None and not all(node.serving for node in bare.nodes):
                nodes = [node if node.serving else replace(node, success=0.0) for node in bare.nodes]
                self._substrate = with_nodes(bare, nodes)
        return self._substrate

    def _convert(self, record: _Record) -> None:
        record.spec, record.dag, record.cell, record.error, record.service = None, None, "", "", None
        if record.manifest is None:
            return
        try:
            dag = convert.service_dag(msgspec.to_builtins(record.manifest), origin=self._terrain.origin)
            topological_order(dag)
        except (ConversionError, CyclicGraphError) as error:
            record.error = str(error)
            _log.warning("%s; it is not served", error)
        else:
            record.spec = record.dag = dag

    def _locate_users(self, substrate: Substrate) -> None:
        """Users all over a region use its most central living cell, as its agent has it, not the city's."""
        cells = {
            namespace: _central_cell(substrate, grant.nodes)
            for grant in self._grants.values()
            for namespace in grant.namespaces
        }
        for (namespace, _), record in self._records.items():
            if record.spec is None or record.spec.ingress != Ingress():
                continue
            cell = cells.get(namespace, "")
            if cell != record.cell:
                ingress = Ingress(node=cell) if cell else Ingress()
                record.dag = replace(record.spec, ingress=ingress)
                record.cell, record.service = cell, None

    def _service(self, key: Key, record: _Record, substrate: Substrate) -> Service:
        if record.service is None:
            replicas = _replicas(record, substrate.index)
            if replicas != record.replicas:
                record.replicas = replicas
                record.generation += 1
            made = _assembled(key, record, substrate.index)
            record.service = replace(made, users=_users(made.dag, substrate))
        return record.service


def _central_cell(substrate: Substrate, nodes: frozenset[str]) -> str:
    """The node whose cell stands for users all over a region of these nodes; empty if it has none."""
    region = replace(substrate, nodes=tuple(node for node in substrate.nodes if node.name in nodes))
    found = serving_cell(region, Ingress())
    return region.nodes[found[0]].name if found is not None else ""


def _users(dag: ServiceDag | None, substrate: Substrate) -> tuple[float, float] | None:
    if dag is None or dag.ingress.node is None:
        return dag.ingress.location if dag is not None else None
    row = substrate.index.get(dag.ingress.node)
    return None if row is None else substrate.nodes[row].location


def _serves(pod: Pod) -> str:
    """The node on which a pod serves, or nothing."""
    return pod.spec.node_name if pod.ready and not pod.terminal else ""


def _replicas(record: _Record, index: Mapping[str, int]) -> tuple[Replica, ...]:
    """The serving replicas, stage by stage and in node order, as core's layout has them."""
    if record.dag is None:
        return ()
    order = {m.name: i for i, m in enumerate(record.dag.microservices)}
    found = [
        (order[microservice], index[node], pod.metadata.name, microservice, node)
        for pod in record.pods.values()
        if (node := _serves(pod)) in index
        and (microservice := pod.metadata.labels.get(LABEL_MICROSERVICE, "")) in order
    ]
    return tuple((microservice, node, name) for _, _, name, microservice, node in sorted(found))


def _assembled(key: Key, record: _Record, index: Mapping[str, int]) -> Service:
    dag = record.dag
    if dag is None:
        return Service(key, record.generation, problem=record.error)
    stages = [m.name for m in dag.microservices]
    served = {microservice for microservice, _, _ in record.replicas}
    if missing := [name for name in stages if name not in served]:
        listed = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        why = f"{len(missing)} of {len(stages)} microservices have no ready replica on a node: {listed}"
        return Service(key, record.generation, dag, problem=why)
    order = {name: i for i, name in enumerate(stages)}
    placed = PlacedDag(
        dag,
        np.array([order[microservice] for microservice, _, _ in record.replicas], np.int32),
        np.array([index[node] for _, node, _ in record.replicas], np.int32),
    )
    names = tuple(
        tuple(f"{m}={node}/{pod}" for m, node, pod in record.replicas if m == stage) for stage in stages
    )
    return Service(key, record.generation, dag, placed, names)
