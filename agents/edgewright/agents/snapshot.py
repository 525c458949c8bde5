"""What an agent process sees of one ServiceDAG, as core's Snapshot: as agents of simulated cities see it.

Where each number comes from, here and there, is told in docs/reference/environments.md.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.agents.questions import world_of
from edgewright.agents.records import DagRecord
from edgewright.agents.region import Region
from edgewright.core.arrays import compile_dag
from edgewright.core.load import FOREIGN_USE, world_load
from edgewright.core.observe import PENDING, PLACED, Snapshot
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.substrate import FloatArray
from edgewright.core.units import MS

PERIOD = 10.0
"""Seconds of a control period: whoever is not served for so long counts as late without end."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What a region knew when it was asked about one DAG; nothing in it changes: any thread may read it."""

    problem: Problem
    world: World
    """With the DAG's own replicas."""
    foreign: FloatArray
    """(N, R) requests of other namespaces' pods, as last reported."""
    rates: tuple[float, ...]
    """Requests per second of each DAG in `world.placed`, as last reported."""
    rate: float
    """Of the DAG in question."""
    latency: float
    """Seconds at its percentile, infinite when it is not served, 0 before anything is known."""
    violation: float
    moves: int
    pending: int
    active: int
    requested_elsewhere: float


def look(region: Region, record: DagRecord, problem: Problem, now: float, *, waited: float = 0.0) -> Sight:
    """What is known about the DAG of `problem`, `question`'s answer; it has waited for a node for so long."""
    world = world_of(region, now)
    assert world is not None, "without a node there is no question"
    assert record.dag is not None
    alive = list(_alive(region))
    served = len(set(problem.stage[problem.fixed != UNPLACED])) == len(record.dag.microservices)
    latency, violation = _quality(record) if served or waited < PERIOD else (math.inf, 1.0)
    policy = record.dag.policy
    return Sight(
        problem=problem,
        world=world,
        foreign=region.ledger.foreign(),
        rates=tuple(_rate(region.dags[each.dag.namespace, each.dag.name]) for each in world.placed),
        rate=_rate(record),
        latency=latency,
        violation=violation,
        moves=policy.max_migrations_per_minute if policy.migration_allowed else 0,
        pending=sum(not _complete(region, each, now) for each in alive),
        active=len(alive),
        requested_elsewhere=region.requested_elsewhere,
    )


def snapshot(sight: Sight) -> Snapshot:
    """The numbers; where core's caches may be used, on the thread that decides."""
    problem, substrate = sight.problem, sight.world.substrate
    arrays = compile_dag(problem.dag, substrate)
    N, stages = len(substrate.nodes), len(problem.dag.microservices)
    replicas = np.bincount(problem.stage, minlength=stages)
    first = np.searchsorted(problem.stage, np.arange(stages))
    work = sight.rate * (arrays.visits * arrays.work / np.maximum(replicas, 1))
    payload = np.zeros(stages)
    inner = arrays.target >= 0
    np.add.at(payload, arrays.target[inner], (arrays.size * arrays.times)[inner])
    caller = np.where(arrays.caller >= 0, first[arrays.caller], -1)
    declared = np.array([m.request for m in problem.dag.microservices], float)
    rho = _utilisation(sight)
    schedulable = np.array([node.schedulable for node in substrate.nodes])
    return Snapshot(
        capacity=np.ascontiguousarray(substrate.capacity, float),
        used=sight.world.used - sight.foreign,
        foreign=sight.foreign,
        ready=(schedulable & problem.allowed.any(axis=0)).astype(float),
        cpu=rho[:N].copy(),
        uplink=rho[N : 2 * N].copy(),
        downlink=rho[2 * N : 3 * N].copy(),
        delay=np.zeros(N) if arrays.cell < 0 else np.ascontiguousarray(substrate.path_delay[arrays.cell]),
        request=declared[problem.stage] if problem.request is None else problem.request,
        work=work[problem.stage],
        caller=caller[problem.stage].astype(np.int32),
        payload=payload[problem.stage],
        node=np.ascontiguousarray(problem.fixed, np.int32),
        kind=PENDING if len(problem.free) else PLACED,
        rate=float(sight.rate),
        limit=float(arrays.limit),
        latency=float(sight.latency),
        violation=float(sight.violation),
        moves=sight.moves,
        pending=sight.pending,
        active=sight.active,
        elsewhere=FOREIGN_USE * sight.requested_elsewhere,
    )


def _utilisation(sight: Sight) -> FloatArray:
    """(stations,) by the DAGs that are served, at their present rates, and by pods of no DAG."""
    load, placed = world_load(sight.world), sight.world.placed
    rho = load.rho.copy()
    for use, dag, rate in zip(load.uses, placed, sight.rates, strict=True):
        served = len(np.unique(dag.stage)) == len(dag.dag.microservices)
        rho[use.stations] += use.rho * ((rate / dag.dag.demand.rate if served else 0.0) - 1.0)
    return np.maximum(rho, 0.0)


def _alive(region: Region) -> Iterator[DagRecord]:
    return (each for each in region.dags.values() if each.dag is not None and not each.dag.policy.dry_run)


def _complete(region: Region, record: DagRecord, now: float) -> bool:
    assert record.dag is not None
    bound = Counter(r.microservice for r in region.replicas(record, now) if r.node)
    desired = record.desired
    return all(bound[m.name] >= desired.get(m.name, m.min_replicas) for m in record.dag.microservices)


def _rate(record: DagRecord) -> float:
    """Requests per second: what was observed, else what is declared."""
    assert record.dag is not None
    return float(_status(record, "observed").get("requestsPerSecond", record.dag.demand.rate))


def _quality(record: DagRecord) -> tuple[float, float]:
    """Latency in seconds and violation: what was observed, else what was predicted."""
    told = {**_status(record, "predicted"), **_status(record, "observed")}
    return told.get("p95Ms", 0.0) * MS, told.get("violationProbability", 0.0)


def _status(record: DagRecord, part: str) -> dict[str, float]:
    return dict((record.manifest.status.get(part) or {}) if record.manifest is not None else {})
