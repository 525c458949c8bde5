"""The latency of requests through placements of one DAG: the scenario recursion."""

import math

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, inlined, kernel
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
from edgewright.core.request import Request, draw, mean_of, times_called
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
    """From job times to MEAN, JITTER (as variance until read), SKEW and ACCESS of the request."""
    out[SKEW] = 0.0
    if dag.pipeline:
        _flow(dag, req, out)
    else:
        _call(dag, table, req, out)
    M, K = len(dag.work), len(req.total)
    user = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]
    if len(user) == 1:
        out[ACCESS] = mean_of(req.seconds[M + user[0]])
    else:
        req.latest[:] = 0.0
        for t in user:
            for k in range(K):
                req.latest[k] = max(req.latest[k], req.seconds[M + t, k])
        out[ACCESS] = mean_of(req.latest)
    mean = mean_of(req.total)
    variance = 0.0
    for k in range(K):
        variance += (req.total[k] - mean) ** 2
    out[MEAN], out[JITTER] = mean, math.sqrt(variance / K)


@inlined
def _flow(dag: DagArrays, req: Request, out: FloatArray) -> None:
    """Data flows from the sources to the user; joins wait for all inputs."""
    M, K = len(dag.work), len(req.total)
    for at in range(M + 1):
        m = dag.order[at] if at < M else M
        first, last = dag.inward_start[m], dag.inward_start[m + 1]
        end = req.finish[m] if m < M else req.total
        _arrive(dag, req, dag.inward[first], end)
        if last - first > 1:
            copy(end, req.earliest)
            for e in range(first + 1, last):
                _arrive(dag, req, dag.inward[e], req.latest)
                for k in range(K):
                    end[k] = max(end[k], req.latest[k])
                    req.earliest[k] = min(req.earliest[k], req.latest[k])
            out[SKEW] = max(out[SKEW], mean_of(end) - mean_of(req.earliest))
        if m < M:
            own = req.seconds[m]
            for k in range(K):
                end[k] += own[k]


@inlined
def _arrive(dag: DagArrays, req: Request, t: int, arrival: FloatArray) -> None:
    """When transfer t has arrived, into (K,)."""
    source, way = dag.source[t], req.seconds[len(dag.work) + t]
    if source < 0:
        for k in range(len(arrival)):
            arrival[k] = way[k]
    else:
        begun = req.finish[source]
        for k in range(len(arrival)):
            arrival[k] = begun[k] + way[k]


@inlined
def _call(dag: DagArrays, table: Scenarios, req: Request, out: FloatArray) -> None:
    """Callers wait for their callees, there and back: own work, sequential calls, then the parallel ones."""
    M, K = len(dag.work), len(req.total)
    for at in range(M - 1, -1, -1):
        m = dag.order[at]
        together = 0
        req.latest[:] = 0.0
        req.earliest[:] = 0.0
        for k in range(K):
            req.finish[m, k] = req.seconds[m, k]
        for e in range(dag.outward_start[m], dag.outward_start[m + 1]):
            t = dag.outward[e]
            target = dag.target[t]
            if target < 0:
                continue
            for k in range(K):
                trip = req.seconds[M + t, k] + req.finish[target, k] + req.seconds[M + dag.back[t], k]
                trip *= times_called(dag, table, t, k)
                if not dag.parallel[t]:
                    req.finish[m, k] += trip
                    continue
                req.latest[k] = trip if together == 0 else max(req.latest[k], trip)
                req.earliest[k] = trip if together == 0 else min(req.earliest[k], trip)
            together += dag.parallel[t]
        if together > 1:
            out[SKEW] = max(out[SKEW], mean_of(req.latest) - mean_of(req.earliest))
        for k in range(K):
            req.finish[m, k] += req.latest[k]
    entries = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]
    exits = dag.inward[dag.inward_start[M] : dag.inward_start[M + 1]]
    req.total[:] = 0.0
    for e in range(len(entries)):
        source = dag.target[entries[e]]
        for k in range(K):
            trip = req.seconds[M + entries[e], k] + req.finish[source, k] + req.seconds[M + exits[e], k]
            req.total[k] = max(req.total[k], trip)


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
