"""Where one request's parallel branches delay each other, kept apart from how full those stations are."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined
from edgewright.core.overlap import (
    PAYLOAD_POINTS,
    POINTS,
    WORK_POINTS,
    begin_idle,
    choose,
    meet,
    pair_of,
    slower,
)
from edgewright.core.request import Request
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import SHARED, Settled
from edgewright.core.stations import Bits, Infrastructure, Layout, station_rate
from edgewright.core.substrate import FloatArray, IntArray


class Meeting(NamedTuple):
    """Work space of `fix`: two transfers of one request that meet."""

    unit: IntArray
    """(T,) the unit of each transfer."""
    bits: Bits
    """(T,) `Layout.bits` of each."""
    end: FloatArray
    """(T,) seconds: when each has surely ended, on idle stations."""
    place: IntArray
    """(stations,) the visits of unit `marked[0]`, which is -1 for none; -1 at all others."""
    marked: IntArray


def make_meeting(transfers: int, stations: int) -> Meeting:
    """Empty work space."""
    return Meeting(
        unit=np.zeros(transfers, np.int32),
        bits=np.zeros(transfers, np.int64),
        end=np.zeros(transfers),
        place=np.full(stations, -1, np.int32),
        marked=np.full(1, -1, np.int32),
    )


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
                pair = pair_of(dag, lay, req.chosen, t)
                space.unit[t] = out.first[len(dag.work) + t] + pair - lay.pair_start[t]
                space.bits[t] = lay.bits[pair]
                space.end[t] = req.begin[len(dag.work) + t] + PAYLOAD_POINTS[POINTS - 1] * lay.ideal[pair]
            begin = req.begin[len(dag.work) :]
            for p in range(first, last):
                e, f = dag.transfer_pairs[p, 0], dag.transfer_pairs[p, 1]
                together = (begin[e] < space.end[f]) & (begin[f] < space.end[e])
                if together & (space.bits[e] & space.bits[f] != 0):
                    _transfers_meet(dag, infra, begin, space, out, bend, e, f, 1.0 / draws)
            _mark(out, space, -1)
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
def _mark(out: Settled, space: Meeting, unit: int) -> None:
    """Let `space.place` tell the visits of `unit`, -1 for none."""
    marked = space.marked[0]
    if unit != marked:
        if marked >= 0:
            for h in range(out.visit[marked], out.last[marked]):
                space.place[out.station[h]] = -1
        if unit >= 0:
            for h in range(out.visit[unit], out.last[unit]):
                space.place[out.station[h]] = h
        space.marked[0] = unit


@inlined
def _transfers_meet(
    dag: DagArrays,
    infra: Infrastructure,
    begin: FloatArray,
    space: Meeting,
    out: Settled,
    bend: FloatArray,
    e: int,
    f: int,
    weight: float,
) -> None:
    unit, other = space.unit[e], space.unit[f]
    caps, starts = (out.cap[unit], out.cap[other]), (begin[e], begin[f])
    both = weight * meet((dag.size[e], dag.size[f]), caps, starts, PAYLOAD_POINTS)
    _mark(out, space, unit)
    for one in range(2):
        job = len(dag.work) + (f if one else e)
        _enter(
            dag, infra, space, out, bend, job, other, one == 1, caps[one], caps[1 - one], both, weight < 1.0
        )


@inlined
def _enter(
    dag: DagArrays,
    infra: Infrastructure,
    space: Meeting,
    out: Settled,
    bend: FloatArray,
    job: int,
    other: int,
    itself: bool,
    cap: float,
    cap_other: float,
    both: float,
    several: bool,
) -> None:
    """Note what a job loses where the marked unit meets the `other`: at one station as `bend`, else as a row.

    `itself`: the job uses the other unit. Of `several` draws, one like an earlier one adds to its row.
    """
    row, count, worst, most = out.meets[0], 0, 0, 0.0
    visits = out.meet_visit[row * SHARED : (row + 1) * SHARED]
    bends = out.meet_bend[row * SHARED : (row + 1) * SHARED]
    for i in range(out.visit[other], out.last[other]):
        station = out.station[i]
        h = space.place[station]
        if h < 0:
            continue
        lost = slower(station_rate(dag, infra, station), cap, cap_other) * both
        if lost <= 0.0:
            continue
        visit = i if itself else h
        if lost > most:
            worst, most = visit, lost
        at = count
        if count >= SHARED:
            at = 0
            for j in range(1, SHARED):
                at = j if bends[j] < bends[at] else at
        if count < SHARED or lost > bends[at]:
            visits[at], bends[at] = visit, lost
        count += 1
    if count == 1 or (count > 1 and row == len(out.meet_job) - 1):
        bend[worst] += most
    elif count > 1:
        for i in range(count, SHARED):
            visits[i], bends[i] = visits[0], 0.0
        out.meet_job[row] = job
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
