"""From what is observed and what is desired to the next actions; pure, level-triggered, repeatable."""

from collections.abc import Mapping, Sequence

from edgewright.kube.objects import Manifest
from edgewright.operator.actions import (
    Action,
    Apply,
    Create,
    Delete,
    Hold,
    Requeue,
    SetDeletionCost,
    Write,
    WriteStatus,
)
from edgewright.operator.compile import KINDS, Compiled, acceptable_names, compile_dag
from edgewright.operator.dag import Dag
from edgewright.operator.drift import covers
from edgewright.operator.observed import (
    Desired,
    Now,
    ObjectKey,
    Observed,
    compiled_digest,
    microservice_of,
    owned,
    ready_replicas,
    rolled_out,
)
from edgewright.operator.status import Assessment, announcements, assess, significant, urgent

STATUS_INTERVAL = 1.0
"""Least seconds between two status writes of one ServiceDAG."""
PROGRESS_SECONDS = 8.0
"""For which progress is gathered: each write costs the API server five times what a binding costs."""
CONFLICT_INTERVAL = 15.0
"""Seconds until a name that someone else has is tried again."""
ANCESTOR_INTERVAL = 1.0
"""Seconds until the garbage collector is expected to have removed an earlier incarnation's object."""
REMOVAL_INTERVAL = 2.0
"""Seconds until removals that wait for the rest of the spec are looked at again."""
UNSOUND_COST = -100
"""Deletion cost of a replica on a node that is not Ready or not schedulable."""


def reconcile(observed: Observed, desired: Desired, now: Now) -> list[Action]:
    """The actions that bring the ServiceDAG's objects and status closer to what is desired.

    Writes come first and in stages (deletion costs, Deployments, Services, PodDisruptionBudgets, removals);
    no action depends on the success of another. Nothing is written to objects while the spec is rejected or
    a dry run: what runs stays as it is. Deleting the ServiceDAG needs no action: its objects are collected.
    """
    dag = desired.dag
    if dag.deleted:
        return []
    compiled: tuple[Compiled, ...] = ()
    actions: list[Action] = []
    if desired.rejection is None:
        names = choose_names(dag, observed)
        compiled = compile_dag(dag, desired.counts, names, desired.resource_names)
        if not dag.spec.placement_policy.dry_run:
            actions += writes(dag, compiled, observed, now)
    found = assess(observed, desired, compiled, now)
    actions += _status(found, observed, dag, now)
    if not dag.spec.placement_policy.dry_run:
        actions += _revisit(dag, compiled, observed, now)
    return actions


def choose_names(dag: Dag, observed: Observed) -> dict[tuple[str, str], str]:
    """(kind, microservice) to name: what exists keeps its name, a name of another ServiceDAG is avoided."""
    chosen: dict[tuple[str, str], str] = {}
    for kind in KINDS:
        for microservice in dag.spec.microservices:
            names = acceptable_names(dag, kind, microservice)
            mine = [
                name
                for name in names
                if (item := observed.objects.get((kind, name))) is not None
                and owned(item, dag)
                and microservice_of(item) == microservice.name
            ]
            free = [name for name in names if not _belongs_to_other_dag(observed, (kind, name))]
            chosen[kind, microservice.name] = (mine or free or list(names))[0]
    return chosen


def writes(dag: Dag, compiled: Sequence[Compiled], observed: Observed, now: Now) -> list[Write]:
    """The writes that are due, in the order of their stages."""
    costs: list[Write] = []
    changes: list[Write] = []
    for item in compiled:
        present = observed.objects.get(item.key)
        if present is None:
            if _may_try(observed, item.key, now):
                changes.append(Create(item))
            continue
        if not owned(present, dag) or present.metadata.deletion_timestamp is not None:
            continue
        if _must_replace(item, present):
            changes.append(Delete(item.kind, item.name, present.metadata.uid))
            continue
        scaled = item.kind == "Deployment" and item.name in observed.scaled
        if differs(item, present, observed.settled, scaled=scaled):
            changes.append(Apply(item, present.metadata.uid, scaled))
            if item.kind == "Deployment" and not scaled and _shrinks(item, present):
                costs += deletion_costs(item, observed)
    return [*costs, *changes, *removals(dag, compiled, observed)]


def differs(
    item: Compiled, present: Manifest, settled: Mapping[ObjectKey, tuple[str, int]], *, scaled: bool
) -> bool:
    """Whether the object must be applied: it was compiled to something else, or someone changed it since."""
    if compiled_digest(present) != item.digest:
        return True
    if settled.get(item.key) == (present.metadata.uid, present.metadata.generation):
        return False
    spec = {name: value for name, value in item.body["spec"].items() if not (scaled and name == "replicas")}
    return not (
        covers(present.spec, spec) and covers(present.metadata.labels, item.body["metadata"]["labels"])
    )


def removals(dag: Dag, compiled: Sequence[Compiled], observed: Observed) -> list[Write]:
    """Deletions of what the spec no longer names, once the rest holds or where nothing Ready is lost."""
    stays = {item.microservice for item in compiled}
    stale = _stale(dag, compiled, observed)
    if not stale:
        return []
    rest_holds = holds(dag, compiled, observed)
    serving = {
        microservice_of(item)
        for (kind, _), item in observed.objects.items()
        if kind == "Deployment" and ready_replicas(item) > 0
    }
    return [
        Delete(key[0], key[1], item.metadata.uid)
        for key, item in sorted(stale, key=lambda entry: (KINDS.index(entry[0][0]), entry[0][1]))
        if rest_holds or microservice_of(item) not in serving | stays
    ]


def _stale(dag: Dag, compiled: Sequence[Compiled], observed: Observed) -> list[tuple[ObjectKey, Manifest]]:
    """The ServiceDAG's objects that its spec does not ask for (any more)."""
    wanted = {item.key for item in compiled}
    return [
        (key, item)
        for key, item in observed.objects.items()
        if key not in wanted and owned(item, dag) and item.metadata.deletion_timestamp is None
    ]


def holds(dag: Dag, compiled: Sequence[Compiled], observed: Observed) -> bool:
    """Whether every wanted object exists as compiled and every Deployment has its min replicas Ready."""
    least = {microservice.name: microservice.replicas.min for microservice in dag.spec.microservices}
    for item in compiled:
        present = observed.objects.get(item.key)
        scaled = item.name in observed.scaled
        if present is None or not owned(present, dag) or present.metadata.deletion_timestamp is not None:
            return False
        if differs(item, present, observed.settled, scaled=scaled):
            return False
        if item.kind == "Deployment" and not rolled_out(present, least[item.microservice]):
            return False
    return True


def deletion_costs(item: Compiled, observed: Observed) -> list[Write]:
    """Costs for the replicas that should go first when a Deployment shrinks: those on unsound nodes."""
    return [
        SetDeletionCost(replica.name, replica.uid, UNSOUND_COST)
        for replica in observed.replicas
        if replica.microservice == item.microservice and not replica.sound and replica.cost != UNSOUND_COST
    ]


def _status(found: Assessment, observed: Observed, dag: Dag, now: Now) -> list[Action]:
    if not significant(dag.status, found.status):
        return []
    due = observed.status_written + STATUS_INTERVAL
    if not urgent(dag.status, found.status):
        since = now.monotonic if observed.status_held is None else observed.status_held
        due = max(due, since + PROGRESS_SECONDS)
    if due > now.monotonic:
        return [Hold(due - now.monotonic)]
    return [WriteStatus(found.status), *announcements(dag.conditions, found.status["conditions"])]


def _revisit(dag: Dag, compiled: Sequence[Compiled], observed: Observed, now: Now) -> list[Action]:
    """When to look again though no event may come: for names that others have, and removals that wait."""
    waits = [
        _interval(stranger.rank) - (now.monotonic - stranger.seen)
        for item in compiled
        if (stranger := observed.strangers.get(item.key)) is not None and item.key not in observed.objects
    ]
    if compiled and _stale(dag, compiled, observed):
        waits.append(REMOVAL_INTERVAL)  # the last write may be what they waited for
    return [Requeue(max(0.05, min(waits)))] if waits else []


def _interval(rank: str) -> float:
    return ANCESTOR_INTERVAL if rank == "ancestor" else CONFLICT_INTERVAL


def _may_try(observed: Observed, key: ObjectKey, now: Now) -> bool:
    stranger = observed.strangers.get(key)
    return stranger is None or now.monotonic - stranger.seen >= _interval(stranger.rank)


def _belongs_to_other_dag(observed: Observed, key: ObjectKey) -> bool:
    stranger = observed.strangers.get(key)
    return stranger is not None and stranger.rank == "dag"


def _must_replace(item: Compiled, present: Manifest) -> bool:
    """Whether an immutable field changes: a Service that becomes headless or stops being so."""
    if item.kind != "Service":
        return False
    return bool(item.body["spec"].get("clusterIP") == "None") != bool(present.spec.get("clusterIP") == "None")


def _shrinks(item: Compiled, present: Manifest) -> bool:
    return int(present.spec.get("replicas") or 0) > int(item.body["spec"]["replicas"])
