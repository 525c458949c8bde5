"""From a settled layout to a Settled: what a placement fixes whatever the load, compactly."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.meetings import Meeting, meet_all
from edgewright.core.outcome import once
from edgewright.core.overlap import choose, pair_of
from edgewright.core.request import Request
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import Settled
from edgewright.core.stations import (
    Infrastructure,
    Layout,
    add_load,
    arrange,
    bit,
    container_rho,
    find_routes,
    forget,
    nowhere,
    pairs,
    station_rate,
    transfer_load,
    weigh_stages,
)
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import stretch_power, stretch_scale


@inlined
def fix(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    space: Meeting,
    assign: IntArray,
    kept: bool,
    out: Settled,
) -> None:
    """Settle the placement `assign` (S,), whose every stage has a replica, compactly into `out`.

    `lay`, `req` and `space` are work space. Branches overlap as in `overlap.overlap`, every meeting's share
    apart from the stretch of its stations.
    `kept`: `out` is of this placement with its users elsewhere, who call a single stage; so all that they do
    not send themselves is as before but starts as much later, and replicas are chosen as before.
    """
    M, T, several = len(dag.work), len(dag.source), False
    arrange(dag, infra, lay, assign, True)
    for m in range(M):
        several = several or lay.placed[m] > 1
    for t in range(T):
        if not kept or _of_users(dag, t):
            find_routes(dag, infra, lay, t)
    inner = _recall_inner(dag, lay, out) if kept else _fix_inner(dag, infra, lay, out)
    at = inner
    forget(lay)
    for t in range(T):
        if _of_users(dag, t):
            at = _fix_transfer(dag, infra, lay, out, t, at)
    out.visit[out.first[M + T]] = at
    for h in range(inner if kept else 0, at):
        k = out.scale[h]
        out.power[h], out.scale[h] = stretch_power(k), stretch_scale(k)
    out.used[0] = out.used[1]
    _keep_load(dag, lay, out)
    if several and not kept:
        _choose_units(dag, infra, table, lay, req, out)
    meet_all(dag, infra, table, lay, req, space, several, kept, out)
    out.reached[0] = _reach(infra, out, req.touch)


@inlined
def _of_users(dag: DagArrays, t: int) -> bool:
    """Whether users send or get transfer t."""
    source: bool = dag.source[t] < 0
    target: bool = dag.target[t] < 0
    return source or target


@inlined
def _fix_inner(dag: DagArrays, infra: Infrastructure, lay: Layout, out: Settled) -> int:
    """Where every job's units are, and all but those of the users' transfers; how many visits these make."""
    unit, at = 0, 0
    for m in range(len(dag.work)):
        out.first[m] = unit
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            node = lay.node[slot]
            cores = min(dag.cores[m], infra.cores[node])
            speed = cores * infra.speed[node]
            out.visit[unit], out.last[unit] = at, at + 1
            out.station[at], out.scale[at] = node, infra.cores[node] / cores
            at += 1
            limited = dag.cores[m] < infra.cores[node]
            alone = container_rho(dag, lay, m, slot, speed) / dag.rate
            out.own[unit], out.met[unit] = alone if limited else 0.0, lay.share[slot]
            lay.stage_ideal[slot] = dag.work[m] / speed if dag.work[m] > 0.0 else 0.0
            lay.stage_fixed[slot] = infra.compute_delay[node]
            out.ideal[unit], out.fixed[unit] = lay.stage_ideal[slot], lay.stage_fixed[slot]
            unit += 1
    for t in range(len(dag.source)):
        out.first[len(dag.work) + t] = unit
        unit += pairs(dag, lay, t)
    out.first[len(dag.work) + len(dag.source)] = unit
    forget(lay)
    for t in range(len(dag.source)):
        if not _of_users(dag, t):
            at = _fix_transfer(dag, infra, lay, out, t, at)
    weigh_stages(dag, infra, lay)
    out.used[0] = 0
    _keep_load(dag, lay, out)
    out.used[1] = out.used[0]
    return at


@inlined
def _recall_inner(dag: DagArrays, lay: Layout, out: Settled) -> int:
    """Give the layout what `_fix_inner` found of this placement; how many visits these make."""
    at = 0
    for m in range(len(dag.work)):
        unit = out.first[m]
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            lay.stage_ideal[slot], lay.stage_fixed[slot] = out.ideal[unit], out.fixed[unit]
            at, unit = out.last[unit], unit + 1
    for t in range(len(dag.source)):
        if not _of_users(dag, t):
            unit = out.first[len(dag.work) + t]
            for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
                lay.ideal[pair], lay.fixed[pair], lay.cap[pair] = (
                    out.ideal[unit],
                    out.fixed[unit],
                    out.cap[unit],
                )
                bits = 0
                for h in range(out.visit[unit], out.last[unit]):
                    bits |= bit(out.station[h])
                lay.bits[pair] = bits
                at, unit = out.last[unit], unit + 1
    return at


@inlined
def _fix_transfer(dag: DagArrays, infra: Infrastructure, lay: Layout, out: Settled, t: int, at: int) -> int:
    """The units of transfer t, whose visits begin at `at`; where the next ones begin."""
    unit = out.first[len(dag.work) + t]
    for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
        cap = lay.cap[pair]
        lay.ideal[pair] = dag.size[t] / cap if cap > 0.0 else 0.0
        lay.fixed[pair] = lay.fixed[pair] if cap > 0.0 else np.inf
        load, bits = transfer_load(dag, lay, t, pair), 0
        out.visit[unit] = at
        for h in range(lay.hops[pair]):
            station = lay.route[pair, h]
            if station == nowhere(infra):
                break
            rate = station_rate(dag, infra, station)
            out.station[at], out.scale[at] = station, rate / cap
            bits |= bit(station)
            add_load(lay, station, load / rate)
            at += 1
        out.last[unit], lay.bits[pair] = at, bits
        out.ideal[unit], out.fixed[unit], out.cap[unit] = lay.ideal[pair], lay.fixed[pair], cap
        out.own[unit] = dag.times[t] * lay.ideal[pair] * lay.joint[pair]
        out.met[unit] = lay.joint[pair]
        unit += 1
    return at


@inlined
def _keep_load(dag: DagArrays, lay: Layout, out: Settled) -> None:
    """Add the layout's load to what `out` has."""
    used = out.used[0]
    for i in range(lay.used[0]):
        out.touched[used + i] = lay.touched[i]
        out.load[used + i] = lay.rho[lay.touched[i]] / dag.rate
    out.used[0] = used + lay.used[0]


@inlined
def _reach(infra: Infrastructure, out: Settled, miss: FloatArray) -> float:
    """`outcome.reach` of a settled placement."""
    units = out.first[len(out.first) - 1]
    for unit in range(units):
        for h in range(out.visit[unit], out.last[unit]):
            miss[infra.element[out.station[h]]] *= 1.0 - out.met[unit]
    success = 1.0
    for h in range(out.visit[units]):
        success *= once(infra, miss, infra.element[out.station[h]])
    return success


@kernel
def _choose_units(
    dag: DagArrays, infra: Infrastructure, table: Scenarios, lay: Layout, req: Request, out: Settled
) -> None:
    """The unit of every job with several in each scenario: replicas first, then the pairs they form."""
    M, K = len(dag.work), table.work.shape[1]
    for m in dag.order:
        if lay.placed[m] == 1:
            for k in range(K):
                req.picked[k, m] = 0
        else:
            for k in range(K):
                req.picked[k, m] = choose(dag, infra, lay, req.picked[k], m, table.choice[m, k])
                out.pick[m * K + k] = out.first[m] + req.picked[k, m]
    for t in range(len(dag.source)):
        if out.first[M + t + 1] - out.first[M + t] > 1:
            for k in range(K):
                out.pick[(M + t) * K + k] = (
                    out.first[M + t] + pair_of(dag, lay, req.picked[k], t) - lay.pair_start[t]
                )
