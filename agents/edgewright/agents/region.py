"""The agent's picture of one region: DAGs, pods, nodes and load, kept current event by event."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from edgewright.agents.groups import Replica, minimum_bound
from edgewright.agents.ledger import Ledger, Request
from edgewright.agents.records import DagRecord, Key, Rejected, was_complete
from edgewright.agents.rejections import LIMIT, Rejections, refused
from edgewright.agents.terrain import Grant, Terrain
from edgewright.core.service import CyclicGraphError, topological_order
from edgewright.kube import convert
from edgewright.kube.convert import ConversionError
from edgewright.kube.names import LABEL_DAG, LABEL_MICROSERVICE, SCHEDULER
from edgewright.kube.objects import Manifest, Pod

STALE = 30.0
"""Seconds after which foreign load that nobody confirmed is not trusted."""

_log = logging.getLogger(__name__)


class Region:
    """State and questions; nothing here does I/O, and all times are the caller's monotonic seconds.

    Event methods note what changed in `dirty` (DAGs to look at), `freed` (whether capacity was gained) and
    `rejected`; the caller empties them.
    """

    def __init__(self, key: Key, now: float) -> None:
        self.key = key
        self.terrain = Terrain()
        self.ledger = Ledger()
        self.rejections = Rejections()
        self.dags: dict[Key, DagRecord] = {}
        self.dirty: set[Key] = set()
        self.freed = False
        self.rejected: list[Rejected] = []
        self.closed: frozenset[str] = frozenset()
        """Nodes that are silent or backed off."""
        self.load_heard = now
        self.requested_elsewhere = 0.0
        """Mean share of their CPU that pods request of the other regions' nodes, as last reported."""
        self._observed: dict[str, str] = {}
        self._foreign: dict[str, Mapping[str, Request]] = {}
        self._reserved: dict[str, str] = {}
        self._requests: dict[str, Request] = {}
        self._pods: dict[str, Pod] = {}
        self._ready: set[str] = set()
        self._replicas: dict[str, tuple[Pod, str, bool, Replica | None]] = {}
        """By uid: what `replicas` made of a pod, and from what."""
        self.laid_out: tuple[str, ...] = ()
        self._specs = 0

    def grant_changed(self, manifest: Manifest | None) -> bool:
        """The EdgeController appeared, changed or went; whether anything is granted otherwise now."""
        before, after = self.terrain.grant, Grant.of(manifest) if manifest is not None else Grant()
        if after == before:
            return False
        self.terrain.set_grant(after)
        if after.resource_names != before.resource_names:
            for pod in self._pods.values():
                self._weigh(pod)
        self._everything_changed()
        return True

    def node_changed(self, name: str, node: Any) -> None:
        """A node appeared, changed or went (None)."""
        if self.terrain.set_node(name, node):
            self._everything_changed()

    def topologies_changed(self, topologies: Iterable[Mapping[str, Any]]) -> None:
        """Some EdgeTopology changed; `topologies` are all of them."""
        before, origin = self.terrain.version, self.terrain.origin
        self.terrain.set_topologies(topologies)
        if self.terrain.origin != origin:
            for record in self.dags.values():
                if record.manifest is not None:  # or pods are left of a ServiceDAG that is gone
                    self._convert(record)
        if self.terrain.version != before:
            self._everything_changed()

    def load_changed(self, name: str, manifest: Manifest | None, now: float) -> None:
        """A NodeLoad of this region appeared, changed or went."""
        if manifest is None:
            self._foreign.pop(name, None)
            self._observed.pop(name, None)
        else:
            spec = {"spec": manifest.spec}
            self._foreign[name] = convert.node_load(spec)
            self.requested_elsewhere = float(
                manifest.spec.get("requestedElsewhere", self.requested_elsewhere)
            )
            observed = str(manifest.spec.get("observedAt", ""))
            if self._observed.get(name) != observed:
                self._observed[name] = observed
                self.load_heard = now
        merged: dict[str, Request] = {}
        for chunk in self._foreign.values():
            merged.update(chunk)
        self.freed |= self.ledger.set_foreign(merged)

    def close_nodes(self, closed: frozenset[str], lost: frozenset[str] = frozenset()) -> bool:
        """Keep new replicas off these nodes, and only these; whether anything changed.

        The cells of the `lost` ones serve nobody: their users are with the next living cell.
        """
        changed = closed != self.closed
        if self.closed - closed:
            self.freed = True
        self.closed = closed
        if self.terrain.set_silent(lost):
            self._everything_changed()
            changed = True
        return changed

    def dag_changed(self, key: Key, manifest: Manifest | None) -> bool:
        """A ServiceDAG appeared, changed or went; whether its spec changed."""
        record = self.dags.get(key)
        if manifest is None:
            if record is not None:
                record.manifest, record.dag, record.completed, record.placed = None, None, False, None
                self._specs += 1
                self._prune(record)
            self.dirty.add(key)
            return True
        if record is None:
            record = self.dags[key] = DagRecord(key)
        before = record.manifest
        record.manifest = manifest
        self.dirty.add(key)
        if (
            before is not None
            and before.metadata.uid == manifest.metadata.uid
            and before.metadata.generation == manifest.metadata.generation
        ):
            return False
        if before is None or before.metadata.uid != manifest.metadata.uid:
            record.completed = was_complete(record)
        self.rejections.reset(record.label)
        self._convert(record)
        return True

    def pod_changed(self, old: Pod | None, new: Pod | None, now: float) -> None:
        """A pod appeared, changed or went."""
        if new is None:
            if old is not None:
                self._forget(old)
            return
        uid = new.metadata.uid
        if old is None or old.spec != new.spec or uid not in self._requests:
            self._weigh(new)
        self._pods[uid] = new
        if new.spec.node_name:
            self._reserved.pop(uid, None)
        if new.ready:
            self._ready.add(uid)
        node = new.spec.node_name or self._reserved.get(uid, "")
        if new.terminal or not node:
            self.freed |= self.ledger.release(uid)
        else:
            self.ledger.take(uid, node, self._requests[uid])
        record = self._record_of(new)
        if record is not None:
            self._note(record, old, new, now)

    def _weigh(self, pod: Pod) -> None:
        """Note what a pod requests, by the cluster's names of the resources."""
        uid = pod.metadata.uid
        self._requests[uid] = convert.pod_request(pod, self.terrain.grant.resource_names)
        self._replicas.pop(uid, None)
        node = self.ledger.where(uid)
        if node:
            self.ledger.take(uid, node, self._requests[uid])

    def reserve(self, uid: str, node: str) -> None:
        """Count a pod as placed before the watch shows it."""
        self._reserved[uid] = node
        self.ledger.take(uid, node, self._requests[uid])
        self._touch(uid)

    def unreserve(self, uid: str) -> None:
        """Take a reservation back; a binding that the watch has shown stays."""
        if self._reserved.pop(uid, None) is not None:
            self.ledger.release(uid)
            self._touch(uid)

    def close_for(self, uid: str, node: str, now: float) -> None:
        """Keep pods of this shape off `node` for a while: the API server refused the binding."""
        pod = self._pods.get(uid)
        record = self._record_of(pod) if pod is not None else None
        if pod is not None and record is not None:
            owner = (record.label, pod.metadata.labels.get(LABEL_MICROSERVICE, ""))
            self.rejections.close(owner, self._requests[uid], node, now)

    def revision(self, now: float) -> tuple[object, ...]:
        """Equal as long as nothing that a prediction depends on has changed."""
        return self.ledger.version, self.terrain.version, self.closed, self._specs, self.stale(now)

    def awaits_watch(self, record: DagRecord) -> bool:
        """Whether some of the DAG's pods are placed, but the watch has not shown their bindings."""
        return not self._reserved.keys().isdisjoint(record.pods)

    def was_ready(self, uid: str) -> bool:
        """Whether the pod has been Ready since this agent watches."""
        return uid in self._ready

    def known(self, uid: str) -> Pod | None:
        """The pod as last seen."""
        return self._pods.get(uid)

    def pods_on(self, node: str) -> list[Pod]:
        """Pods of the governed namespaces that the watch shows on a node."""
        return [pod for uid in self.ledger.on(node) if (pod := self._pods.get(uid)) and pod.spec.node_name]

    def nodes_in_use(self) -> set[str]:
        """Names of all nodes with pods of the governed namespaces."""
        return {pod.spec.node_name for pod in self._pods.values() if pod.spec.node_name and not pod.terminal}

    def stale(self, now: float) -> bool:
        """Whether foreign load has not been confirmed for STALE seconds."""
        return now - self.load_heard > STALE

    def replicas(self, record: DagRecord, now: float) -> list[Replica]:
        """The live pods of a DAG: neither ended nor being deleted."""
        found: list[Replica] = []
        for uid, pod in record.pods.items():
            node, stopped = self.ledger.where(uid), self.rejections.stopped(uid, now)
            known = self._replicas.get(uid)
            if known is None or known[0] is not pod or known[1:3] != (node, stopped):
                known = self._replicas[uid] = (pod, node, stopped, self._replica(pod, node, stopped=stopped))
            if known[3] is not None:
                found.append(known[3])
        if record.dag is not None and not record.completed:
            record.completed = bool(found) and minimum_bound(record.dag, found)
        return found

    def _replica(self, pod: Pod, node: str, *, stopped: bool) -> Replica | None:
        if pod.terminal or pod.metadata.deletion_timestamp is not None:
            return None
        return Replica(
            uid=pod.metadata.uid,
            name=pod.metadata.name,
            microservice=pod.metadata.labels.get(LABEL_MICROSERVICE, ""),
            created=pod.metadata.creation_timestamp or "",
            request=self._requests[pod.metadata.uid],
            node=node,
            ready=pod.ready,
            held=stopped or pod.spec.scheduler_name != SCHEDULER or bool(pod.spec.scheduling_gates),
        )

    def _convert(self, record: DagRecord) -> None:
        assert record.manifest is not None
        self._specs += 1
        record.placed, record.dag, record.error = None, None, ""
        obj = {
            "metadata": {
                "namespace": record.manifest.metadata.namespace,
                "name": record.manifest.metadata.name,
                "uid": record.manifest.metadata.uid,
                "labels": record.manifest.metadata.labels,
                "creationTimestamp": record.manifest.metadata.creation_timestamp,
            },
            "spec": record.manifest.spec,
        }
        try:
            dag = convert.service_dag(obj, origin=self.terrain.origin)
            topological_order(dag)
        except (ConversionError, CyclicGraphError) as error:
            record.error = str(error)
        else:
            record.dag = dag

    def _note(self, record: DagRecord, old: Pod | None, new: Pod, now: float) -> None:
        uid, owner = new.metadata.uid, (record.label, new.metadata.labels.get(LABEL_MICROSERVICE, ""))
        if refused(new.status.phase, new.status.reason) and not (
            old is not None and refused(old.status.phase, old.status.reason)
        ):
            count = self.rejections.note(uid, owner, self._requests[uid], new.spec.node_name, now)
            _log.warning(
                "pod %s/%s: the kubelet of %s refused it (%s), time %d of %d",
                *new.metadata.key,
                new.spec.node_name,
                new.status.reason,
                count,
                LIMIT,
            )
            self.rejected.append(Rejected(new, count))
        elif new.ready and not (old is not None and old.ready):
            self.rejections.ready(uid, now)
        if uid not in record.pods or old is None or _matters(old, new):
            record.placed = None
            self.dirty.add(record.key)
        record.pods[uid] = new

    def _record_of(self, pod: Pod) -> DagRecord | None:
        name = pod.metadata.labels.get(LABEL_DAG)
        if name is None:
            return None
        key = (pod.metadata.namespace, name)
        record = self.dags.get(key)
        if record is None:
            record = self.dags[key] = DagRecord(key)
        return record

    def _touch(self, uid: str) -> None:
        pod = self._pods.get(uid)
        record = self._record_of(pod) if pod is not None else None
        if record is not None:
            record.placed = None
            self.dirty.add(record.key)

    def _forget(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self.freed |= self.ledger.release(uid)
        self._reserved.pop(uid, None)
        self._requests.pop(uid, None)
        self._pods.pop(uid, None)
        self._ready.discard(uid)
        self._replicas.pop(uid, None)
        self.rejections.gone(uid)
        record = self._record_of(pod)
        if record is not None:
            record.pods.pop(uid, None)
            record.placed = None
            self.dirty.add(record.key)
            self._prune(record)

    def _prune(self, record: DagRecord) -> None:
        if record.manifest is None and not record.pods:
            self.dags.pop(record.key, None)

    def _everything_changed(self) -> None:
        self.freed = True
        self.dirty.update(self.dags)


def _matters(old: Pod, new: Pod) -> bool:
    """Whether a change of a pod can change a decision or what is reported."""
    return (
        old.spec != new.spec
        or old.terminal != new.terminal
        or old.ready != new.ready
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
    )
