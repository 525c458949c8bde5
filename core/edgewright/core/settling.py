"""From a settled layout to a Settled: what a placement fixes whatever the load, compactly."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.meetings import Meeting, meet_all
from edgewright.core.outcome import reach
from edgewright.core.overlap import choose, pair_of
from edgewright.core.request import Request
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import Settled
from edgewright.core.stations import (
    Infrastructure,
    Layout,
    container_rho,
    pairs,
    station_rate,
)
from edgewright.core.waiting import stretch_power, stretch_scale


@inlined
def fix(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    space: Meeting,
    kept: bool,
    out: Settled,
) -> None:
    """Compact a placement whose every stage has a replica, settled with its utilisation, into `out`.

    `req` and `space` are work space. The layout gets the ideal times that `time` gives it on idle stations.
    Branches overlap as in `overlap.overlap`, every meeting's share apart from the stretch of its stations.
    `kept`: `out` is of this placement with its users elsewhere, who call a single stage; so all that they do
    not send themselves starts as much later, and meets as before; and replicas are chosen as before.
    """
    M, T, several = len(dag.work), len(dag.source), False
    for m in range(M):
        several = several or lay.placed[m] > 1
    if kept:
        first = at = _recall_inner(dag, lay, out)
    else:
        first, at = 0, _fix_inner(dag, infra, lay, out)
    for t in range(T):
        if _of_users(dag, t):
            at = _fix_transfer(dag, infra, lay, out, t, at)
    out.visit[out.first[M + T]] = at
    for h in range(first, at):
        k = out.scale[h]
        out.power[h], out.scale[h] = stretch_power(k), stretch_scale(k)
    if several and not kept:
        _choose_units(dag, infra, table, lay, req, out)
    meet_all(dag, infra, table, lay, req, space, several, kept, out)
    out.used[0] = lay.used[0]
    for i in range(lay.used[0]):
        out.touched[i] = lay.touched[i]
        out.load[i] = lay.rho[lay.touched[i]] / dag.rate
    out.reached[0] = reach(dag, infra, lay, req.touch)


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
            out.own[unit] = alone if limited else 0.0
            lay.stage_ideal[slot] = dag.work[m] / speed if dag.work[m] > 0.0 else 0.0
            lay.stage_fixed[slot] = infra.compute_delay[node]
            out.ideal[unit], out.fixed[unit] = lay.stage_ideal[slot], lay.stage_fixed[slot]
            unit += 1
    for t in range(len(dag.source)):
        out.first[len(dag.work) + t] = unit
        unit += pairs(dag, lay, t)
    out.first[len(dag.work) + len(dag.source)] = unit
    for t in range(len(dag.source)):
        if not _of_users(dag, t):
            at = _fix_transfer(dag, infra, lay, out, t, at)
    return at


@inlined
def _recall_inner(dag: DagArrays, lay: Layout, out: Settled) -> int:
    """Give the layout the times that `_fix_inner` found of this placement; how many visits these make."""
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
                lay.ideal[pair], lay.fixed[pair] = out.ideal[unit], out.fixed[unit]
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
        out.visit[unit], out.last[unit] = at, at + lay.hops[pair]
        for h in range(lay.hops[pair]):
            station = lay.route[pair, h]
            out.station[at], out.scale[at] = station, station_rate(dag, infra, station) / cap
            at += 1
        out.ideal[unit], out.fixed[unit] = lay.ideal[pair], lay.fixed[pair]
        out.own[unit] = dag.times[t] * lay.ideal[pair] * lay.joint[pair]
        unit += 1
    return at


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
