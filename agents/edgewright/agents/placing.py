"""One decision of a region's agent, from the question to the bindings, with every check in between."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgewright.agents import metrics
from edgewright.agents.binding import Outcome, Result, Target, bind, one_per_node, rehearse
from edgewright.agents.choice import ALTERNATIVES, Choice, NoNodes, imagined, reasons_of
from edgewright.agents.groups import Plan, Replica, plan_groups
from edgewright.agents.pace import Pace
from edgewright.agents.policy import FALLBACK, unavailable
from edgewright.agents.questions import question
from edgewright.agents.records import DagRecord
from edgewright.agents.region import Region
from edgewright.agents.standing import Standing
from edgewright.agents.thinking import BUDGET, Thinking
from edgewright.agents.turns import Key, Turns
from edgewright.core.problem import Constraint, Problem, Violation
from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError

if TYPE_CHECKING:
    from edgewright.agents.snapshot import Sight

GANG_DEADLINE = 10.0
"""Seconds for which an initial gang may stay bound in part while no completion is feasible."""
CALM = 0.5
"""Seconds without a decision after which a region is at rest."""
PROOF = 30.0
"""Seconds for which a node that accepted a binding needs no dry run before the next one."""
_log = logging.getLogger(__name__)


class Placer:
    """Decides for one DAG at a time and binds in the background; `changed` hears of every DAG it touched."""

    def __init__(
        self,
        api: Api,
        region: Region,
        turns: Turns,
        thinking: Thinking,
        clock: Callable[[], float],
        changed: Callable[[Key], None],
        *,
        pace: Pace,
        failed: Callable[[str], None],
        leading: Callable[[], bool],
    ) -> None:
        """`failed` hears of bindings that went wrong; nothing is bound unless `leading` is true."""
        self.standings: dict[Key, Standing] = {}
        self._api = api
        self._region = region
        self._turns = turns
        self._thinking = thinking
        self._clock = clock
        self._changed = changed
        self._pace, self._failed, self._leading = pace, failed, leading
        self._bindings: set[asyncio.Task[None]] = set()
        self._decided = float("-inf")
        self._accepted: dict[str, float] = {}
        """When a node last accepted a binding, or a dry run of one."""

    @property
    def busy(self) -> bool:
        """Whether bindings are under way, or a decision was made so lately that more may follow."""
        return bool(self._bindings) or self._clock() - self._decided < CALM

    def standing(self, key: Key) -> Standing:
        """What is known about a DAG beyond its pods."""
        return self.standings.setdefault(key, Standing())

    def look(self, key: Key) -> None:
        """See what a changed DAG wants: a turn, pods that do not exist yet, or nothing."""
        record, now = self._region.dags.get(key), self._clock()
        if record is None or record.manifest is None or record.dag is None:
            self._turns.drop(key)
            self.standings.pop(key, None)
            return
        standing = self.standing(key)
        dag = record.dag
        if dag.policy.dry_run:
            self._turns.ask(key, priority=dag.priority, created=dag.created, now=now)
            return
        plan = self._plan(record, now)
        standing.note_plan(plan, now)
        if plan.groups:
            self._turns.ask(key, priority=dag.priority, created=dag.created, now=now)
        else:
            self._turns.settled(key)
            standing.violations, standing.unplaced = (), frozenset()
        self._changed(key)

    def reconsider_dry_runs(self) -> None:
        """Capacity changed: what dry runs show may have changed too."""
        for key, record in self._region.dags.items():
            if record.dag is not None and record.dag.policy.dry_run:
                self.look(key)

    def broke(self, key: Key, error: Exception) -> None:
        """A decision ended in an error of our own: say so, and try again later."""
        self.standing(key).binding_failed(f"The agent failed: {type(error).__name__}: {error}; see its log.")
        self._turns.failed(key, self._clock())
        self._changed(key)

    async def decide(self, key: Key) -> None:
        """Decide for the DAG's next group, and start binding it."""
        record, now = self._region.dags.get(key), self._clock()
        if record is None or record.dag is None:
            self._turns.drop(key)
            return
        if record.dag.policy.dry_run:
            await self._rehearse_dag(record)
            return
        plan = self._plan(record, now)
        if not plan.groups:
            self.look(key)
            return
        group = plan.groups[0]
        choice = await self._choose(record, group)
        if choice is None:
            return
        if isinstance(choice, Choice) and not choice.violations:
            self._start(record, choice, plan)
            self.look(key)
            return
        left, violations = group, choice.violations
        if isinstance(choice, Choice) and not plan.initial and len(group) > 1:
            left, violations = await self._one_by_one(record, plan, violations)
        standing = self.standing(key)
        standing.violations, standing.unplaced = violations, frozenset(r.uid for r in left)
        now = self._clock()
        if left:
            for constraint in {violation.constraint for violation in violations}:
                metrics.UNPLACEABLE.of(self._region.key[0], constraint.value).inc()
            self._turns.failed(key, now, most=2.0 if plan.partial else None)
        if plan.partial and standing.overdue(now, GANG_DEADLINE):
            await self._take_back(record)
        self._changed(key)

    def _plan(self, record: DagRecord, now: float) -> Plan:
        assert record.dag is not None
        if self._region.rejections.inheritances:
            self._pass_on_refusals(record, now)
        return plan_groups(record.dag, self._region.replicas(record, now), completed=record.completed)

    def _pass_on_refusals(self, record: DagRecord, now: float) -> None:
        pending: dict[str, list[Replica]] = {}
        for replica in self._region.replicas(record, now):
            if not replica.node:
                pending.setdefault(replica.microservice, []).append(replica)
        for microservice, waiting in pending.items():
            self._region.rejections.inherit((record.label, microservice), waiting, now)

    async def _choose(
        self, record: DagRecord, group: Sequence[Replica], budget: float = BUDGET
    ) -> "Choice | NoNodes | None":
        """Decide for `group` and check the answer against the region as it is after the decision.

        None: the region changed so much meanwhile that the question must be put again.
        """
        region, standing, algorithm = self._region, self.standing(record.key), self._algorithm(record)
        standing.unavailable = unavailable(algorithm)
        if standing.unavailable:
            algorithm = FALLBACK
        observes, asked = await self._thinking.observes(algorithm), self._clock()
        built = question(region, record, group, asked)
        if built is None:
            return NoNodes(region.key)
        sight = self._look(record, built[0], asked) if observes else None
        version = self._version(record)
        hurried = self.busy or self._turns.others_due(record.key, asked)
        alternatives = 0 if hurried else ALTERNATIVES
        self._decided = asked
        choice = await self._thinking.run(self._think, *built, algorithm, budget, alternatives, sight)
        if choice.violations or version == self._version(record):
            return choice
        waiting = {r.uid for r in region.replicas(record, asked) if not r.node}
        if not all(replica.uid in waiting for replica in group):
            return None
        again = question(region, record, group, asked)
        if again is None or [r.uid for r in again[1]] != [r.uid for r in built[1]]:
            return None
        choice = await self._thinking.run(self._recheck, again[0], choice)
        return None if choice.violations else choice

    def _think(
        self,
        problem: Problem,
        slots: tuple[Replica, ...],
        algorithm: str,
        budget: float,
        alternatives: int,
        sight: "Sight | None",
    ) -> Choice:
        from edgewright.core.feasibility import check  # noqa: PLC0415 - compiled code loads slowly

        started = self._clock()
        decision = self._thinking.place(problem, algorithm, budget, sight)
        seconds = self._clock() - started
        self._pace.note(seconds)
        metrics.DECISION.of(self._region.key[0], decision.policy).observe(seconds)
        if decision.violations:
            return Choice(problem, slots, decision, decision.violations)
        violations = tuple(check(problem, decision.assign))
        if violations:
            _log.error("policy %s broke %s", decision.policy, "; ".join(v.message for v in violations))
            return Choice(problem, slots, decision, violations)
        return Choice(problem, slots, decision, (), reasons_of(problem, decision, alternatives))

    def _look(self, record: DagRecord, problem: Problem, now: float) -> "Sight":
        from edgewright.agents.snapshot import look  # noqa: PLC0415 - compiled code loads slowly

        since = self.standing(record.key).pending_since
        return look(self._region, record, problem, now, waited=0.0 if since is None else now - since)

    def _recheck(self, problem: Problem, choice: Choice) -> Choice:
        from edgewright.core.feasibility import check  # noqa: PLC0415

        names = [node.name for node in problem.world.substrate.nodes]
        before = [node.name for node in choice.problem.world.substrate.nodes]
        if names != before:
            changed = Violation(Constraint.NOT_READY, message="Nodes came or went during the decision.")
            return replace(choice, violations=(changed,))
        violations = tuple(check(problem, choice.decision.assign))
        return replace(choice, problem=problem, violations=violations)

    async def _one_by_one(
        self, record: DagRecord, plan: Plan, violations: tuple[Violation, ...]
    ) -> tuple[tuple[Replica, ...], tuple[Violation, ...]]:
        """Place what can be placed of a group that does not fit as a whole; what is left, and why."""
        left: list[Replica] = []
        failed: set[tuple[str, tuple[float, ...]]] = set()
        for replica in plan.groups[0]:
            shape = (replica.microservice, replica.request)
            choice = await self._choose(record, [replica]) if shape not in failed else None
            if isinstance(choice, Choice) and not choice.violations:
                self._start(record, choice, plan)
                continue
            if choice is not None:
                violations = choice.violations if not failed else violations
                failed.add(shape)
            left.append(replica)
        return tuple(left), violations

    def _start(self, record: DagRecord, choice: Choice, plan: Plan) -> None:
        """Reserve the places and bind in the background."""
        standing = self.standing(record.key)
        standing.decided(choice.decision, self._clock())
        targets = []
        for replica, node, reason in choice.moves:
            self._region.reserve(replica.uid, node)
            targets.append(Target(record.key[0], replica.name, replica.uid, node, reason))
        task = asyncio.create_task(self._bind(record.key, targets, whole=plan.initial), name="bind")
        self._bindings.add(task)
        task.add_done_callback(self._bindings.discard)

    async def _bind(self, key: Key, targets: Sequence[Target], *, whole: bool) -> None:
        """Dry run of the group, then the writes; `whole`: nothing is written unless all can be."""
        wanted, started = list(targets), self._clock()
        try:
            if len(targets) > 1:
                wanted = await self._rehearse(key, targets, whole=whole)
            self._note(key, await bind(self._api, wanted, self._leading), "binding")
            metrics.BINDING.of(self._region.key[0]).observe(self._clock() - started)
        except asyncio.CancelledError:
            for target in wanted:
                self._region.unreserve(target.uid)
            raise
        finally:
            self._region.dirty.add(key)
            self._changed(key)

    async def _rehearse(self, key: Key, targets: Sequence[Target], *, whole: bool) -> list[Target]:
        """The targets that are worth binding; the reservations of the others are taken back."""
        since = self._clock() - PROOF
        doubtful = [t for t in one_per_node(targets) if self._accepted.get(t.node, since) <= since]
        rehearsed = await rehearse(self._api, doubtful)
        self._note(key, rehearsed, "rehearsal")
        refused = [result for result in rehearsed if result.outcome is not Outcome.BOUND]
        closed = {result.target.node for result in refused}
        wanted = [] if refused and whole else [target for target in targets if target.node not in closed]
        for target in set(targets).difference(wanted):
            self._region.unreserve(target.uid)
        never = {result.target.node for result in refused if result.outcome is Outcome.REFUSED}
        for target in targets:
            if target.node in never:
                self._region.close_for(target.uid, target.node, self._clock())
        return wanted

    def _note(self, key: Key, results: Sequence[Result], stage: str) -> None:
        """Take over what became of bindings: only what is bound keeps its reservation."""
        now = self._clock()
        for result in results:
            target = result.target
            metrics.BINDINGS.of(self._region.key[0], stage, result.outcome.value).inc()
            if result.outcome is Outcome.BOUND:
                self._accepted[target.node] = now
                continue
            self._region.unreserve(target.uid)
            _log.warning("pod %s/%s on %s: %s", target.namespace, target.name, target.node, result.message)
            if result.outcome is Outcome.REFUSED:
                self._accepted.pop(target.node, None)
                self._region.close_for(target.uid, target.node, now)
            if result.outcome in {Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN}:
                self.standing(key).binding_failed(f"{target.name} on {target.node}: {result.message}")
                self._failed(f"Pod {target.namespace}/{target.name} on {target.node}: {result.message}")
                self._turns.failed(key, now, most=1.0)

    async def _take_back(self, record: DagRecord) -> None:
        """Delete the pods of a gang that cannot be completed, except those that became Ready."""
        region, standing = self._region, self.standing(record.key)
        doomed = [r for r in region.replicas(record, self._clock()) if r.node and not region.was_ready(r.uid)]
        _log.warning(
            "ServiceDAG %s: its group cannot be completed; taking %d pods back", record.label, len(doomed)
        )
        standing.partial_since = None
        for replica in doomed:
            try:
                path = paths.pods(record.key[0], replica.name)
                await self._api.delete(path, uid=replica.uid, missing_ok=True)
            except ApiError as error:
                _log.warning("pod %s/%s could not be taken back: %s", record.key[0], replica.name, error)

    async def _rehearse_dag(self, record: DagRecord) -> None:
        """Place a dry-run DAG without pods, from the replica counts that the operator chose."""
        standing = self.standing(record.key)
        replicas = imagined(record)
        choice = await self._choose(record, replicas) if replicas else None
        standing.imagined = choice if isinstance(choice, Choice) else None
        if choice is not None:
            standing.violations = choice.violations
        if isinstance(choice, Choice):
            standing.algorithm = choice.decision.policy
        self._turns.settled(record.key)
        self._changed(record.key)

    def _algorithm(self, record: DagRecord) -> str:
        assert record.dag is not None
        wanted = record.dag.policy.algorithm
        if wanted == "auto":
            wanted = self._region.terrain.grant.algorithm
        return self._thinking.auto if wanted == "auto" else wanted

    def _version(self, record: DagRecord) -> tuple[object, ...]:
        region = self._region
        return region.ledger.version, region.terrain.version, region.closed, record.dag

    async def close(self) -> None:
        """Cancel the bindings under way; what was written stays."""
        for task in self._bindings:
            task.cancel()
        await asyncio.gather(*self._bindings, return_exceptions=True)
