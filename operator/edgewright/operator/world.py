"""The operator's picture of the cluster, fed by watches; every change marks what depends on it dirty."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.conditions import ConditionType, find
from edgewright.kube.convert import Origin
from edgewright.kube.names import APP_AGENT, LABEL_APP, LABEL_DAG, LABEL_TIER, LEASE_AGENT
from edgewright.kube.objects import Fields, Lease, Manifest, Node, Pod, Resource, StartingPod
from edgewright.kube.reflector import Key as ObjectName
from edgewright.kube.reflector import Kind, Reflector
from edgewright.operator import work
from edgewright.operator.agents_alive import AgentsAlive
from edgewright.operator.claims import Claim, Key, claim, governor
from edgewright.operator.foreign_load import Ledger
from edgewright.operator.log import log
from edgewright.operator.measurement import Measurement
from edgewright.operator.observed import Replica
from edgewright.operator.owned_objects import Change, OwnedObjects
from edgewright.operator.queue import KeyedQueue
from edgewright.operator.regions import Controller, version_of

COMPLETE_DELAY, PROGRESS_DELAY = 0.2, 1.0
"""Seconds by which changes of Deployments' statuses are gathered."""
CLAIMS_DELAY = 0.2
"""Seconds by which changes of nodes are gathered."""
HANDOVER_DELAY = 1.0
"""Seconds for which a standby may take a released Lease before its region counts as without an agent."""
AGENTS_DELAY = 0.5
"""Seconds by which changes of agents' Deployments and pods are gathered."""
COST = "controller.kubernetes.io/pod-deletion-cost"
OUR_KINDS = {"servicedags": paths.service_dags(), "edgecontrollers": paths.edge_controllers()}
"""By plural, what comes through `see_*`, with its collection."""


class _OriginSpec(Fields, frozen=True):
    origin: dict[str, float] | None = None


class _Topology(Resource, frozen=True):
    """An EdgeTopology without its links."""

    spec: _OriginSpec = _OriginSpec()


class _Listed(Fields, frozen=True):
    """Objects of which only the metadata was asked for."""

    items: tuple[Resource, ...] | None = None


_ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_listed = msgspec.json.Decoder(_Listed)


class World:
    """Copies of everything that reconciling reads; written by watches, and by our own writes' answers."""

    def __init__(
        self, api: Api, queue: KeyedQueue[work.Work], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dags: dict[Key, Mapping[str, Any]] = {}
        """ServiceDAG bodies as last seen."""
        self.controllers: dict[Key, Controller] = {}
        self.objects = OwnedObjects(self._on_owned)
        self.agents = AgentsAlive()
        self.ledger = Ledger()
        self.measured: Mapping[Key, Measurement] | None = None
        """What Prometheus said of users' requests lately; None if it is not asked."""
        self.suspects: set[Key] = set()
        """ServiceDAGs whose objects vanished: perhaps they are gone and the watch has not said so."""
        self._api, self._queue, self._clock = api, queue, clock
        self._claims: dict[Key, Claim] | None = None
        self._pods: dict[Key, dict[str, Pod]] = {}
        kinds = {
            "Deployment": paths.deployments(),
            "Service": paths.services(),
            "PodDisruptionBudget": paths.pdbs(),
        }
        self.owned_reflectors = [
            Reflector(api, path, Manifest, self.objects.listener(kind), label_selector=LABEL_DAG)
            for kind, path in kinds.items()
        ]
        of_agents = f"{LABEL_APP}={APP_AGENT}"
        self.agents_deployed = {
            kind: Reflector(api, kinds[kind], Manifest, self._on_agent, label_selector=of_agents)
            for kind in ("Deployment", "PodDisruptionBudget")
        }
        """By kind, what carries the agents' label; a few objects for each region."""
        self.agent_pods = Reflector(api, paths.pods(), StartingPod, self._on_agent, label_selector=of_agents)
        self.pods = Reflector(api, paths.pods(), Pod, self._on_pod)
        self.nodes = Reflector(api, paths.nodes(), Node, self._on_node)
        self.leases = Reflector(
            api, paths.leases(), Lease, self._on_lease, field_selector=f"metadata.name={LEASE_AGENT}"
        )
        self.scalers = Reflector(api, paths.hpas(), Manifest, self._on_scaler)
        self.topologies = Reflector(api, paths.edge_topologies(), _Topology, self._on_topology)

    @property
    def reflectors(self) -> list[Reflector[Any]]:
        """Every watch of this picture; ServiceDAGs and EdgeControllers come through `see_*`."""
        return [
            *self.owned_reflectors,
            *self.agents_deployed.values(),
            self.agent_pods,
            self.pods,
            self.nodes,
            self.leases,
            self.scalers,
            self.topologies,
        ]

    @property
    def claims(self) -> dict[Key, Claim]:
        """Who governs what, recomputed when EdgeControllers or node labels changed."""
        if self._claims is None:
            labels = {node.metadata.name: node.metadata.labels for node in self.nodes.store.values()}
            alive = [controller.region for controller in self.controllers.values() if not controller.deleted]
            self._claims = claim(alive, labels)
        return self._claims

    def newest(self, plural: str) -> int:
        """The newest resource version of our kind that is known, from wherever; 0 if there is none."""
        if plural == "servicedags":
            return max(map(version_of, self.dags.values()), default=0)
        return max((controller.version for controller in self.controllers.values()), default=0)

    async def newest_on_server(self, plural: str) -> int:
        """The same as the API server's cache has it, from the objects' metadata alone. Raises ApiError."""
        listed = await self._api.raw(
            "GET", OUR_KINDS[plural], params={"resourceVersion": "0"}, accept=_ONLY_METADATA
        )
        found = _listed.decode(listed).items or ()
        return max((item.metadata.version for item in found), default=0)

    @property
    def origin(self) -> Origin | None:
        """The geographic origin of the first EdgeTopology, by name, that has one."""
        found = sorted(
            (t.metadata.name, t.spec.origin)
            for t in self.topologies.store.values()
            if t.spec.origin is not None
        )
        return Origin(found[0][1]["latitude"], found[0][1]["longitude"]) if found else None

    def region_of(self, namespace: str) -> Controller | None:
        """The EdgeController that governs a namespace."""
        key = governor(self.claims, namespace)
        return None if key is None else self.controllers.get(key)

    def agent_alive(self, controller: Controller) -> bool:
        """Whether the region's agent holds its Lease."""
        return self.agents.alive(controller.key[0], self._clock())

    def tiers(self, region: Key) -> set[str]:
        """Tiers of the region's nodes."""
        names = self.claims[region].nodes
        found = (self.nodes.store.get(("", name)) for name in names)
        return {node.metadata.labels.get(LABEL_TIER, "edge") for node in found if node is not None}

    def scaled(self, namespace: str) -> frozenset[str]:
        """Names of the Deployments of a namespace that an autoscaler targets."""
        targets = (
            item.spec.get("scaleTargetRef") or {}
            for (home, _), item in self.scalers.store.items()
            if home == namespace
        )
        return frozenset(str(target.get("name")) for target in targets if target.get("kind") == "Deployment")

    def replicas(self, dag: Key) -> tuple[Replica, ...]:
        """The bound pods of a ServiceDAG, with the soundness of their nodes."""
        return tuple(
            Replica(
                name=pod.metadata.name,
                uid=pod.metadata.uid,
                microservice=pod.metadata.labels.get("edgewright.dev/microservice", ""),
                sound=self._sound(pod.spec.node_name),
                cost=int(pod.metadata.annotations.get(COST, "0") or 0),
            )
            for pod in self._pods.get(dag, {}).values()
            if pod.spec.node_name and pod.metadata.deletion_timestamp is None
        )

    async def synchronise(self) -> None:
        """Wait until every reflector has its first list, then read our kinds."""
        await asyncio.gather(*(reflector.synced.wait() for reflector in self.reflectors))
        await self.resync()

    async def resync(self) -> None:
        """Read all ServiceDAGs and EdgeControllers, forget those that are gone, mark everything dirty."""
        known = {controller.uid: controller.version for controller in self.controllers.values()}
        known |= {body["metadata"]["uid"]: version_of(body) for body in self.dags.values()}
        controllers, dags = await asyncio.gather(
            self._api.items(paths.edge_controllers()), self._api.items(paths.service_dags())
        )
        listed = {body["metadata"]["uid"]: version_of(body) for body in (*controllers, *dags)}
        # A list shows what was known before it, or something newer, unless it is gone or etcd was restored.
        gone = {uid for uid, version in known.items() if listed.get(uid, -1) < version}
        for key in [key for key, controller in self.controllers.items() if controller.uid in gone]:
            self._drop_controller(key)
        for key in [key for key, body in self.dags.items() if body["metadata"]["uid"] in gone]:
            self.drop_dag(key)
        for body in controllers:
            self.see_controller("MODIFIED", body)
        for body in dags:
            self.see_dag("MODIFIED", body)
        self.mark_all()

    def mark_all(self) -> None:
        """Everything is dirty."""
        self._queue.add(work.REGIONS)
        self._queue.add(work.LOADS)
        self._queue.add(work.AGENTS)
        self.mark_dags(None)

    def mark_dags(self, namespaces: set[str] | None) -> None:
        """The ServiceDAGs of some namespaces (all: None) are dirty."""
        for key in self.dags:
            if namespaces is None or key[0] in namespaces:
                self._queue.add(work.service_dag(*key))

    def see_measurements(self, measured: Mapping[Key, Measurement], moved: Iterable[Key]) -> None:
        """Take over what Prometheus said; the ServiceDAGs whose values `moved` are dirty."""
        self.measured = measured
        for key in moved:
            self._queue.add(work.service_dag(*key))

    def see_dag(self, event: str | None, body: Mapping[str, Any]) -> None:
        """Take over a ServiceDAG from a watch, a list, or the answer to a status write (ANSWERED)."""
        key = _key(body)
        before = self.dags.get(key)
        present = before is not None and before["metadata"]["uid"] == body["metadata"]["uid"]
        if event == "DELETED" and present:
            self.drop_dag(key)
        if event == "DELETED" or (event == "ANSWERED" and not present):
            return
        if before is not None and version_of(before) >= version_of(body):
            return
        self.dags[key] = body
        if before is None or _relevant(before) != _relevant(body):
            self._queue.add(work.service_dag(*key))

    def drop_dag(self, key: Key) -> None:
        """Forget a ServiceDAG that is gone."""
        self.suspects.discard(key)
        if self.dags.pop(key, None) is not None:
            self._queue.add(work.service_dag(*key))

    def see_controller(self, event: str | None, body: Mapping[str, Any]) -> None:
        """Take over an EdgeController from a watch, a list, or the answer to a status write (ANSWERED)."""
        key = _key(body)
        old = self.controllers.get(key)
        present = old is not None and old.uid == body["metadata"]["uid"]
        if event == "DELETED" and present:
            self._drop_controller(key)
        if event == "DELETED" or (event == "ANSWERED" and not present):
            return
        if old is not None and old.version >= version_of(body):
            return
        try:
            new = Controller.read(body)
        except ValidationError as error:
            log.error("EdgeController %s/%s is left out: %s", *key, error)
            self._drop_controller(key)
            return
        self.controllers[key] = new
        if old is None or (old.uid, old.generation, old.deleted) != (new.uid, new.generation, new.deleted):
            self._claims_changed()

    def _drop_controller(self, key: Key) -> None:
        if self.controllers.pop(key, None) is not None:
            self._claims_changed()

    def _claims_changed(self) -> None:
        self._claims = None
        self._queue.add_after(work.REGIONS, CLAIMS_DELAY)
        self._queue.add_after(work.LOADS, CLAIMS_DELAY)

    def _on_owned(self, dag: Key, change: Change) -> None:
        key = work.service_dag(*dag)
        if change is Change.DELETED:
            self.suspects.add(dag)
        if change in {Change.DELETED, Change.MOVED}:
            self._queue.add(key)
        else:
            self._queue.add_after(key, COMPLETE_DELAY if change is Change.COMPLETE else PROGRESS_DELAY)

    def _on_pod(self, _: Kind, key: ObjectName, old: Pod | None, new: Pod | None) -> None:
        self.ledger.move(old, new)
        if self.ledger.changed:
            self._queue.add_after(work.LOADS, 1.0)
        pod = new if new is not None else old
        dag = pod.metadata.labels.get(LABEL_DAG) if pod is not None else None
        if dag is None:
            return
        of_dag = self._pods.setdefault((key[0], dag), {})
        if new is not None:
            of_dag[key[1]] = new
            return
        of_dag.pop(key[1], None)
        if not of_dag:
            del self._pods[key[0], dag]

    def _on_node(self, _: Kind, __: ObjectName, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or old.metadata.labels != new.metadata.labels:
            self._claims_changed()

    def _on_lease(self, _: Kind, __: ObjectName, old: Lease | None, new: Lease | None) -> None:
        self.agents.see(old, new, self._clock())
        if old is None or new is None or old.spec.holder_identity != new.spec.holder_identity:
            released = new is not None and not new.spec.holder_identity
            self._queue.add_after(work.AGENTS, HANDOVER_DELAY if released else 0.0)

    def _on_agent(self, _: Kind, __: ObjectName, ___: Resource | None, ____: Resource | None) -> None:
        self._queue.add_after(work.REGIONS, AGENTS_DELAY)

    def _on_scaler(self, _: Kind, key: ObjectName, __: Manifest | None, ___: Manifest | None) -> None:
        self.mark_dags({key[0]})

    def _on_topology(self, _: Kind, __: ObjectName, ___: _Topology | None, ____: _Topology | None) -> None:
        self.mark_dags(None)

    def _sound(self, node: str) -> bool:
        found = self.nodes.store.get(("", node))
        return found is not None and found.ready and not found.spec.unschedulable


def _key(body: Mapping[str, Any]) -> Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _relevant(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a ServiceDAG the operator acts on; our own status and the list of placements are not."""
    metadata, status = body["metadata"], body.get("status") or {}
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        find(status.get("conditions") or [], ConditionType.PLACED),
        status.get("predicted"),
    )
