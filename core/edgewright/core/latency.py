"""The latency of requests through placements of one DAG: the scenario recursion."""

import math
from typing import Any

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, inlined, kernel
from edgewright.core.lanes import LANES, alike, larger, put, smaller, take, total, where_less
from edgewright.core.outcome import (
    ACCESS,
    BOUND,
    JITTER,
    MEAN,
    PERCENTILE,
    SKEW,
    lose,
    percentile,
    reach,
    read,
    transfer_bounds,
)
from edgewright.core.overlap import overlap
from edgewright.core.request import Request, draw, mean_of, times_in_lanes
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, copy, settle, time
from edgewright.core.substrate import FloatArray, IntArray


@entry
def predict(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    assign: IntArray,
    background: FloatArray,
    backlog: FloatArray,
    price: FloatArray,
    out: FloatArray,
    toll: FloatArray,
) -> None:
    """Predict B placements `assign` (B, S) into `out` (B, OUTPUTS) and `toll` (B,) = price . own utilisation.

    `background` and `backlog` (stations,): utilisation by everything else, seconds of queued work. A stage
    with no replica gives infinite latency.
    """
    rho = req.rho
    copy(background, rho)
    for b in range(len(assign)):
        settle(dag, infra, lay, assign[b], True, True)
        if not complete(lay):
            lose(out[b])
            toll[b] = np.inf
            continue
        toll[b] = 0.0
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station] + lay.rho[station]
            toll[b] += price[station] * lay.rho[station]
        sample(dag, infra, lay, table, req, backlog, out[b])
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station]


@entry
def bound(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    assign: IntArray,
    background: FloatArray,
    idle: FloatArray,
    floor: FloatArray,
    out: FloatArray,
) -> None:
    """Lower bounds of the mean latency, in `out` (B, OUTPUTS), over all completions of partial (B, S).

    Load of unplaced slots and overlap are dropped (both only add); `floor` (M + T,) seconds stand for jobs
    with an unplaced end. Slots of one stage must be filled from the first on, in node order.
    """
    rho = req.rho
    copy(background, rho)
    req.added[:] = 0.0
    for b in range(len(assign)):
        settle(dag, infra, lay, assign[b], False, True)
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station] + lay.rho[station]
        time(dag, infra, lay, rho, idle)
        draw(dag, infra, lay, table, req, floor)
        recur(dag, table, req, out[b])
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station]


@kernel
def sample(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    table: Scenarios,
    req: Request,
    backlog: FloatArray,
    out: FloatArray,
) -> None:
    """Predict a settled placement at the utilisation `req.rho` into `out` (OUTPUTS,)."""
    time(dag, infra, lay, req.rho, backlog)
    overlap(dag, infra, lay, req.rho, table.overlap_choice, req.chosen, req.duration, req.begin, req.added)
    draw(dag, infra, lay, table, req, req.begin)
    recur(dag, table, req, out)
    read(dag, req, reach(dag, infra, lay, req.touch), out)


@kernel
def complete(lay: Layout) -> bool:
    """Whether every stage has a replica."""
    for placed in lay.placed:  # noqa: SIM110 (kernels have no generators)
        if placed == 0:
            return False
    return True


@inlined
def recur(dag: DagArrays, table: Scenarios, req: Request, out: FloatArray) -> None:
    """From job times to MEAN, JITTER, SKEW and ACCESS of the request."""
    out[SKEW] = 0.0
    if dag.pipeline:
        _flow(dag, req, out)
    else:
        _call(dag, table, req, out)
    M, K = len(dag.work), len(req.total)
    accessed, mean, variance = alike(0.0), mean_of(req.total), alike(0.0)
    for k in range(0, K, LANES):
        latest = alike(0.0)
        for e in range(dag.outward_start[M], dag.outward_start[M + 1]):
            latest = larger(latest, take(req.seconds[M + dag.outward[e]], k))
        accessed = accessed + latest
        apart = take(req.total, k) - mean
        variance = variance + apart * apart
    out[ACCESS], out[MEAN], out[JITTER] = total(accessed) / K, mean, math.sqrt(total(variance) / K)


@inlined
def _flow(dag: DagArrays, req: Request, out: FloatArray) -> None:
    """Data flows from the sources to the user; joins wait for all inputs."""
    M, K = len(dag.work), len(req.total)
    for at in range(M + 1):
        m = dag.order[at] if at < M else M
        first, last, waited = dag.inward_start[m], dag.inward_start[m + 1], alike(0.0)
        for k in range(0, K, LANES):
            latest = _arrival(dag, req, dag.inward[first], k)
            earliest = latest
            for e in range(first + 1, last):
                arrival = _arrival(dag, req, dag.inward[e], k)
                latest, earliest = larger(latest, arrival), smaller(earliest, arrival)
            waited = waited + (latest - earliest)
            if m < M:
                put(req.finish[m], k, latest + take(req.seconds[m], k))
            else:
                put(req.total, k, latest)
        if last - first > 1:
            out[SKEW] = max(out[SKEW], total(waited) / K)


@inlined
def _arrival(dag: DagArrays, req: Request, t: int, k: int) -> Any:
    """When transfer t has arrived, in the scenarios from k on."""
    arrival = take(req.seconds[len(dag.work) + t], k)
    return arrival + take(req.finish[dag.source[t]], k) if dag.source[t] >= 0 else arrival


@inlined
def _call(dag: DagArrays, table: Scenarios, req: Request, out: FloatArray) -> None:
    """Callers wait for their callees, there and back: own work, sequential calls, then the parallel ones."""
    M, K = len(dag.work), len(req.total)
    for at in range(M - 1, -1, -1):
        m = dag.order[at]
        together, waited = 0, alike(0.0)
        for k in range(0, K, LANES):
            end, latest, earliest, together = take(req.seconds[m], k), alike(0.0), alike(np.inf), 0
            for e in range(dag.outward_start[m], dag.outward_start[m + 1]):
                t = dag.outward[e]
                if dag.target[t] < 0:
                    continue
                times = times_in_lanes(dag, table, t, k)
                trip = _trip(dag, req, t, dag.back[t], k) * times
                if dag.parallel[t]:
                    latest, together = larger(latest, trip), together + 1
                    # a call that is not made has no reply to wait for
                    earliest = smaller(earliest, where_less(0.0, times, trip, np.inf))
                else:
                    end = end + trip
            put(req.finish[m], k, end + latest)
            waited = waited + (latest - smaller(earliest, latest))
        if together > 1:
            out[SKEW] = max(out[SKEW], total(waited) / K)
    entries = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]
    exits = dag.inward[dag.inward_start[M] : dag.inward_start[M + 1]]
    for k in range(0, K, LANES):
        latest = alike(0.0)
        for e in range(len(entries)):
            latest = larger(latest, _trip(dag, req, entries[e], exits[e], k))
        put(req.total, k, latest)


@inlined
def _trip(dag: DagArrays, req: Request, t: int, back: int, k: int) -> Any:
    """Transfer t, its target until it replies, and the reply, in the scenarios from k on."""
    M = len(dag.work)
    there = take(req.seconds[M + t], k) + take(req.finish[dag.target[t]], k)
    return there + take(req.seconds[M + back], k)


@entry
def idle(
    dag: DagArrays, table: Scenarios, req: Request, ideal: FloatArray, fixed: FloatArray, out: FloatArray
) -> None:
    """Predict into `out` (OUTPUTS,) a request whose jobs (M + T,) take size x `ideal` + `fixed` seconds."""
    M, K = len(dag.work), len(req.total)
    for job in range(len(ideal)):
        for k in range(K):
            size = table.work[job, k] if job < M else table.payload[job - M, k]
            req.seconds[job, k] = size * ideal[job] + fixed[job]
        req.begin[job] = mean_of(req.seconds[job])
    recur(dag, table, req, out)
    out[PERCENTILE] = percentile(out[MEAN], out[JITTER], dag.z)
    out[BOUND] = transfer_bounds(dag, req)
