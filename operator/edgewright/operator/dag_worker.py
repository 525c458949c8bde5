"""Reconciles one ServiceDAG: reads the picture, asks the pure part, writes, remembers what was refused."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from edgewright.core.replicas import replica_counts
from edgewright.core.service import ServiceDag
from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import Reason, now
from edgewright.kube.convert import Origin
from edgewright.kube.events import EventRecorder
from edgewright.operator import check
from edgewright.operator.actions import (
    Action,
    Announce,
    Apply,
    Create,
    Delete,
    Hold,
    Requeue,
    SetDeletionCost,
    WriteStatus,
)
from edgewright.operator.claims import Key
from edgewright.operator.dag import Dag
from edgewright.operator.foreign_load import DEFAULT_NAMES
from edgewright.operator.log import log
from edgewright.operator.metrics import VIOLATIONS
from edgewright.operator.observed import Desired, Now, Observed, Rejection
from edgewright.operator.perform import Memory, Outcome, Performer
from edgewright.operator.reconcile import reconcile
from edgewright.operator.world import World


@dataclass(frozen=True)
class _Reading:
    """A spec and what follows from it alone, kept until the generation changes."""

    uid: str
    generation: int
    origin: Origin | None
    dag: Dag
    verdict: ServiceDag | Rejection
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """When to look at the ServiceDAG again."""

    failed: bool = False
    after: float | None = None
    retry_after: float = 0.0


class DagWorker:
    """Work on ServiceDAG keys; different keys may be worked on at once, one key by one caller only."""

    def __init__(self, api: Api, world: World, performer: Performer, events: EventRecorder) -> None:
        self._api, self._world, self._performer, self._events = api, world, performer, events
        self._memory: dict[Key, Memory] = {}
        self._readings: dict[Key, _Reading] = {}

    async def work(self, key: Key) -> Result:
        """Bring one ServiceDAG a step closer; raises ApiError if its status cannot be written."""
        if key in self._world.suspects:
            await self._look(key)
        body = self._world.dags.get(key)
        if body is None:
            self._memory.pop(key, None)
            self._readings.pop(key, None)
            return Result()
        uid = body["metadata"]["uid"]
        memory = self._memory.get(key)
        if memory is None or memory.uid != uid:
            memory = self._memory[key] = Memory(uid)
        try:
            desired = self._desired(body)
        except ValidationError as error:  # the schema let through what this version cannot read
            log.error("ServiceDAG %s/%s is left alone: %s", *key, error)
            return Result(failed=True)
        moment = Now(time.monotonic(), now())
        actions = reconcile(self._observed(desired.dag, memory), desired, moment)
        if not any(isinstance(action, Hold) for action in actions):
            memory.status_held = None
        elif memory.status_held is None:
            memory.status_held = moment.monotonic
        writes = [a for a in actions if isinstance(a, Create | Apply | Delete | SetDeletionCost)]
        if writes:
            log.info("%s/%s: %s", *key, _described(writes))
        outcome, _ = await asyncio.gather(
            self._performer.perform(desired.dag, writes, memory, moment.monotonic),
            self._report(desired.dag, actions, memory),
        )
        waits = [a.seconds for a in actions if isinstance(a, Requeue | Hold)]
        return self._result(key, outcome, waits)

    def _result(self, key: Key, outcome: Outcome, waits: list[float]) -> Result:
        if outcome.gone:
            self._world.suspects.add(key)
        if outcome.failed:
            return Result(failed=True, retry_after=outcome.retry_after)
        if outcome.again:
            return Result(after=0.0)
        if outcome.gone:
            waits = [*waits, 1.0]
        return Result(after=min(waits, default=None))

    async def _look(self, key: Key) -> None:
        """Ask the API server whether the ServiceDAG still exists before anything is created for it again."""
        try:
            self._world.see_dag("MODIFIED", await self._api.get(paths.service_dags(*key)))
        except ApiError as error:
            if error.status != 404:
                raise
            self._world.drop_dag(key)
        self._world.suspects.discard(key)

    def _desired(self, body: Mapping[str, Any]) -> Desired:
        reading = self._read(body)
        dag = reading.dag
        controller = self._world.region_of(dag.namespace)
        region = None if controller is None else controller.key
        tiers = set() if region is None else self._world.tiers(region)
        refused = reading.verdict if isinstance(reading.verdict, Rejection) else None
        refused = refused or check.rejection(dag, region, tiers)
        return Desired(
            dag=dag,
            counts={} if refused is not None else reading.counts,
            rejection=refused,
            resource_names=DEFAULT_NAMES if controller is None else controller.resource_names,
            region=region,
            agent=controller is not None and self._world.agent_alive(controller),
        )

    def _read(self, body: Mapping[str, Any]) -> _Reading:
        metadata = body["metadata"]
        key, origin = (metadata["namespace"], metadata["name"]), self._world.origin
        generation = int(metadata.get("generation") or 1)
        known = self._readings.get(key)
        if known is not None and (known.uid, known.generation, known.origin) == (
            metadata["uid"],
            generation,
            origin,
        ):
            dag = known.dag.refreshed(body)
            return _Reading(known.uid, generation, origin, dag, known.verdict, known.counts)
        dag = Dag.read(body)
        verdict = check.converted(body, origin)
        counts = {} if isinstance(verdict, Rejection) else _counts(verdict)
        reading = _Reading(metadata["uid"], generation, origin, dag, verdict, counts)
        self._readings[key] = reading
        return reading

    def _observed(self, dag: Dag, memory: Memory) -> Observed:
        return Observed(
            objects=self._world.objects.of(dag.key),
            strangers=memory.strangers,
            failures=memory.failures,
            settled=memory.settled,
            scaled=self._world.scaled(dag.namespace),
            replicas=self._world.replicas(dag.key),
            status_written=memory.status_written,
            status_held=memory.status_held,
            asked=self._world.measured is not None,
            measured=(self._world.measured or {}).get(dag.key),
        )

    async def _report(self, dag: Dag, actions: Sequence[Action], memory: Memory) -> None:
        status = next((action for action in actions if isinstance(action, WriteStatus)), None)
        if status is None:
            return
        memory.status_written = time.monotonic()
        try:
            answer = await self._performer.write_status(dag, status.status)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            self._world.suspects.add(dag.key)  # it is gone, or a new one has its name
            return
        self._world.see_dag("ANSWERED", answer)
        for said in (action for action in actions if isinstance(action, Announce)):
            self._events.record(_reference(dag), said.reason, said.message, warning=said.warning)
            if said.reason == Reason.LIMIT_EXCEEDED:
                VIOLATIONS.of("observed" if dag.key in (self._world.measured or {}) else "predicted").inc()


def _counts(dag: ServiceDag) -> dict[str, int]:
    """Replicas of each microservice at declared demand."""
    return {m.name: count for m, count in zip(dag.microservices, replica_counts(dag), strict=True)}


def _described(writes: list[Any]) -> str:
    """Number of writes by kind, for the log."""
    counts: dict[str, int] = {}
    for write in writes:
        counts[type(write).__name__] = counts.get(type(write).__name__, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _reference(dag: Dag) -> dict[str, Any]:
    return {
        "apiVersion": "edgewright.dev/v1alpha1",
        "kind": "ServiceDAG",
        "metadata": {"namespace": dag.namespace, "name": dag.name, "uid": dag.uid},
    }
