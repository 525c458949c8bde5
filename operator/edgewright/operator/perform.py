"""Performs reconcile's actions against the API server and sorts its refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import Reason
from edgewright.kube.names import API_VERSION, MANAGER_OPERATOR
from edgewright.kube.objects import Manifest
from edgewright.operator.actions import Apply, Create, Delete, SetDeletionCost, Write
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.field_ownership import owned_by_apply, owns
from edgewright.operator.gate import Gate
from edgewright.operator.log import log
from edgewright.operator.observed import Failure, ObjectKey, Stranger, owned
from edgewright.operator.reconcile import differs
from edgewright.operator.world import COST, World

_PRIORITY = {"Deployment": 0, "Service": 1, "PodDisruptionBudget": 2}
SERVICES = 4
"""Services created at once: the API server gives out addresses one by one, and competing requests repeat."""
HANDOVER = "edgewright-operator-handover"
"""Field manager that keeps `spec.replicas` until an autoscaler first writes it."""


class NotLeadingError(RuntimeError):
    """A write was stopped because this process may no longer lead."""


@dataclass
class Memory:
    """What the last attempts for one incarnation of a ServiceDAG taught."""

    uid: str
    strangers: dict[ObjectKey, Stranger] = field(default_factory=dict)
    failures: dict[ObjectKey, Failure] = field(default_factory=dict)
    settled: dict[ObjectKey, tuple[str, int]] = field(default_factory=dict)
    status_written: float = float("-inf")
    status_held: float | None = None


@dataclass
class Outcome:
    """How a round of actions ended."""

    failed: bool = False
    """Try again after a backoff."""
    again: bool = False
    """Something was learnt that changes the next actions: look at once."""
    gone: bool = False
    """The ServiceDAG seems not to exist any more."""
    retry_after: float = 0.0


class Performer:
    """Writes for all ServiceDAGs, through one gate: Deployments before Services before budgets."""

    def __init__(self, api: Api, world: World, *, slots: int, leading: Callable[[], bool]) -> None:
        self._api, self._world = api, world
        self._gate = Gate(slots)
        self._services = Gate(min(SERVICES, slots))
        self._decoder = msgspec.json.Decoder(Manifest)
        self._leading = leading

    async def perform(self, dag: Dag, writes: Sequence[Write], memory: Memory, now: float) -> Outcome:
        """Carry out the writes: deletion costs first, then creates and applies at once, deletions last."""
        outcome = Outcome()
        stages: tuple[list[Write], ...] = ([], [], [])
        for write in writes:
            stages[0 if isinstance(write, SetDeletionCost) else 2 if isinstance(write, Delete) else 1].append(
                write
            )
        for stage in stages:
            await asyncio.gather(*(self._one(dag, write, memory, outcome, now) for write in stage))
            if outcome.failed:
                break
        return outcome

    @contextlib.asynccontextmanager
    async def _slot(self, kind: str) -> AsyncIterator[None]:
        """A slot for creating an object of this kind."""
        async with contextlib.AsyncExitStack() as stack:
            if kind == "Service":
                await stack.enter_async_context(self._services.slot(0))
            await stack.enter_async_context(self._gate.slot(_PRIORITY[kind]))
            yield

    def check_leading(self) -> None:
        """Raise NotLeadingError unless this process leads."""
        if not self._leading():
            raise NotLeadingError

    async def write_status(self, dag: Dag, status: Mapping[str, Any]) -> dict[str, Any]:
        """Apply the operator's part of the status and return the ServiceDAG; a newer incarnation is a 409."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "ServiceDAG",
            "metadata": {"name": dag.name, "namespace": dag.namespace, "uid": dag.uid},
            "status": status,
        }
        async with self._gate.slot(0):
            self.check_leading()
            path = paths.service_dags(dag.namespace, dag.name, "status")
            return await self._api.apply(path, body, manager=MANAGER_OPERATOR)

    async def _one(self, dag: Dag, write: Write, memory: Memory, outcome: Outcome, now: float) -> None:
        try:
            match write:
                case Create(item):
                    await self._create(dag, item, memory, outcome, now)
                case Apply(item, uid, scaled):
                    await self._apply(dag, item, uid, memory, outcome, scaled=scaled)
                case Delete(kind, name, uid):
                    await self._delete(dag, kind, name, uid)
                case SetDeletionCost(pod, uid, cost):
                    await self._set_cost(dag, pod, uid, cost)
        except ApiError as error:
            self._sort(dag, write, error, memory, outcome)

    async def _create(self, dag: Dag, item: Compiled, memory: Memory, outcome: Outcome, now: float) -> None:
        collection = paths.of_object(item.kind, dag.namespace, None)
        try:
            async with self._slot(item.kind):
                self.check_leading()
                answer = await self._api.raw(
                    "POST",
                    collection,
                    params={"fieldManager": MANAGER_OPERATOR},
                    body=msgspec.json.encode(item.body),
                )
        except ApiError as error:
            if not (error.status == 409 and error.reason == "AlreadyExists"):
                raise
            await self._meet(dag, item, memory, outcome, now)
            return
        memory.strangers.pop(item.key, None)
        memory.failures.pop(item.key, None)
        self._world.objects.note(item.kind, self._decoder.decode(answer))

    async def _meet(self, dag: Dag, item: Compiled, memory: Memory, outcome: Outcome, now: float) -> None:
        """Find out whose the object is that has the name."""
        outcome.again = True
        path = paths.of_object(item.kind, dag.namespace, item.name)
        try:
            found = self._decoder.decode(await self._api.raw("GET", path))
        except ApiError as error:
            if error.status == 404:
                return
            raise
        if owned(found, dag):
            memory.strangers.pop(item.key, None)
            self._world.objects.note(item.kind, found)
            return
        before = memory.strangers.get(item.key)
        stranger = memory.strangers[item.key] = _stranger(dag, found, now)
        outcome.again = before is None or (before.rank, before.owner) != (stranger.rank, stranger.owner)
        log.info("%s/%s: %s %s belongs to %s", *dag.key, item.kind, item.name, stranger.owner)

    async def _apply(
        self, dag: Dag, item: Compiled, uid: str, memory: Memory, outcome: Outcome, *, scaled: bool
    ) -> None:
        path = paths.of_object(item.kind, dag.namespace, item.name)
        async with self._gate.slot(_PRIORITY[item.kind]):
            self.check_leading()
            live = await self._api.get(path)
            metadata = live["metadata"]
            if metadata["uid"] != uid or not _controlled(metadata, dag):
                outcome.again = True
                self._world.objects.forget_note(dag.key, item.key)
                return
            entries = metadata.get("managedFields") or []
            handed = owned_by_apply(entries, MANAGER_OPERATOR)
            if handed is not None:
                change = [
                    {"op": "replace", "path": "/metadata/managedFields", "value": handed},
                    {
                        "op": "replace",
                        "path": "/metadata/resourceVersion",
                        "value": metadata["resourceVersion"],
                    },
                ]
                await self._api.patch(path, change, kind="json")
            spec = item.body["spec"]
            if scaled:
                if owns(entries, MANAGER_OPERATOR, "spec", "replicas"):
                    await self._hand_over_replicas(path, item, uid, live["spec"].get("replicas", 1))
                spec = {name: value for name, value in spec.items() if name != "replicas"}
            body = {**item.body, "metadata": {**item.body["metadata"], "uid": uid}, "spec": spec}
            answer = await self._api.raw(
                "PATCH",
                path,
                params={"fieldManager": MANAGER_OPERATOR, "force": "true"},
                body=msgspec.json.encode(body),
                content_type="application/apply-patch+yaml",
                idempotent=True,
            )
        result = self._decoder.decode(answer)
        memory.failures.pop(item.key, None)
        memory.settled.pop(item.key, None)
        self._world.objects.note(item.kind, result)
        if differs(item, result, {}, scaled=scaled):
            log.warning(
                "%s/%s: something changes %s %s back; it is left so until it changes again",
                *dag.key,
                item.kind,
                item.name,
            )
            memory.settled[item.key] = (uid, result.metadata.generation)

    async def _hand_over_replicas(self, path: str, item: Compiled, uid: str, replicas: int) -> None:
        """Let another manager own `spec.replicas` before ours drops it, or it would fall back to 1."""
        body = {
            "apiVersion": item.body["apiVersion"],
            "kind": item.kind,
            "metadata": {"name": item.name, "uid": uid},
            "spec": {"replicas": replicas},
        }
        await self._api.apply(path, body, manager=HANDOVER)

    async def _delete(self, dag: Dag, kind: str, name: str, uid: str) -> None:
        path = paths.of_object(kind, dag.namespace, name)
        async with self._gate.slot(_PRIORITY[kind]):
            self.check_leading()
            await self._api.delete(path, uid=uid, propagation="Background", missing_ok=True)
        log.info("%s/%s: deleted %s %s", *dag.key, kind, name)

    async def _set_cost(self, dag: Dag, pod: str, uid: str, cost: int) -> None:
        body = {"metadata": {"uid": uid, "annotations": {COST: str(cost)}}}
        async with self._gate.slot(0):
            self.check_leading()
            try:
                await self._api.patch(paths.pods(dag.namespace, pod), body)
            except ApiError as error:
                if error.status not in {404, 409}:  # the pod is gone, or a new one has its name
                    raise

    def _sort(self, dag: Dag, write: Write, error: ApiError, memory: Memory, outcome: Outcome) -> None:
        """Decide what a refusal means: wait, look again, or tell the user."""
        outcome.retry_after = max(outcome.retry_after, error.retry_after or 0.0)
        if _terminating(error) or (error.status == 404 and isinstance(write, Create)):
            outcome.gone = True
            return
        outcome.failed = True
        if isinstance(write, Create | Apply) and error.status in {400, 403, 422}:
            failure = Failure(refusal_reason(error), error.message)
            if memory.failures.get(write.object.key) != failure:
                log.warning(
                    "%s/%s: %s %s refused: %s", *dag.key, write.object.kind, write.object.name, error.message
                )
            memory.failures[write.object.key] = failure
        elif error.status == 409 or (error.status == 404 and not isinstance(write, Create)):
            if isinstance(write, Apply):
                self._world.objects.forget_note(dag.key, write.object.key)
        else:
            log.warning("%s/%s: %s: %s", *dag.key, type(write).__name__, error)


def refusal_reason(error: ApiError) -> Reason:
    """The condition reason for a refused object."""
    if error.status == 403 and "quota" in error.message:
        return Reason.QUOTA_EXCEEDED
    return Reason.OBJECT_REFUSED


def _terminating(error: ApiError) -> bool:
    causes = (error.details or {}).get("causes") or []
    return error.status == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _controlled(metadata: dict[str, Any], dag: Dag) -> bool:
    owners = metadata.get("ownerReferences") or []
    return any(owner.get("controller") and owner.get("uid") == dag.uid for owner in owners)


def _stranger(dag: Dag, found: Manifest, now: float) -> Stranger:
    controller = found.metadata.controller
    if controller is None:
        return Stranger("someone else", "other", now)
    name = f"{controller.kind} {controller.name}"
    if controller.kind != "ServiceDAG":
        return Stranger(name, "other", now)
    return Stranger(name, "ancestor" if controller.name == dag.name else "dag", now)
