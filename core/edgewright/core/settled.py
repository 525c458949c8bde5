"""What a placement fixes of its requests whatever the load: units, visits of stations, meetings."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.outcome import reach
from edgewright.core.overlap import (
    PAYLOAD_POINTS,
    WORK_POINTS,
    begin_idle,
    choose,
    meet,
    pair_of,
    slower,
)
from edgewright.core.request import Request
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import (
    Infrastructure,
    Layout,
    bit,
    container_rho,
    pairs,
    station_rate,
    time,
)
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import stretch_power, stretch_scale

SHARED = 4
"""Stations that two overlapping transfers share and that are compared; of more, the narrowest."""
MEETINGS = 3
"""Meetings on several stations that are kept per node pair; a later one counts at its first station alone."""


class Settled(NamedTuple):
    """One settled placement: J jobs (stages, transfers) of U units (replicas, node pairs) with H visits.

    A unit visits its node, or the stations of its route.
    """

    first: IntArray
    """(J + 1,) first unit of each job."""
    visit: IntArray
    """(U + 1,) first visit of each unit."""
    station: IntArray
    """(H,)."""
    power: FloatArray
    """(H,) exponent of `stretch` for the unit's cap at the station."""
    scale: FloatArray
    """(H,) factor of `stretch`."""
    bend: FloatArray
    """(H,) overlap in seconds on an idle station, from meetings that share this station alone."""
    ideal: FloatArray
    """(U,) x, seconds."""
    fixed: FloatArray
    """(U,) d, seconds."""
    own: FloatArray
    """(U,) utilisation by one request per second of the replica's CPU limit, 0 without one; of the narrowest
    hop by what the node pair carries."""
    pick: IntArray
    """(J, K) unit that a job uses in each scenario; only where it has several."""
    meets: IntArray
    """(1,) meetings on several stations."""
    meet_job: IntArray
    """(X,) the job that is delayed."""
    meet_visit: IntArray
    """(X, SHARED) its visits."""
    meet_bend: FloatArray
    """(X, SHARED) overlap there in seconds on an idle station: the largest counts."""
    used: IntArray
    """(1,) stations with load."""
    touched: IntArray
    """(G,) those stations."""
    load: FloatArray
    """(G,) their utilisation by one request per second."""
    reached: FloatArray
    """(1,) probability that everything a request touches works."""


class Times(NamedTuple):
    """Work space of one settled placement at one utilisation."""

    stretched: FloatArray
    """(H,) Q of each visit."""
    wait: FloatArray
    """(U,) x Q, seconds."""
    late: FloatArray
    """(U,) d and the queues on the way, seconds."""


def make_settled(slots: int, pair_count: int, hops: int, jobs: int, count: int) -> Settled:
    """Empty arrays for so many slots and node pairs whose routes have up to `hops` stations; K = `count`."""
    U, H, X = slots + pair_count, slots + pair_count * hops, MEETINGS * pair_count
    ints, floats = np.zeros(int_size(U, H, X, jobs, count), np.int32), np.zeros(float_size(U, H, X))
    return _view(ints, floats, U, H, X, jobs, count)


def int_size(U: int, H: int, X: int, J: int, K: int) -> int:
    """Length of the integers of a Settled."""
    return (J + 1) + (U + 1) + 2 * H + J * K + 2 + X * (1 + SHARED)


def float_size(U: int, H: int, X: int) -> int:
    """Length of its floats."""
    return 4 * H + 3 * U + X * SHARED + 1


def _view(ints: IntArray, floats: FloatArray, U: int, H: int, X: int, J: int, K: int) -> Settled:
    """A Settled in two flat arrays, of U units, H visits, X meetings, J jobs and K scenarios at most."""
    a = J + 1
    b = a + U + 1
    c = b + H
    d = c + H
    e = d + J * K
    f = e + X
    g = f + X * SHARED
    p = 4 * H
    q = p + 3 * U
    return Settled(
        first=ints[:a],
        visit=ints[a:b],
        station=ints[b:c],
        power=floats[:H],
        scale=floats[H : 2 * H],
        bend=floats[2 * H : 3 * H],
        ideal=floats[p : p + U],
        fixed=floats[p + U : p + 2 * U],
        own=floats[p + 2 * U : q],
        pick=ints[d:e].reshape(J, K),
        meets=ints[g : g + 1],
        meet_job=ints[e:f],
        meet_visit=ints[f:g].reshape(X, SHARED),
        meet_bend=floats[q : q + X * SHARED].reshape(X, SHARED),
        used=ints[g + 1 : g + 2],
        touched=ints[c:d],
        load=floats[3 * H : p],
        reached=floats[q + X * SHARED : q + X * SHARED + 1],
    )


view = kernel(_view)
"""`_view` for kernels."""


def make_times(units: int, visits: int) -> Times:
    """Empty work space."""
    return Times(np.zeros(visits), np.zeros(units), np.zeros(units))


@kernel
def fix(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    idle: FloatArray,
    out: Settled,
) -> None:
    """Compact a placement whose every stage has a replica, settled with its utilisation, into `out`.

    `idle` (stations,) zeros; `req` is work space. The overlap of branches is `overlap.overlap`, with every
    meeting's share kept apart from the stretch of the stations where they meet.
    """
    time(dag, infra, lay, idle, idle)
    M, T = len(dag.work), len(dag.source)
    unit, at = 0, 0
    for m in range(M):
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
            out.ideal[unit], out.fixed[unit] = lay.ideal[pair], lay.fixed[pair]
            out.own[unit] = dag.times[t] * lay.ideal[pair] * lay.joint[pair]
            unit += 1
    out.first[M + T], out.visit[unit] = unit, at
    _choose_units(dag, infra, table, lay, req, out)
    _meet_all(dag, infra, table, lay, req, out)
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


@kernel
def _meet_all(
    dag: DagArrays, infra: Infrastructure, table: Scenarios, lay: Layout, req: Request, out: Settled
) -> None:
    """Where a request's parallel branches delay each other: `bend` of visits, and meetings."""
    out.meets[0] = 0
    draws = 1
    for m in range(len(dag.work)):
        if lay.placed[m] > 1:
            draws = table.overlap_choice.shape[1]
    for d in range(draws):
        for m in dag.order:
            req.chosen[m] = choose(dag, infra, lay, req.chosen, m, table.overlap_choice[m, d])
        begin_idle(dag, lay, req.chosen, req.duration, req.begin)
        for p in range(len(dag.stage_pairs)):
            a, b = dag.stage_pairs[p]
            _stages_meet(dag, infra, lay, req, out, a, b, 1.0 / draws)
        for p in range(len(dag.transfer_pairs)):
            e, f = dag.transfer_pairs[p]
            if dag.size[e] > 0.0 and dag.size[f] > 0.0:
                _transfers_meet(dag, infra, lay, req, out, e, f, 1.0 / draws)


@inlined
def _stages_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    req: Request,
    out: Settled,
    a: int,
    b: int,
    weight: float,
) -> None:
    node = lay.node[lay.start[a] + req.chosen[a]]
    if node != lay.node[lay.start[b] + req.chosen[b]] or dag.work[a] <= 0.0 or dag.work[b] <= 0.0:
        return
    rate, speed = infra.capacity[node], infra.speed[node]
    cap = min(dag.cores[a], infra.cores[node]) * speed
    cap_other = min(dag.cores[b], infra.cores[node]) * speed
    slow, slow_other = slower(rate, cap, cap_other), slower(rate, cap_other, cap)
    if slow > 0.0 or slow_other > 0.0:
        starts = (req.begin[a], req.begin[b])
        both = weight * meet((dag.work[a], dag.work[b]), (cap, cap_other), starts, WORK_POINTS)
        out.bend[out.visit[out.first[a] + req.chosen[a]]] += slow * both
        out.bend[out.visit[out.first[b] + req.chosen[b]]] += slow_other * both


@inlined
def _transfers_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    req: Request,
    out: Settled,
    e: int,
    f: int,
    weight: float,
) -> None:
    M = len(dag.work)
    pair, other = pair_of(dag, lay, req.chosen, e), pair_of(dag, lay, req.chosen, f)
    cap, cap_other = lay.cap[pair], lay.cap[other]
    unit = out.first[M + e] + pair - lay.pair_start[e]
    unit_other = out.first[M + f] + other - lay.pair_start[f]
    if lay.bits[pair] & lay.bits[other] == 0:
        return
    both = -1.0
    row, row_other = -1, -1
    for h in range(lay.hops[pair]):
        station = lay.route[pair, h]
        if lay.bits[other] & bit(station) == 0:
            continue
        for i in range(lay.hops[other]):
            if lay.route[other, i] == station:
                rate = station_rate(dag, infra, station)
                slow, slow_other = slower(rate, cap, cap_other), slower(rate, cap_other, cap)
                if slow <= 0.0 and slow_other <= 0.0:
                    continue
                if both < 0.0:
                    starts = (req.begin[M + e], req.begin[M + f])
                    both = weight * meet((dag.size[e], dag.size[f]), (cap, cap_other), starts, PAYLOAD_POINTS)
                    if both <= 0.0:
                        return
                row = _note(out, row, M + e, out.visit[unit] + h, slow * both)
                row_other = _note(out, row_other, M + f, out.visit[unit_other] + i, slow_other * both)
    _close(out, row, weight < 1.0)
    _close(out, row_other, weight < 1.0)


@inlined
def _note(out: Settled, row: int, job: int, visit: int, bend: float) -> int:
    """Add a visit to the meeting in `row`, a new one if negative; its row, or negative for nothing."""
    if bend <= 0.0:
        return row
    if row < 0:
        row = out.meets[0]
        if row == len(out.meet_job):
            out.bend[visit] += bend
            return -1
        out.meets[0] += 1
        out.meet_job[row] = job
        for i in range(SHARED):
            out.meet_visit[row, i], out.meet_bend[row, i] = visit, 0.0
    least = 0
    for i in range(1, SHARED):
        if out.meet_bend[row, i] < out.meet_bend[row, least]:
            least = i
    if bend > out.meet_bend[row, least]:
        out.meet_visit[row, least], out.meet_bend[row, least] = visit, bend
    return row


@inlined
def _close(out: Settled, row: int, several: bool) -> None:
    """Fold a meeting on one station into that visit's `bend`; of `several` draws, one like an earlier one."""
    if row < 0:
        return
    count, gone = 0, False
    for i in range(SHARED):
        count += out.meet_bend[row, i] > 0.0
    if count == 1:
        for i in range(SHARED):
            out.bend[out.meet_visit[row, i]] += out.meet_bend[row, i]
        gone = True
    elif several:
        for other in range(out.meets[0]):
            if other != row and _alike(out, row, other):
                for i in range(SHARED):
                    out.meet_bend[other, i] += out.meet_bend[row, i]
                gone = True
                break
    if gone:
        out.meets[0] -= 1
        last = out.meets[0]
        out.meet_job[row] = out.meet_job[last]
        for i in range(SHARED):
            out.meet_visit[row, i] = out.meet_visit[last, i]
            out.meet_bend[row, i] = out.meet_bend[last, i]


@inlined
def _alike(out: Settled, a: int, b: int) -> bool:
    """Whether two meetings delay one job on the same stations in the same proportions."""
    for i in range(SHARED):
        if out.meet_visit[a, i] != out.meet_visit[b, i]:
            return False
        cross = out.meet_bend[a, i] * out.meet_bend[b, 0]
        if abs(cross - out.meet_bend[b, i] * out.meet_bend[a, 0]) > 1e-12 * cross:
            return False
    return True
