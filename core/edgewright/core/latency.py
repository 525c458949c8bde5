"""The latency of requests through placements of one DAG: the scenario recursion and what is read from it."""

import math
from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import TIMEOUT, DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.overlap import choose, overlap
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, copy, pairs, replicas, settle, time
from edgewright.core.substrate import FloatArray, IntArray

OUTPUTS = 10
MEAN, PERCENTILE, JITTER, SKEW, SUCCESS, VIOLATION, ACCESS, PROCESSING, SYNCHRONISATION, BOUND = range(
    OUTPUTS
)
"""Columns of a prediction; BOUND is the largest transfer time at the percentile over its own limit."""


class Request(NamedTuple):
    """Work space of one request in K scenarios; rows 0..M are stages, M..M+T transfers."""

    picked: IntArray
    """(K, M) replica of each stage; -1 where it has none."""
    seconds: FloatArray
    """(M + T, K) time of each stage and transfer."""
    finish: FloatArray
    """(M, K) end of each stage (pipeline), or its duration from call to reply."""
    latest: FloatArray
    """(K,) scratch of joins."""
    earliest: FloatArray
    total: FloatArray
    """(K,) latency of the request."""
    added: FloatArray
    """(M + T,) overlap O."""
    begin: FloatArray
    """(M + T,) idle start times, then mean times."""
    duration: FloatArray
    """(M,) idle seconds from call to reply, then ends on the path of means."""
    chosen: IntArray
    """(M,) one choice of replicas."""
    touch: FloatArray
    """(stations,) probability that a request misses the station."""
    rho: FloatArray
    """(stations,) utilisation by everything."""
    critical: FloatArray
    """(M + T,) how often the critical path of a scenario visits each job."""


def make_request(dag: DagArrays, infra: Infrastructure, table: Scenarios) -> Request:
    """Empty work space."""
    M, J, K = len(dag.work), len(dag.work) + len(dag.source), table.work.shape[1]
    stations = len(infra.capacity)
    return Request(
        picked=np.zeros((K, M), np.int32),
        seconds=np.zeros((J, K)),
        finish=np.zeros((M, K)),
        latest=np.zeros(K),
        earliest=np.zeros(K),
        total=np.zeros(K),
        added=np.zeros(J),
        begin=np.zeros(J),
        duration=np.zeros(M),
        chosen=np.zeros(M, np.int32),
        touch=np.ones(stations),
        rho=np.zeros(stations),
        critical=np.zeros(J),
    )


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
    read(dag, infra, lay, req, out)


@kernel
def complete(lay: Layout) -> bool:
    """Whether every stage has a replica."""
    for placed in lay.placed:  # noqa: SIM110 (kernels have no generators)
        if placed == 0:
            return False
    return True


@kernel
def lose(out: FloatArray) -> None:
    """The prediction of a request that never ends."""
    out[:] = np.inf
    out[SUCCESS] = 0.0
    out[VIOLATION] = 1.0


@kernel
def draw(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    table: Scenarios,
    req: Request,
    floor: FloatArray,
) -> None:
    """Sample every stage and transfer: T = s (x (1 + Q omega) + O) + d; `floor` where an end is unplaced."""
    M, K = len(dag.work), table.work.shape[1]
    for m in dag.order:
        if lay.total[m] > 1 or lay.placed[m] == 0:
            for k in range(K):
                req.picked[k, m] = choose(dag, infra, lay, req.picked[k], m, table.choice[m, k])
        else:
            req.picked[:, m] = 0
    for m in range(M):
        size, wait, first = table.work[m], table.work_wait[m], lay.start[m]
        if lay.total[m] == 1 and lay.placed[m] == 1:
            ideal, fixed = lay.stage_ideal[first] + req.added[m], lay.stage_fixed[first]
            delay = lay.stage_wait[first]
            for k in range(K):
                req.seconds[m, k] = size[k] * ideal + wait[k] * delay + fixed
            continue
        for k in range(K):
            slot = first + req.picked[k, m]
            if req.picked[k, m] < 0:
                req.seconds[m, k] = floor[m]
            else:
                ideal = lay.stage_ideal[slot] + req.added[m]
                req.seconds[m, k] = size[k] * ideal + wait[k] * lay.stage_wait[slot] + lay.stage_fixed[slot]
    for t in range(len(dag.source)):
        _draw_transfer(dag, lay, table, req, floor, t)


@kernel
def _draw_transfer(
    dag: DagArrays, lay: Layout, table: Scenarios, req: Request, floor: FloatArray, t: int
) -> None:
    M, K = len(dag.work), table.work.shape[1]
    source, target = dag.source[t], dag.target[t]
    size, wait, first = table.payload[t], table.payload_wait[t], lay.pair_start[t]
    if (source < 0 or (lay.total[source] == 1 and lay.placed[source] == 1)) and (
        target < 0 or (lay.total[target] == 1 and lay.placed[target] == 1)
    ):
        ideal, fixed = lay.ideal[first] + req.added[M + t], lay.fixed[first]
        delay = lay.wait[first]
        for k in range(K):
            req.seconds[M + t, k] = size[k] * ideal + wait[k] * delay + fixed
        return
    width = replicas(lay, target)
    for k in range(K):
        i = req.picked[k, source] if source >= 0 else 0
        j = req.picked[k, target] if target >= 0 else 0
        if i < 0 or j < 0:
            req.seconds[M + t, k] = floor[M + t]
        else:
            pair = first + i * width + j
            ideal = lay.ideal[pair] + req.added[M + t]
            req.seconds[M + t, k] = size[k] * ideal + wait[k] * lay.wait[pair] + lay.fixed[pair]


@kernel
def recur(dag: DagArrays, table: Scenarios, req: Request, out: FloatArray) -> None:
    """From job times to MEAN, JITTER (as variance until read), SKEW and ACCESS of the request."""
    out[SKEW] = 0.0
    if dag.pipeline:
        _flow(dag, req, out)
    else:
        _call(dag, table, req, out)
    M, K = len(dag.work), len(req.total)
    user = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]
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


@kernel
def mean_of(values: FloatArray) -> float:
    """Mean of (K,)."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


@kernel
def _flow(dag: DagArrays, req: Request, out: FloatArray) -> None:
    """Data flows from the sources to the user; joins wait for all inputs."""
    M, K = len(dag.work), len(req.total)
    for at in range(M + 1):
        m = dag.order[at] if at < M else M
        first, last = dag.inward_start[m], dag.inward_start[m + 1]
        for e in range(first, last):
            t = dag.inward[e]
            source = dag.source[t]
            for k in range(K):
                arrival = req.seconds[M + t, k] + (req.finish[source, k] if source >= 0 else 0.0)
                req.latest[k] = arrival if e == first else max(req.latest[k], arrival)
                req.earliest[k] = arrival if e == first else min(req.earliest[k], arrival)
        if last - first > 1:
            out[SKEW] = max(out[SKEW], mean_of(req.latest) - mean_of(req.earliest))
        for k in range(K):
            if m < M:
                req.finish[m, k] = req.latest[k] + req.seconds[m, k]
            else:
                req.total[k] = req.latest[k]


@kernel
def times_called(dag: DagArrays, table: Scenarios, t: int, k: int) -> float:
    """Calls of invocation t in scenario k: the whole part, and one more as often as the fraction says."""
    whole = math.floor(dag.calls[t])
    return whole + (1.0 if table.call[t, k] < dag.calls[t] - whole else 0.0)


@kernel
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
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
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


@kernel
def read(dag: DagArrays, infra: Infrastructure, lay: Layout, req: Request, out: FloatArray) -> None:
    """Percentile, violation, success and Eq. 14's parts, from the scenarios' mean and variance."""
    mean, deviation = out[MEAN], out[JITTER]
    if not mean < 1e9:
        lose(out)
        return
    out[PERCENTILE] = percentile(mean, deviation, dag.z)
    out[VIOLATION] = beyond(mean, deviation, dag.limit)
    out[SUCCESS] = _reach(dag, infra, lay, req.touch) * (1.0 - beyond(mean, deviation, TIMEOUT))
    out[PROCESSING] = min(_critical(dag, req), mean - out[ACCESS])
    out[SYNCHRONISATION] = mean - out[ACCESS] - out[PROCESSING]
    out[BOUND] = _transfer_bounds(dag, req)


@kernel
def percentile(mean: float, deviation: float, z: float) -> float:
    """Quantile of the log-normal with this mean and standard deviation."""
    if mean <= 0.0:
        return 0.0
    variance = math.log1p((deviation / mean) ** 2)
    return mean * math.exp(z * math.sqrt(variance) - variance / 2.0)


@kernel
def beyond(mean: float, deviation: float, limit: float) -> float:
    """Share of the log-normal above `limit`."""
    if mean <= 0.0:
        return 0.0
    variance = math.log1p((deviation / mean) ** 2)
    if variance < 1e-12:
        return 1.0 if mean > limit else 0.0
    score = (math.log(limit / mean) + variance / 2.0) / math.sqrt(variance)
    return 0.5 * math.erfc(score / math.sqrt(2.0))


@kernel
def _transfer_bounds(dag: DagArrays, req: Request) -> float:
    """Largest ratio of a transfer's time at the percentile to its own limit; 0 without limits."""
    M, K, worst = len(dag.work), len(req.total), 0.0
    for t in range(len(dag.source)):
        if dag.bound[t] < np.inf:
            mean, variance = mean_of(req.seconds[M + t]), 0.0
            for k in range(K):
                variance += (req.seconds[M + t, k] - mean) ** 2
            worst = max(worst, percentile(mean, math.sqrt(variance / K), dag.z) / dag.bound[t])
    return worst


@kernel
def _critical(dag: DagArrays, req: Request) -> float:
    """Critical path of mean job times from the sources' arrivals to the user."""
    M, mean, end = len(dag.work), req.begin, req.duration
    for job in range(len(mean)):
        mean[job] = mean_of(req.seconds[job])
    if dag.pipeline:
        for m in dag.order:
            start = 0.0
            for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
                if dag.source[t] >= 0:
                    start = max(start, end[dag.source[t]] + mean[M + t])
            end[m] = start + mean[m]
    else:
        for at in range(M - 1, -1, -1):
            m = dag.order[at]
            longest = 0.0
            end[m] = mean[m]
            for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
                if dag.target[t] >= 0:
                    trip = dag.calls[t] * (mean[M + t] + end[dag.target[t]] + mean[M + dag.back[t]])
                    if dag.parallel[t]:
                        longest = max(longest, trip)
                    else:
                        end[m] += trip
            end[m] += longest
    total = 0.0
    for t in dag.inward[dag.inward_start[M] : dag.inward_start[M + 1]]:
        total = max(total, end[dag.source[t]] + mean[M + t])
    return total


@kernel
def _reach(dag: DagArrays, infra: Infrastructure, lay: Layout, miss: FloatArray) -> float:
    """Product of the success of the distinct nodes, links and cells, each as often as a request meets it."""
    for m in range(len(lay.placed)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            miss[lay.node[slot]] *= 1.0 - lay.share[slot]
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            for h in range(lay.hops[pair]):
                miss[_element(infra, lay.route[pair, h])] *= 1.0 - lay.joint[pair]
    success = 1.0
    for m in range(len(lay.placed)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            success *= _visit(infra, miss, lay.node[slot])
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            for h in range(lay.hops[pair]):
                success *= _visit(infra, miss, _element(infra, lay.route[pair, h]))
    return success


@kernel
def _visit(infra: Infrastructure, miss: FloatArray, station: int) -> float:
    """Success of a station counted once: its miss probability is reset to 1."""
    success = 1.0 - (1.0 - miss[station]) * (1.0 - infra.success[station])
    miss[station] = 1.0
    return success


@kernel
def _element(infra: Infrastructure, station: int) -> int:
    """One station for both directions of a port, a cell or a link: they fail together."""
    N = infra.nodes
    if 2 * N <= station < 3 * N or 4 * N <= station < 5 * N:
        return station - N
    if station >= 5 * N:
        return station - (station - 5 * N) % 2
    return station


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
    recur(dag, table, req, out)
    out[PERCENTILE] = percentile(out[MEAN], out[JITTER], dag.z)
    out[BOUND] = _transfer_bounds(dag, req)
