"""Writes what the agent decided: DAG status at most once a second, pod conditions, events."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.agents.choice import Choice, imagined
from edgewright.agents.groups import Replica
from edgewright.agents.placing import Placer
from edgewright.agents.questions import question
from edgewright.agents.records import DagRecord
from edgewright.agents.region import Region
from edgewright.agents.thinking import Thinking
from edgewright.agents.turns import Key
from edgewright.agents.verdict import Facts, Verdict, judge
from edgewright.agents.watching import pod_reference, service_dag_reference
from edgewright.core.problem import Problem
from edgewright.kube import conditions, paths
from edgewright.kube.api import Api
from edgewright.kube.conditions import ConditionType
from edgewright.kube.errors import ApiError
from edgewright.kube.events import EventRecorder
from edgewright.kube.names import API_VERSION, MANAGER_AGENT
from edgewright.kube.objects import Pod

INTERVAL = 1.0
"""Seconds between two writes of one DAG's status."""
MOVE_INTERVAL = 5.0
"""The same while the condition stays: each write costs the API server several times what a binding costs."""
DRIFT_INTERVAL = 15.0
"""The same while only predictions move, because neighbours come and go."""
CONFIRMATION = 3.0
"""Seconds for which a placement is not reported because the watch has not shown all its bindings yet."""
MANY, MANY_PATIENCE = 3, 10.0
"""While so many DAGs of a region are being mended, seconds for which their new pods go first: most losses are
mended by then, and the operator tells at once which replicas are not Ready."""
_SETTLE = 0.25
_PATIENCE = 5.0
_CONCURRENT = 8
_REVIEW = 5.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Page:
    """What is known of one DAG's status."""

    marked: float | None = None
    """Since when something may have changed."""
    wrote: float = float("-inf")
    due: float = float("-inf")
    """When it may be looked at again."""
    written: dict[str, Any] | None = None
    basis: tuple[object, ...] = ()
    """What the last look was made from: nothing new can follow from the same."""
    generation: tuple[str, int] = ("", 0)
    mending: bool = False
    """Whether a loss is being mended that the written status does not tell yet."""
    untold: bool = False
    """The same, or it has been mended meanwhile."""


class Publisher:
    """Keeps the status of a region's DAGs current; `busy` says whether bindings should go first."""

    def __init__(
        self,
        api: Api,
        region: Region,
        placer: Placer,
        thinking: Thinking,
        recorder: EventRecorder,
        clock: Callable[[], float],
        *,
        silent: Callable[[], frozenset[str]],
        busy: Callable[[], bool],
    ) -> None:
        self._api = api
        self._region = region
        self._placer = placer
        self._thinking = thinking
        self._recorder = recorder
        self._clock = clock
        self._silent = silent
        self._busy = busy
        self._pages: dict[Key, _Page] = {}
        self._said: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_CONCURRENT)

    def mark(self, key: Key) -> None:
        """Something about a DAG may have changed."""
        page = self._pages.setdefault(key, _Page())
        if page.marked is None:
            page.marked = self._clock()
            self._wake.set()

    def mark_all(self) -> None:
        """Something about the whole region changed."""
        for key in self._region.dags:
            self.mark(key)

    def predictions(self) -> Iterator[tuple[Key, Mapping[str, float]]]:
        """`status.predicted` of every ServiceDAG as written last."""
        for key, page in self._pages.items():
            if page.written is not None and "predicted" in page.written:
                yield key, page.written["predicted"]

    async def run(self) -> None:
        """Write until cancelled."""
        reviewed = self._clock()
        while True:
            due = self._due()
            if due:
                for key, outcome in zip(
                    due, await asyncio.gather(*map(self._publish, due), return_exceptions=True), strict=True
                ):
                    if isinstance(outcome, Exception):
                        _log.error("ServiceDAG %s/%s: no status", *key, exc_info=outcome)
                continue
            if self._clock() - reviewed > _REVIEW:
                reviewed = self._clock()
                self.mark_all()
            waiting = any(page.marked is not None for page in self._pages.values())
            self._wake.clear()
            try:
                async with asyncio.timeout(0.1 if waiting else _REVIEW):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _due(self) -> list[Key]:
        now, due = self._clock(), []
        for key, page in self._pages.items():
            if page.marked is None or now < page.due:
                continue
            waited = now - page.marked
            if waited >= _PATIENCE or (waited >= _SETTLE and not self._busy()):
                due.append(key)
        return due[: 2 * _CONCURRENT]

    async def _publish(self, key: Key) -> None:
        page, now = self._pages[key], self._clock()
        marked, page.marked, page.due = page.marked or now, None, now + INTERVAL
        page.mending = False
        record = self._region.dags.get(key)
        if record is None or record.manifest is None:
            self._pages.pop(key, None)
            return
        if record.dag is None:
            return
        metadata = record.manifest.metadata
        if page.generation != (metadata.uid, metadata.generation):
            page.generation, page.written = (metadata.uid, metadata.generation), None
            page.untold = False
        facts = self._facts(record, now)
        verdict = judge(facts)
        page.mending = _untold_loss(page.written, verdict)
        page.untold |= page.mending
        await asyncio.sleep(0)  # all that are due are judged before the first of them is told
        if verdict is None:  # in a second there is something to say
            page.marked = now
        elif now - marked < self._grace(record, page):
            page.marked, page.due = marked, now + _SETTLE
        else:
            await self._tell_pods(record, facts, verdict)
            await self._renew(page, record, facts, verdict)

    def _grace(self, record: DagRecord, page: _Page) -> float:
        """Seconds for which what changed may rest, because more is about to follow."""
        if page.untold and sum(each.mending for each in self._pages.values()) >= MANY:
            return MANY_PATIENCE
        return CONFIRMATION if self._region.awaits_watch(record) else 0.0

    async def _renew(self, page: _Page, record: DagRecord, facts: Facts, verdict: Verdict) -> None:
        """Write the status if it tells something new; progress and drift only now and then."""
        from edgewright.agents.report import News, headline, news  # noqa: PLC0415 - compiled code loads slowly

        if _only_progress(page.written, verdict) and facts.now < page.wrote + MOVE_INTERVAL:
            page.marked, page.due = facts.now, page.wrote + MOVE_INTERVAL
            return
        basis = (
            self._region.revision(facts.now),
            verdict,
            facts.standing.violations,
            facts.standing.imagined,
            facts.desired,
            _bound_times(record),
        )
        if page.basis == basis and page.written is not None:
            return
        status = await self._status(record, facts, verdict)
        found = news(page.written, status)
        if found is News.NONE:
            page.basis = basis
            return
        mending = verdict.reason is conditions.Reason.REBINDING
        waits = {News.MOVE: MOVE_INTERVAL * (2 if mending else 1), News.DRIFT: DRIFT_INTERVAL}
        if facts.now < page.wrote + waits.get(found, 0.0):
            page.marked, page.due = facts.now, page.wrote + waits[found]
            return
        page.wrote = facts.now
        if not await self._write(record, status):
            page.marked = facts.now
            return
        if page.written is None or headline(page.written) != headline(status):
            assert record.manifest is not None
            warning = verdict.status != "True" and verdict.reason is not conditions.Reason.DRY_RUN
            reference = service_dag_reference(record.manifest)
            self._recorder.record(reference, verdict.reason, verdict.message, warning=warning)
        page.written, page.basis, page.untold = status, basis, False

    def _facts(self, record: DagRecord, now: float) -> Facts:
        assert record.dag is not None
        region, standing = self._region, self._placer.standing(record.key)
        replicas = region.replicas(record, now)
        minima = {m.name: m.min_replicas for m in record.dag.microservices}
        return Facts(
            dag=record.dag,
            replicas=replicas,
            standing=standing,
            desired={**minima, **record.desired},
            completed=record.completed,
            silent=self._silent(),
            rejected=[r.name for r in replicas if not r.node and region.rejections.stopped(r.uid, now)],
            stale=region.stale(now),
            now=now,
        )

    async def _status(self, record: DagRecord, facts: Facts, verdict: Verdict) -> dict[str, Any]:
        """The agent's part of the status, conditions included."""
        assert record.dag is not None
        choice = facts.standing.imagined
        if record.dag.policy.dry_run:
            feasible = choice if choice is not None and not choice.violations else None
            wanted = len(imagined(record))
            body = await self._thinking.run(_body, facts, feasible, None, {}, wanted)
        else:
            built = question(self._region, record, (), facts.now)
            since = _bound_times(record)
            wanted = sum(facts.desired.values())
            body = await self._thinking.run(_body, facts, None, built, since, wanted)
        generation = record.manifest.metadata.generation if record.manifest is not None else 0
        body["conditions"] = [
            conditions.condition(
                ConditionType.PLACED,
                verdict.status,
                verdict.reason,
                verdict.message,
                generation=generation,
                previous=record.conditions,
            )
        ]
        return body

    async def _write(self, record: DagRecord, status: dict[str, Any]) -> bool:
        namespace, name = record.key
        assert record.manifest is not None
        body = {
            "apiVersion": API_VERSION,
            "kind": "ServiceDAG",
            "metadata": {"name": name, "namespace": namespace, "uid": record.manifest.metadata.uid},
            "status": status,
        }
        try:
            async with self._slots:
                await self._api.apply(
                    paths.service_dags(namespace, name, "status"), body, manager=MANAGER_AGENT
                )
        except ApiError as error:
            if error.status not in {404, 409}:
                _log.warning("status of ServiceDAG %s: %s", record.label, error)
            return False
        return True

    async def _tell_pods(self, record: DagRecord, facts: Facts, verdict: Verdict) -> None:
        """What a scheduler says of a pod without a place: a condition and an event."""
        stuck = {r.uid for r in facts.replicas if not r.node} & set(facts.standing.unplaced)
        stuck |= {r.uid for r in facts.replicas if r.held and r.name in facts.rejected}
        told = []
        for uid in sorted(stuck):
            pod = self._region.known(uid)
            if pod is not None and self._said.get(uid) != verdict.message:
                self._said[uid] = verdict.message
                told.append(self._tell(pod, verdict.message))
        await asyncio.gather(*told)
        if len(self._said) > 10_000:
            self._said = {uid: said for uid, said in self._said.items() if self._region.known(uid)}

    async def _tell(self, pod: Pod, message: str) -> None:
        change = {
            "status": {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": message[:1024],
                        "lastTransitionTime": conditions.now(),
                    }
                ]
            },
            "metadata": {"uid": pod.metadata.uid},
        }
        self._recorder.record(pod_reference(pod), "FailedScheduling", message, warning=True)
        try:
            async with self._slots:
                path = paths.pods(pod.metadata.namespace, pod.metadata.name, "status")
                await self._api.patch(path, change, kind="strategic")
        except ApiError as error:
            if error.status not in {404, 409}:
                _log.warning("condition of pod %s/%s: %s", *pod.metadata.key, error)


def _body(
    facts: Facts,
    choice: Choice | None,
    built: tuple[Problem, tuple[Replica, ...]] | None,
    since: dict[str, str],
    wanted: int,
) -> dict[str, Any]:
    """Status without conditions; runs on the thinking thread."""
    from edgewright.agents import report  # noqa: PLC0415 - compiled code loads slowly

    bound: tuple[Replica, ...] = ()
    body: dict[str, Any] = {}
    prediction = None
    if choice is not None:
        built = (choice.settled, choice.placed_slots)
    if built is not None:
        problem, bound = built
        evaluator = report.evaluator_of(problem, len(facts.dag.microservices))
        if evaluator is not None:
            prediction = evaluator.evaluate(problem.fixed).one()
            body["predicted"] = report.predicted(prediction)
            body["routes"] = report.routes(evaluator, problem.fixed)
    body["placements"] = report.placements(bound, since)
    body["unplaced"] = report.unplaced(facts.standing.violations)
    body["summary"] = report.summary(facts.dag, bound, wanted, prediction)
    return body


def _bound_times(record: DagRecord) -> dict[str, str]:
    times = {}
    for uid, pod in record.pods.items():
        for condition in pod.status.conditions:
            if condition.type == "PodScheduled" and condition.status == "True":
                times[uid] = condition.last_transition_time or ""
    return {uid: time for uid, time in times.items() if time}


def _untold_loss(written: dict[str, Any] | None, verdict: Verdict | None) -> bool:
    """Whether replicas were lost of a DAG that its status still calls placed."""
    if written is None or verdict is None or written["conditions"][0]["status"] != "True":
        return False
    return verdict.reason in {conditions.Reason.REBINDING, conditions.Reason.NODE_LOST}


def _only_progress(written: dict[str, Any] | None, verdict: Verdict) -> bool:
    """Whether a DAG that was not placed still is not, for the same reason."""
    return (
        written is not None
        and verdict.status == "False"
        and written["conditions"][0]["status"] == "False"
        and written["conditions"][0]["reason"] == verdict.reason
    )
