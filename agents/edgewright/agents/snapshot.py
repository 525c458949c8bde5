"""What an agent process knows, as core's Snapshot: the same numbers that agents of simulated cities see."""

from dataclasses import dataclass

import numpy as np

from edgewright.core.arrays import compile_dag
from edgewright.core.observe import NOTHING, PENDING, PLACED, Snapshot
from edgewright.core.problem import UNPLACED, PlacedDag, World
from edgewright.core.service import RESOURCES
from edgewright.core.substrate import FloatArray


@dataclass(frozen=True)
class Measured:
    """What metrics and reports say, one period old; `utilisation` (stations,) of the world's substrate."""

    utilisation: FloatArray
    rate: float = 0.0
    """Requests per second of the DAG in question."""
    latency: float = 0.0
    """Seconds at its percentile; infinite when it was not served, 0 before it was."""
    violation: float = 0.0
    elsewhere: float = 0.0
    """Mean CPU utilisation of the other agents' nodes."""


def snapshot(
    world: World,
    foreign: FloatArray,
    head: PlacedDag | None,
    measured: Measured,
    *,
    moves: int,
    pending: int,
    active: int,
) -> Snapshot:
    """The agent's nodes are those of `world`; `foreign` (N, R) of `world.used` is what others request there.

    `head` is the DAG to decide about with its slots stage by stage, None for nothing; `moves` replicas of it
    may move now; the agent has `active` DAGs, `pending` of them with replicas missing.
    """
    substrate = world.substrate
    N, R = len(substrate.nodes), len(RESOURCES)
    rho, stages = measured.utilisation, len(head.dag.microservices) if head is not None else 0
    delay = np.zeros(N)
    request, work, payload = np.zeros((0, R)), np.zeros(0), np.zeros(0)
    caller, node = np.zeros(0, np.int32), np.zeros(0, np.int32)
    kind, limit = NOTHING, 0.0
    if head is not None:
        arrays = compile_dag(head.dag, substrate)
        replicas = np.bincount(head.stage, minlength=stages)
        first = np.searchsorted(head.stage, np.arange(stages))
        received = np.zeros(stages)
        inner = arrays.target >= 0
        np.add.at(received, arrays.target[inner], (arrays.size * arrays.times)[inner])
        request = np.array([m.request for m in head.dag.microservices], float)[head.stage]
        work = (measured.rate * (arrays.visits * arrays.work / np.maximum(replicas, 1)))[head.stage]
        payload = received[head.stage]
        caller = np.where(arrays.caller >= 0, first[arrays.caller], -1)[head.stage].astype(np.int32)
        node = np.ascontiguousarray(head.node, np.int32)
        kind, limit = (PENDING if (node == UNPLACED).any() else PLACED), arrays.limit
        if arrays.cell >= 0:
            delay = np.ascontiguousarray(substrate.path_delay[arrays.cell])
    return Snapshot(
        capacity=np.ascontiguousarray(substrate.capacity, float),
        used=world.used - foreign,
        foreign=np.ascontiguousarray(foreign, float),
        ready=np.array([float(each.schedulable) for each in substrate.nodes]),
        cpu=rho[:N].copy(),
        uplink=rho[N : 2 * N].copy(),
        downlink=rho[2 * N : 3 * N].copy(),
        delay=delay,
        request=request,
        work=work,
        caller=caller,
        payload=payload,
        node=node,
        kind=kind,
        rate=float(measured.rate),
        limit=float(limit),
        latency=float(measured.latency),
        violation=float(measured.violation),
        moves=moves,
        pending=pending,
        active=active,
        elsewhere=float(measured.elsewhere),
    )
