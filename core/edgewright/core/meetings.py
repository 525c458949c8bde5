"""Where one request's parallel branches delay each other, kept apart from how full those stations are."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined
from edgewright.core.overlap import (
    PAYLOAD_POINTS,
    WORK_POINTS,
    apart,
    begin_idle,
    choose,
    meet,
    pair_of,
    slower,
)
from edgewright.core.request import Request
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import SHARED, Settled
from edgewright.core.stations import Infrastructure, Layout, bit, station_rate
from edgewright.core.substrate import FloatArray, IntArray


class Meeting(NamedTuple):
    """Work space of `fix`: two transfers of one request that meet."""

    pair: IntArray
    """(T,) the node pair of each transfer."""
    visit: IntArray
    """(2, most hops) the visits of either to stations that they share and that slow one of them."""
    slow: FloatArray
    """(2, most hops) seconds that either loses there per bit that both send at once."""


def make_meeting(transfers: int, hops: int) -> Meeting:
    """Empty work space for routes of up to `hops` stations."""
    return Meeting(np.zeros(transfers, np.int32), np.zeros((2, hops), np.int32), np.zeros((2, hops)))


@inlined
def meet_all(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    space: Meeting,
    several: bool,
    kept: bool,
    out: Settled,
) -> None:
    """Where a request's parallel branches delay each other: `bend` of visits, and meetings.

    First what meets without the users' transfers, unless that is `kept`; then the rest.
    """
    draws = table.overlap_choice.shape[1] if several else 1
    for of_users in range(1 if kept else 0, 2):
        bend = out.bend if of_users else out.inner
        first, last = (dag.inner_pairs, len(dag.transfer_pairs)) if of_users else (0, dag.inner_pairs)
        stages = 0 if of_users else len(dag.stage_pairs)
        if of_users:
            for h in range(out.visit[out.first[len(out.first) - 1]]):
                bend[h] = out.inner[h]
        else:
            bend[:] = 0.0
            out.meets[1] = 0
        out.meets[0] = out.meets[1]
        for d in range(draws if last > first or stages > 0 else 0):
            for m in dag.order:
                req.chosen[m] = (
                    choose(dag, infra, lay, req.chosen, m, table.overlap_choice[m, d]) if several else 0
                )
            begin_idle(dag, lay, req.chosen, req.duration, req.begin)
            for p in range(stages):
                a, b = dag.stage_pairs[p, 0], dag.stage_pairs[p, 1]
                _stages_meet(dag, infra, lay, req, out, bend, a, b, 1.0 / draws)
            for t in range(len(dag.source)):
                space.pair[t] = pair_of(dag, lay, req.chosen, t)
            for p in range(first, last):
                e, f = dag.transfer_pairs[p, 0], dag.transfer_pairs[p, 1]
                if lay.bits[space.pair[e]] & lay.bits[space.pair[f]] != 0:
                    _transfers_meet(dag, infra, lay, req, space, out, bend, e, f, 1.0 / draws)
        if not of_users:
            out.meets[1] = out.meets[0]


@inlined
def _stages_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    req: Request,
    out: Settled,
    bend: FloatArray,
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
        bend[out.visit[out.first[a] + req.chosen[a]]] += slow * both
        bend[out.visit[out.first[b] + req.chosen[b]]] += slow_other * both


@inlined
def _transfers_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    req: Request,
    space: Meeting,
    out: Settled,
    bend: FloatArray,
    e: int,
    f: int,
    weight: float,
) -> None:
    M, pair, other, found = len(dag.work), space.pair[e], space.pair[f], 0
    cap, cap_other = lay.cap[pair], lay.cap[other]
    sizes, caps = (dag.size[e], dag.size[f]), (cap, cap_other)
    starts = (req.begin[M + e], req.begin[M + f])
    if apart(sizes, caps, starts, PAYLOAD_POINTS):
        return
    at = out.visit[out.first[M + e] + pair - lay.pair_start[e]]
    at_other = out.visit[out.first[M + f] + other - lay.pair_start[f]]
    for h in range(lay.hops[pair]):
        station = lay.route[pair, h]
        if lay.bits[other] & bit(station) == 0:
            continue
        for i in range(lay.hops[other]):
            if lay.route[other, i] == station:
                rate = station_rate(dag, infra, station)
                if rate < cap + cap_other:
                    space.visit[0, found], space.visit[1, found] = at + h, at_other + i
                    space.slow[0, found] = slower(rate, cap, cap_other)
                    space.slow[1, found] = slower(rate, cap_other, cap)
                    found += 1
                break
    if found > 0:
        both = weight * meet(sizes, caps, starts, PAYLOAD_POINTS)
        _enter(out, bend, M + e, space.visit[0], space.slow[0], found, both, weight < 1.0)
        _enter(out, bend, M + f, space.visit[1], space.slow[1], found, both, weight < 1.0)


@inlined
def _enter(
    out: Settled,
    bend: FloatArray,
    job: int,
    visit: IntArray,
    slow: FloatArray,
    found: int,
    both: float,
    several: bool,
) -> None:
    """Note what a job loses where it meets another: at one station as that visit's `bend`, else as a row.

    Of `several` draws, one like an earlier one adds to its row.
    """
    count, worst = 0, 0
    for i in range(found):
        if slow[i] > 0.0:
            visit[count], slow[count] = visit[i], slow[i]
            worst = count if slow[count] > slow[worst] else worst
            count += 1
    if count == 0:
        return
    row = out.meets[0]
    if count == 1 or row == len(out.meet_job):
        bend[visit[worst]] += slow[worst] * both
        return
    out.meet_job[row] = job
    visits = out.meet_visit[row * SHARED : (row + 1) * SHARED]
    bends = out.meet_bend[row * SHARED : (row + 1) * SHARED]
    for i in range(SHARED):
        visits[i] = visit[i if i < count else 0]
        bends[i] = slow[i] * both if i < count else 0.0
    for i in range(SHARED, count):
        least = 0
        for j in range(1, SHARED):
            if bends[j] < bends[least]:
                least = j
        if slow[i] * both > bends[least]:
            visits[least], bends[least] = visit[i], slow[i] * both
    if not (several and _joined(out, row)):
        out.meets[0] += 1


@inlined
def _joined(out: Settled, row: int) -> bool:
    """Whether a meeting could be added to an earlier one of one job on the same stations.

    What users cause is not added to what stays when they move.
    """
    for other in range(out.meets[1], row):
        if _alike(out, row * SHARED, other * SHARED):
            for i in range(SHARED):
                out.meet_bend[other * SHARED + i] += out.meet_bend[row * SHARED + i]
            return True
    return False


@inlined
def _alike(out: Settled, a: int, b: int) -> bool:
    """Whether the meetings from a and b on delay one job on the same stations in the same proportions."""
    for i in range(SHARED):
        if out.meet_visit[a + i] != out.meet_visit[b + i]:
            return False
        cross = out.meet_bend[a + i] * out.meet_bend[b]
        if abs(cross - out.meet_bend[b + i] * out.meet_bend[a]) > 1e-12 * cross:
            return False
    return True
