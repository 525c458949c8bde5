"""How much one request's parallel branches delay each other on stations that they share."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.lanes import LANES, alike, smaller, take, total
from edgewright.core.scenarios import PAYLOAD_VARIATION, WORK_VARIATION, log_normal
from edgewright.core.stations import Infrastructure, Layout, near, prefers, replicas, station_rate
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import stretch

POINTS = 6
"""Equally likely size factors: six are enough for the expectation of a minimum within about 1 %."""
WORK_POINTS = np.pad(log_normal(POINTS, WORK_VARIATION), (0, LANES - POINTS))
PAYLOAD_POINTS = np.pad(log_normal(POINTS, PAYLOAD_VARIATION), (0, LANES - POINTS))
"""(LANES,) smallest first, then zeros: jobs of size 0 overlap nothing."""


@kernel
def choose(dag: DagArrays, infra: Infrastructure, lay: Layout, chosen: IntArray, m: int, u: float) -> int:
    """The replica of stage m that a request with draw u picks, given its caller's in `chosen`; -1: none."""
    caller = dag.caller[m]
    node = -1
    if caller >= 0 and chosen[caller] >= 0:
        node = lay.node[lay.start[caller] + chosen[caller]]
    found = near(dag, infra, lay, m, node)
    if found == 0:
        i = int(u * lay.total[m])
        return i if i < lay.placed[m] else -1
    rank = int(u * found)
    for i in range(lay.placed[m]):
        if prefers(dag, infra, m, node, lay.node[lay.start[m] + i]):
            if rank == 0:
                return i
            rank -= 1
    return -1


@inlined
def shared_bits(a: float, b: float, lead: float, points: FloatArray) -> float:
    """E[min((a S - lead)+, b S')]: work left in both when the second job starts, S and S' over `points`."""
    others, shared = take(points, 0) * b, alike(0.0)
    for i in range(POINTS):
        shared = shared + smaller(alike(max(a * points[i] - lead, 0.0)), others)
    mean: float = total(shared) / (POINTS * POINTS)
    return mean


@inlined
def slower(rate: float, cap: float, other: float) -> float:
    """Seconds added per unit of work that a job shares a station of `rate` with a job capped at `other`."""
    fair = min(cap, max(rate / 2.0, rate - other))
    return (cap - fair) / (fair * cap) if fair < cap else 0.0


@inlined
def apart(
    sizes: tuple[float, float],
    caps: tuple[float, float],
    starts: tuple[float, float],
    points: FloatArray,
) -> bool:
    """Whether one job has ended before the other starts, however long it is."""
    early, late = (0, 1) if starts[0] <= starts[1] else (1, 0)
    return (starts[late] - starts[early]) * caps[early] >= points[POINTS - 1] * sizes[early]


@inlined
def meet(
    sizes: tuple[float, float],
    caps: tuple[float, float],
    starts: tuple[float, float],
    points: FloatArray,
) -> float:
    """Expected work that both jobs do while the other is there."""
    if apart(sizes, caps, starts, points):
        return 0.0
    early, late = (0, 1) if starts[0] <= starts[1] else (1, 0)
    lead = (starts[late] - starts[early]) * caps[early]
    return shared_bits(sizes[early], sizes[late], lead, points)


@kernel
def overlap(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    choice: FloatArray,
    chosen: IntArray,
    duration: FloatArray,
    begin: FloatArray,
    added: FloatArray,
) -> None:
    """Write to `added` (M + T,) the seconds O of each stage and transfer; the three before are work space.

    For jobs e, f of which neither waits for the other, O_e gains E[min(rem_e, rem_f)] (1/r - 1/c_e) (1 + Q)
    with r = min(c_e, max(B/2, B - c_f)) on their worst shared station of rate B, start times taken idle.
    In a partial placement, jobs count whose ends and start times are settled: what the rest adds is missing.
    """
    M = len(dag.work)
    added[:] = 0.0
    draws = 1
    for m in range(M):
        if lay.placed[m] > 1:
            draws = choice.shape[1]
    for d in range(draws):
        for m in dag.order:
            settled = lay.placed[m] == lay.total[m]
            chosen[m] = choose(dag, infra, lay, chosen, m, choice[m, d]) if settled else -1
        begin_idle(dag, lay, chosen, duration, begin)
        for p in range(len(dag.stage_pairs)):
            a, b = dag.stage_pairs[p]
            if chosen[a] >= 0 and chosen[b] >= 0 and begin[a] < np.inf and begin[b] < np.inf:
                _stages_meet(dag, infra, lay, rho, chosen, begin, added, draws, a, b)
        for p in range(len(dag.transfer_pairs)):
            e, f = dag.transfer_pairs[p]
            if _settled(dag, chosen, begin, e) and _settled(dag, chosen, begin, f):
                _transfers_meet(dag, infra, lay, rho, chosen, begin, added, draws, e, f)


@kernel
def _settled(dag: DagArrays, chosen: IntArray, begin: FloatArray, t: int) -> bool:
    """Whether both ends and the start time of transfer t are known."""
    source, target = dag.source[t], dag.target[t]
    if (source >= 0 and chosen[source] < 0) or (target >= 0 and chosen[target] < 0):
        return False
    return begin[len(dag.work) + t] < np.inf


@inlined
def pair_of(dag: DagArrays, lay: Layout, chosen: IntArray, t: int) -> int:
    """The node pair that transfer t uses when each stage's replica is `chosen`."""
    source, target = dag.source[t], dag.target[t]
    i = chosen[source] if source >= 0 else 0
    j = chosen[target] if target >= 0 else 0
    return lay.pair_start[t] + i * replicas(lay, target) + j


@kernel
def begin_idle(
    dag: DagArrays, lay: Layout, chosen: IntArray, duration: FloatArray, begin: FloatArray
) -> None:
    """Idle start times of every stage (0..M) and transfer (M..M+T) of a request."""
    begin[:] = 0.0
    if dag.pipeline:
        _begin_flow(dag, lay, chosen, begin)
    else:
        _fill_durations(dag, lay, chosen, duration)
        _begin_calls(dag, lay, chosen, duration, begin)


@kernel
def _begin_flow(dag: DagArrays, lay: Layout, chosen: IntArray, begin: FloatArray) -> None:
    M = len(dag.work)
    for m in dag.order:
        start = 0.0
        for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
            start = max(start, begin[M + t] + _idle(dag, lay, chosen, t))
        begin[m] = start
        end = start + _stage_idle(lay, m, chosen[m])
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
            begin[M + t] = end


@kernel
def _fill_durations(dag: DagArrays, lay: Layout, chosen: IntArray, duration: FloatArray) -> None:
    """(M,) idle seconds from call to reply: own work, sequential calls, then the parallel ones."""
    M = len(dag.work)
    for at in range(M - 1, -1, -1):
        m = dag.order[at]
        total, longest = _stage_idle(lay, m, chosen[m]), 0.0
        for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
            if dag.target[t] < 0:
                continue
            trip = dag.calls[t] * _trip(dag, lay, chosen, duration, t)
            if dag.parallel[t]:
                longest = max(longest, trip)
            else:
                total += trip
        duration[m] = total + longest


@kernel
def _begin_calls(
    dag: DagArrays, lay: Layout, chosen: IntArray, duration: FloatArray, begin: FloatArray
) -> None:
    M = len(dag.work)
    for m in dag.order:
        if dag.caller[m] < 0:
            begin[m] = _idle(dag, lay, chosen, dag.inward[dag.inward_start[m]])
        now = begin[m] + _stage_idle(lay, m, chosen[m])
        for parallel in range(2):
            for t in dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]]:
                target = dag.target[t]
                if target < 0:
                    begin[M + t] = begin[m] + duration[m]
                elif parallel == dag.parallel[t]:
                    begin[M + t] = now
                    begin[target] = now + _idle(dag, lay, chosen, t)
                    begin[M + dag.back[t]] = begin[target] + duration[target]
                    if parallel == 0:
                        now += dag.calls[t] * _trip(dag, lay, chosen, duration, t)


@inlined
def _idle(dag: DagArrays, lay: Layout, chosen: IntArray, t: int) -> float:
    """Infinite, which is to say unknown, where an end has no replica yet."""
    if (dag.source[t] >= 0 and chosen[dag.source[t]] < 0) or (
        dag.target[t] >= 0 and chosen[dag.target[t]] < 0
    ):
        return np.inf
    pair = pair_of(dag, lay, chosen, t)
    return lay.ideal[pair] + lay.fixed[pair]


@inlined
def _stage_idle(lay: Layout, m: int, replica: int) -> float:
    if replica < 0:
        return np.inf
    slot = lay.start[m] + replica
    return lay.stage_ideal[slot] + lay.stage_fixed[slot]


@inlined
def _trip(dag: DagArrays, lay: Layout, chosen: IntArray, duration: FloatArray, t: int) -> float:
    return _idle(dag, lay, chosen, t) + duration[dag.target[t]] + _idle(dag, lay, chosen, dag.back[t])


@kernel
def _transfers_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    chosen: IntArray,
    begin: FloatArray,
    added: FloatArray,
    draws: int,
    e: int,
    f: int,
) -> None:
    if dag.size[e] <= 0.0 or dag.size[f] <= 0.0:
        return
    pair, other = pair_of(dag, lay, chosen, e), pair_of(dag, lay, chosen, f)
    if lay.bits[pair] & lay.bits[other] == 0:
        return
    cap, cap_other = lay.cap[pair], lay.cap[other]
    worst, worst_other = 0.0, 0.0
    for h in range(lay.hops[pair]):
        station = lay.route[pair, h]
        for i in range(lay.hops[other]):
            if lay.route[other, i] == station:
                rate = station_rate(dag, infra, station)
                worst = max(worst, slower(rate, cap, cap_other) * (1.0 + stretch(rho[station], rate / cap)))
                worst_other = max(
                    worst_other,
                    slower(rate, cap_other, cap) * (1.0 + stretch(rho[station], rate / cap_other)),
                )
    if worst > 0.0 or worst_other > 0.0:
        M = len(dag.work)
        both = meet(
            (dag.size[e], dag.size[f]), (cap, cap_other), (begin[M + e], begin[M + f]), PAYLOAD_POINTS
        )
        added[M + e] += worst * both / draws
        added[M + f] += worst_other * both / draws


@kernel
def _stages_meet(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    chosen: IntArray,
    begin: FloatArray,
    added: FloatArray,
    draws: int,
    a: int,
    b: int,
) -> None:
    node = lay.node[lay.start[a] + chosen[a]]
    if node != lay.node[lay.start[b] + chosen[b]] or dag.work[a] <= 0.0 or dag.work[b] <= 0.0:
        return
    rate, speed = infra.capacity[node], infra.speed[node]
    cap = min(dag.cores[a], infra.cores[node]) * speed
    cap_other = min(dag.cores[b], infra.cores[node]) * speed
    slow, slow_other = slower(rate, cap, cap_other), slower(rate, cap_other, cap)
    if slow > 0.0 or slow_other > 0.0:
        both = meet((dag.work[a], dag.work[b]), (cap, cap_other), (begin[a], begin[b]), WORK_POINTS)
        added[a] += slow * (1.0 + stretch(rho[node], rate / cap)) * both / draws
        added[b] += slow_other * (1.0 + stretch(rho[node], rate / cap_other)) * both / draws
