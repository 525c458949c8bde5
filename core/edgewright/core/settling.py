"""From a settled layout to a Settled: what a placement fixes whatever the load, compactly."""

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
    stretch_power,
    stretch_scale,
    time,
)
from edgewright.core.substrate import FloatArray


@inlined
def fix(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    idle: FloatArray,
    space: Meeting,
    out: Settled,
) -> None:
    """Compact a placement whose every stage has a replica, settled with its utilisation, into `out`.

    `idle` (stations,) zeros; `req` and `space` are work space. The overlap of branches is `overlap.overlap`,
    with every meeting's share kept apart from the stretch of the stations where they meet.
    """
    time(dag, infra, lay, idle, idle)
    M, T, several = len(dag.work), len(dag.source), False
    unit, at = 0, 0
    for m in range(M):
        several = several or lay.placed[m] > 1
        out.first[m] = unit
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            node = lay.node[slot]
            cores = min(dag.cores[m], infra.cores[node])
            out.visit[unit] = at
            _visit(out, at, node, infra.cores[node] / cores)
            at += 1
            limited = dag.cores[m] < infra.cores[node]
            alone = container_rho(dag, lay, m, slot, cores * infra.speed[node]) / dag.rate
            out.own[unit] = alone if limited else 0.0
            out.ideal[unit], out.fixed[unit] = lay.stage_ideal[slot], lay.stage_fixed[slot]
            unit += 1
    for t in range(T):
        out.first[M + t] = unit
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            out.visit[unit] = at
            for h in range(lay.hops[pair]):
                station = lay.route[pair, h]
                _visit(out, at, station, station_rate(dag, infra, station) / lay.cap[pair])
                at += 1
            out.ideal[unit], out.fixed[unit], out.own[unit] = lay.ideal[pair], lay.fixed[pair], 0.0
            unit += 1
    out.first[M + T], out.visit[unit] = unit, at
    if several:
        _choose_units(dag, infra, table, lay, req, out)
    meet_all(dag, infra, table, lay, req, space, several, out)
    out.used[0] = lay.used[0]
    for i in range(lay.used[0]):
        out.touched[i] = lay.touched[i]
        out.load[i] = lay.rho[lay.touched[i]] / dag.rate
    out.reached[0] = reach(dag, infra, lay, req.touch)


@inlined
def _visit(out: Settled, at: int, station: int, k: float) -> None:
    out.station[at] = station
    out.power[at], out.scale[at], out.bend[at] = stretch_power(k), stretch_scale(k), 0.0


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
                out.pick[m, k] = out.first[m] + req.picked[k, m]
    for t in range(len(dag.source)):
        if out.first[M + t + 1] - out.first[M + t] > 1:
            for k in range(K):
                out.pick[M + t, k] = (
                    out.first[M + t] + pair_of(dag, lay, req.picked[k], t) - lay.pair_start[t]
                )
