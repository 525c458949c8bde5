"""What a placement does to the DAGs beside it: their new latency, and the price of each station's load."""

import math

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.latency import complete, sample
from edgewright.core.outcome import lose
from edgewright.core.overlap import pair_of
from edgewright.core.request import Request, times_called
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import (
    Infrastructure,
    Layout,
    container_rho,
    copy,
    settle,
    station_rate,
)
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import RHO_CAP, stretch

STEP = 0.05
"""Utilisation ahead of the present one at which prices are taken: about what one more replica adds."""


@entry
def station_use(
    dag: DagArrays, infra: Infrastructure, lay: Layout, assign: IntArray, reserve: FloatArray
) -> None:
    """Utilisation `lay.rho` and reserved bit/s `reserve` (stations,) that one placement (S,) causes."""
    settle(dag, infra, lay, assign, True, True)
    add_reserve(dag, lay, reserve)


@kernel
def add_reserve(dag: DagArrays, lay: Layout, reserve: FloatArray) -> None:
    """Add the bandwidth that invocations reserve on their routes, by each pair's share of the traffic."""
    for t in range(len(dag.source)):
        if dag.min_bandwidth[t] > 0.0:
            i = lay.placed[dag.source[t]] * lay.placed[dag.target[t]]
            for pair in range(lay.pair_start[t], lay.pair_start[t] + i):
                for h in range(lay.hops[pair]):
                    reserve[lay.route[pair, h]] += dag.min_bandwidth[t] * lay.joint[pair]


@entry
def affected(
    dag: DagArrays,
    lay: Layout,
    assign: IntArray,
    other: DagArrays,
    theirs: Layout,
    req: Request,
    infra: Infrastructure,
    table: Scenarios,
    background: FloatArray,
    idle: FloatArray,
    base: FloatArray,
    whole: bool,
    out: FloatArray,
) -> None:
    """Predict `other`, settled in `theirs`, into `out` (B, OUTPUTS) beside each placement `assign` (B, S).

    `background` (stations,) counts everything placed, `other` included; `base` (OUTPUTS,) is its prediction
    without `dag`, kept where they share no station. Without `whole`, unplaced slots of `dag` add nothing.
    """
    rho = req.rho
    copy(background, rho)
    for b in range(len(assign)):
        settle(dag, infra, lay, assign[b], whole, True)
        shared = False
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station] + lay.rho[station]
            shared = shared or theirs.rho[station] > 0.0
        if shared:
            sample(other, infra, theirs, table, req, idle, out[b])
        else:
            copy(base, out[b])
        for station in lay.touched[: lay.used[0]]:
            rho[station] = background[station]


@entry
def predict_settled(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    rho: FloatArray,
    idle: FloatArray,
    out: FloatArray,
) -> None:
    """Predict a settled placement at utilisation `rho` (stations,), its own included, into (OUTPUTS,)."""
    if complete(lay):
        copy(rho, req.rho)
        sample(dag, infra, lay, table, req, idle, out)
    else:
        lose(out)


@entry
def price_stations(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    rho: FloatArray,
    idle: FloatArray,
    weight: float,
    out: FloatArray,
    price: FloatArray,
) -> None:
    """Predict a settled placement like `predict_settled`, and price its stations.

    price (stations,) gains weight x d(mean latency)/d(rho): the slope of each wait on the path that was
    critical in each scenario (the derivative of a maximum is that of its largest term).
    """
    if not complete(lay):
        return
    copy(rho, req.rho)
    sample(dag, infra, lay, table, req, idle, out)
    critical = req.critical
    M, K = len(dag.work), len(req.total)
    for k in range(K):
        critical[:] = 0.0
        if dag.pipeline:
            _trace_flow(dag, req, k, critical)
        else:
            _trace_calls(dag, table, req, k, critical)
        for m in range(M):
            if critical[m] > 0.0:
                factor = weight * critical[m] * table.work_wait[m, k] / K
                _charge_stage(dag, infra, lay, rho, m, lay.start[m] + req.picked[k, m], factor, price)
        for t in range(len(dag.source)):
            if critical[M + t] > 0.0:
                pair = pair_of(dag, lay, req.picked[k], t)
                factor = weight * critical[M + t] * table.payload_wait[t, k] / K * lay.ideal[pair]
                for h in range(lay.hops[pair]):
                    station = lay.route[pair, h]
                    k_ratio = station_rate(dag, infra, station) / lay.cap[pair]
                    price[station] += factor * slope(rho[station] + STEP, k_ratio)


@kernel
def slope(rho: float, k: float) -> float:
    """dQ/d(rho) of `stretch`, at most that of its cap."""
    rho = min(rho, RHO_CAP)
    if rho <= 0.0 or not k < np.inf:
        return 0.0
    if k <= 1.0:
        return 1.0 / (1.0 - rho) ** 2
    e = math.sqrt(2.0 * (k + 1.0)) - 1.0
    return rho ** (e - 1.0) * (e * (1.0 - rho) + rho) / (k * (1.0 - rho) ** 2)


@kernel
def _charge_stage(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    m: int,
    slot: int,
    factor: float,
    price: FloatArray,
) -> None:
    node = lay.node[slot]
    cores = min(dag.cores[m], infra.cores[node])
    k = infra.cores[node] / cores
    part = 1.0
    if dag.cores[m] < infra.cores[node]:
        own = stretch(container_rho(dag, lay, m, slot, cores * infra.speed[node]), 1.0)
        ours = infra.crowd[node] * stretch(rho[node] + STEP, k)
        part = ours / math.sqrt(own * own + ours * ours)
    price[node] += factor * lay.stage_ideal[slot] * part * infra.crowd[node] * slope(rho[node] + STEP, k)


@kernel
def _trace_flow(dag: DagArrays, req: Request, k: int, critical: FloatArray) -> None:
    """Mark the jobs on the path that ended last in scenario k."""
    M = len(dag.work)
    m = M
    while m >= 0:
        last, latest = -1, -1.0
        for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
            source = dag.source[t]
            arrival = req.seconds[M + t, k] + (req.finish[source, k] if source >= 0 else 0.0)
            if arrival > latest:
                last, latest = t, arrival
        critical[M + last] = 1.0
        m = dag.source[last]
        if m >= 0:
            critical[m] = 1.0


@kernel
def _trace_calls(dag: DagArrays, table: Scenarios, req: Request, k: int, critical: FloatArray) -> None:
    """Weigh the jobs by how often the longest chain of calls of scenario k visits them."""
    M = len(dag.work)
    entries = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]]
    exits = dag.inward[dag.inward_start[M] : dag.inward_start[M + 1]]
    for e in range(len(entries)):
        source = dag.target[entries[e]]
        trip = req.seconds[M + entries[e], k] + req.finish[source, k] + req.seconds[M + exits[e], k]
        if trip >= req.total[k]:
            critical[M + entries[e]] = critical[source] = critical[M + exits[e]] = 1.0
            break
    for m in dag.order:
        if critical[m] == 0.0:
            continue
        last, latest = -1, -1.0
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
            target = dag.target[t]
            if target < 0:
                continue
            calls = times_called(dag, table, t, k)
            if not dag.parallel[t]:
                _mark_call(dag, t, critical[m] * calls, critical)
                continue
            trip = req.seconds[M + t, k] + req.finish[target, k] + req.seconds[M + dag.back[t], k]
            if calls * trip > latest:
                last, latest = t, calls * trip
        if last >= 0:
            _mark_call(dag, last, critical[m] * times_called(dag, table, last, k), critical)


@kernel
def _mark_call(dag: DagArrays, t: int, times: float, critical: FloatArray) -> None:
    M = len(dag.work)
    critical[M + t] += times
    critical[M + dag.back[t]] += times
    critical[dag.target[t]] += times
