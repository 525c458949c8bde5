"""Puts the question that a policy answers: the world without one DAG, its slots, and what is not allowed."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgewright.agents.groups import Replica
from edgewright.agents.records import DagRecord
from edgewright.agents.region import Region
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.service import RESOURCES, ServiceDag
from edgewright.core.substrate import BoolArray


def world_of(
    region: Region, now: float, *, without: DagRecord | None = None, uids: Collection[str] = ()
) -> World | None:
    """The region now, leaving out one DAG and the pods named; None while there is no node."""
    substrate = region.terrain.substrate()
    if substrate is None:
        return None
    names = tuple(node.name for node in substrate.nodes)
    if names != region.laid_out:
        region.ledger.lay_out(names)
        region.laid_out = names
        for record in region.dags.values():
            record.placed = None
    placed = []
    for record in region.dags.values():
        if record is not without and record.dag is not None:
            known = record.placed or placed_dag(region, record, substrate.index, now)
            if len(known.node):
                placed.append(known)
    return World(substrate, region.ledger.used(uids), tuple(placed), region.stale(now))


def question(
    region: Region, record: DagRecord, group: Sequence[Replica], now: float
) -> tuple[Problem, tuple[Replica, ...]] | None:
    """The question where to put `group`, and the replica of each slot; None without a node or a DAG."""
    if record.dag is None or region.terrain.substrate() is None:
        return None
    substrate = region.terrain.substrate()
    assert substrate is not None
    index = substrate.index
    known = {m.name for m in record.dag.microservices}
    fixed = [r for r in region.replicas(record, now) if r.node in index and r.microservice in known]
    dag = present_part(record, frozenset(r.microservice for r in (*fixed, *group)))
    order = {m.name: i for i, m in enumerate(dag.microservices)}
    slots = sorted([*fixed, *group], key=lambda r: (order[r.microservice], not r.node, r.created, r.name))
    world = world_of(region, now, without=record, uids=[r.uid for r in fixed])
    if world is None:
        return None
    request = np.array([r.request for r in slots], float).reshape(-1, len(RESOURCES))
    stages = [dag.microservices[order[r.microservice]] for r in slots]
    declared = np.array([m.request for m in stages], float).reshape(-1, len(RESOURCES))
    problem = Problem(
        world=world,
        dag=dag,
        stage=np.array([order[r.microservice] for r in slots], np.int32),
        fixed=np.array([index[r.node] if r.node else UNPLACED for r in slots], np.int32),
        allowed=_allowed(region, record, slots, index, now),
        request=None if np.allclose(request, declared, rtol=1e-9, atol=1e-9) else request,
        seed=zlib.crc32(record.dag.uid.encode()),
    )
    return problem, tuple(slots)


def present_part(record: DagRecord, present: frozenset[str]) -> ServiceDag:
    """The DAG without microservices that have no replica at all (yet), so that the others can be placed.

    The same object each time while neither the spec nor the set changes: core caches by identity.
    """
    assert record.dag is not None
    if len(present) == len(record.dag.microservices) or not present:
        return record.dag
    if record.part is None or record.part[:2] != (record.dag, present):
        part = replace(
            record.dag,
            microservices=tuple(m for m in record.dag.microservices if m.name in present),
            invocations=tuple(
                i for i in record.dag.invocations if i.source in present and i.target in present
            ),
        )
        record.part = (record.dag, present, part)
    return record.part[2]


def _allowed(
    region: Region, record: DagRecord, slots: Sequence[Replica], index: Mapping[str, int], now: float
) -> BoolArray:
    allowed = np.ones((len(slots), len(index)), np.bool_)
    allowed[:, [index[name] for name in region.closed if name in index]] = False
    for row, replica in enumerate(slots):
        owner = (record.label, replica.microservice)
        for name in region.rejections.closed_for(owner, replica.request, now):
            if name in index:
                allowed[row, index[name]] = False
    return allowed


def placed_dag(region: Region, record: DagRecord, index: Mapping[str, int], now: float) -> PlacedDag:
    """The DAG with its bound and reserved replicas; cached until its pods change. `index`: node rows."""
    assert record.dag is not None
    order = {m.name: i for i, m in enumerate(record.dag.microservices)}
    bound = sorted(
        (order[r.microservice], index[r.node])
        for r in region.replicas(record, now)
        if r.node in index and r.microservice in order
    )
    stage, node = np.array(bound, np.int32).reshape(-1, 2).T.copy()
    record.placed = PlacedDag(record.dag, stage, node)
    return record.placed
