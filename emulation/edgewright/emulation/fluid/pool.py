"""The templates of a city's DAGs in flat arrays, which kernels take DagArrays out of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgewright.core.arrays import USER, DagArrays, compile_dag
from edgewright.core.kernel import inlined
from edgewright.core.masks import fits, static_mask
from edgewright.core.replicas import replica_counts
from edgewright.core.scenarios import LANES
from edgewright.core.service import RESOURCES, ServiceDag
from edgewright.core.settled import MEETINGS
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate

INTS = (
    "order",
    "traffic",
    "caller",
    "source",
    "target",
    "back",
    "parallel",
    "inward_start",
    "inward",
    "outward_start",
    "outward",
)
FLOATS = ("work", "cores", "visits", "size", "times", "calls", "min_bandwidth", "bound")
SPREADS = {"none": 0, "node": 1, "zone": 2}


class Pool(NamedTuple):
    """Q templates of up to M stages, S slots; N nodes, R resources."""

    stages: IntArray
    """(Q,)."""
    transfers: IntArray
    slots: IntArray
    """(Q,) replicas of all stages."""
    units: IntArray
    """(Q,) replicas and node pairs."""
    visits: IntArray
    """(Q,) stations on the way of all units, at most."""
    meetings: IntArray
    """(Q,) on several stations that have a place, the last of which is work space."""
    pipeline: BoolArray
    rate: FloatArray
    """(Q,) declared requests per second."""
    limit: FloatArray
    z: FloatArray
    jitter: FloatArray
    """(Q,) bounds in seconds, infinite where there is none."""
    skew: FloatArray
    success: FloatArray
    """(Q,) least success probability, 0 where there is none."""
    region: IntArray
    """(Q,) the agent that places it."""
    moves: IntArray
    """(Q,) replicas that may migrate per minute."""
    start: IntArray
    """(Q, M + 1) first slot of each stage."""
    slot_stage: IntArray
    """(Q, S)."""
    turn: IntArray
    """(Q, S) slots, callers first."""
    spread: IntArray
    """(Q, M) 0 free, 1 by node, 2 by zone."""
    request: FloatArray
    """(Q, M, R) of one replica."""
    mask: BoolArray
    """(Q, M, N) nodes of the agent that suit a stage when they are ready and empty."""
    int_at: IntArray
    """(Q, fields + 1) where each integer field begins in `ints`."""
    float_at: IntArray
    ints: IntArray
    floats: FloatArray
    branches: IntArray
    """(., 2) pairs of stages, then of transfers, of which neither waits for the other."""
    branch_at: IntArray
    """(Q, 3) where either begins in `branches`."""
    inner_pairs: IntArray
    """(Q,)."""
    rooted: BoolArray
    """(Q,) whether users call a single stage."""
    pair_start: IntArray
    """(Q, T + 1) first node pair of each transfer."""
    need: FloatArray
    """(Q, M) instructions per replica that a request causes."""
    payload: FloatArray
    """(Q, M) bits that reach a stage per request."""
    parent: IntArray
    """(Q, S) first slot of the stage that calls; -1 for users."""


def make_pool(
    substrate: Substrate, dags: Sequence[ServiceDag], region: IntArray, members: Sequence[IntArray]
) -> Pool:
    """The templates `dags`, placed by the agent `region` (Q,) on its `members` (node indices).

    Raises ValueError for no template, and for an agent that is not there.
    """
    if not len(dags):
        raise ValueError("an episode has no DAG templates; give at least one")
    if len(region) != len(dags) or region.min() < 0 or region.max() >= len(members):
        raise ValueError(
            f"region must name one of the {len(members)} agents for each of the {len(dags)} templates"
        )
    arrays = [compile_dag(dag, substrate) for dag in dags]
    counts = [replica_counts(dag) for dag in dags]
    starts = [np.append(0, np.cumsum(count)).astype(np.int32) for count in counts]
    M, S = max(len(a.work) for a in arrays), max(int(s[-1]) for s in starts)
    T, Q, N = max(len(a.source) for a in arrays), len(dags), len(substrate.nodes)
    hops = substrate.path.shape[2] + 3
    pool_ints, int_at = _flat(arrays, INTS, np.int32)
    pool_floats, float_at = _flat(arrays, FLOATS, np.float64)
    branches, branch_at = _flat(arrays, ("stage_pairs", "transfer_pairs"), np.int32)
    start, pair_start = np.zeros((Q, M + 1), np.int32), np.zeros((Q, T + 1), np.int32)
    slot_stage, turn = np.zeros((Q, S), np.int32), np.zeros((Q, S), np.int32)
    spread, request = np.zeros((Q, M), np.int32), np.zeros((Q, M, len(RESOURCES)))
    mask, pairs = np.zeros((Q, M, N), bool), np.zeros(Q, np.int32)
    need, payload, parent = np.zeros((Q, M)), np.zeros((Q, M)), np.full((Q, S), -1, np.int32)
    for q, (dag, a, first) in enumerate(zip(dags, arrays, starts, strict=True)):
        m = len(a.work)
        start[q, : m + 1], start[q, m + 1 :] = first, first[-1]
        width = np.append(np.diff(first), 1)
        sizes = width[a.source] * width[a.target]
        pair_start[q, 1 : len(sizes) + 1] = np.cumsum(sizes)
        pairs[q] = sizes.sum()
        slot_stage[q, : first[-1]] = np.repeat(np.arange(m), np.diff(first))
        turn[q, : first[-1]] = np.concatenate([np.arange(first[s], first[s + 1]) for s in a.order])
        governed = np.zeros(N, bool)
        governed[members[region[q]]] = True
        for s, microservice in enumerate(dag.microservices):
            spread[q, s] = SPREADS[microservice.spread]
            request[q, s] = microservice.request
            suits = static_mask(substrate, microservice, dag.slice)
            mask[q, s] = governed & suits & fits(request[q, s], substrate.capacity)
        replicas = np.diff(first)
        need[q, :m] = a.visits * a.work / replicas
        inner = a.target >= 0
        np.add.at(payload[q], a.target[inner], (a.size * a.times)[inner])
        calls = np.where(a.caller >= 0, first[a.caller], -1)
        parent[q, : first[-1]] = np.repeat(calls, replicas)
    slots = np.array([s[-1] for s in starts], np.int32)

    def bounds(values: Sequence[float | None], otherwise: float) -> FloatArray:
        return np.array([otherwise if v is None else v for v in values], float)

    return Pool(
        stages=np.array([len(a.work) for a in arrays], np.int32),
        transfers=np.array([len(a.source) for a in arrays], np.int32),
        slots=slots,
        units=slots + pairs,
        visits=-(-(slots + pairs * np.int32(hops)) // LANES) * LANES,
        meetings=pairs * np.int32(MEETINGS) + np.int32(1),
        pipeline=np.array([a.pipeline for a in arrays], np.bool_),
        rate=np.array([a.rate for a in arrays]),
        limit=np.array([a.limit for a in arrays]),
        z=np.array([a.z for a in arrays]),
        jitter=bounds([d.qos.max_jitter for d in dags], np.inf),
        skew=bounds([d.qos.max_skew for d in dags], np.inf),
        success=bounds([d.qos.min_success for d in dags], 0.0),
        region=np.asarray(region, np.int32).copy(),
        moves=np.array(
            [d.policy.max_migrations_per_minute if d.policy.migration_allowed else 0 for d in dags], np.int32
        ),
        start=start,
        slot_stage=slot_stage,
        turn=turn,
        spread=spread,
        request=request,
        mask=mask,
        int_at=int_at,
        float_at=float_at,
        ints=pool_ints,
        floats=pool_floats,
        branches=branches.reshape(-1, 2),
        branch_at=branch_at // 2,
        inner_pairs=np.array([a.inner_pairs for a in arrays], np.int32),
        rooted=np.array([(a.source == USER).sum() == 1 for a in arrays], np.bool_),
        pair_start=pair_start,
        need=need,
        payload=payload,
        parent=parent,
    )


def _flat(arrays: Sequence[DagArrays], names: Sequence[str], dtype: type) -> tuple[Any, IntArray]:
    parts = [np.ravel(getattr(a, name)) for a in arrays for name in names]
    at = np.append(0, np.cumsum([len(part) for part in parts])).astype(np.int32)
    ends = np.lib.stride_tricks.sliding_window_view(at, len(names) + 1)[:: len(names)]
    return np.concatenate(parts).astype(dtype), np.ascontiguousarray(ends)


@inlined
def template(pool: Pool, q: int, cell: int, cell_rate: float, cell_delay: float) -> DagArrays:
    """Template q at one request per second, its users at `cell`."""
    at, ints, fat, floats = pool.int_at[q], pool.ints, pool.float_at[q], pool.floats
    pairs = pool.branch_at[q]
    return DagArrays(
        pipeline=pool.pipeline[q],
        rate=1.0,
        limit=pool.limit[q],
        cell=cell,
        cell_rate=cell_rate,
        cell_delay=cell_delay,
        z=pool.z[q],
        order=ints[at[0] : at[1]],
        work=floats[fat[0] : fat[1]],
        cores=floats[fat[1] : fat[2]],
        visits=floats[fat[2] : fat[3]],
        traffic=ints[at[1] : at[2]],
        caller=ints[at[2] : at[3]],
        source=ints[at[3] : at[4]],
        target=ints[at[4] : at[5]],
        size=floats[fat[3] : fat[4]],
        times=floats[fat[4] : fat[5]],
        calls=floats[fat[5] : fat[6]],
        back=ints[at[5] : at[6]],
        parallel=ints[at[6] : at[7]],
        min_bandwidth=floats[fat[6] : fat[7]],
        bound=floats[fat[7] : fat[8]],
        inward_start=ints[at[7] : at[8]],
        inward=ints[at[8] : at[9]],
        outward_start=ints[at[9] : at[10]],
        outward=ints[at[10] : at[11]],
        stage_pairs=pool.branches[pairs[0] : pairs[1]],
        transfer_pairs=pool.branches[pairs[1] : pairs[2]],
        inner_pairs=pool.inner_pairs[q],
    )
