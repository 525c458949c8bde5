"""Where one placement's requests go: replica shares, routes over stations, and the utilisation they cause."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.core.arrays import EVEN, LOST, SAME_NODE, DagArrays
from edgewright.core.kernel import inlined, kernel
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.waiting import inverse_of, own_share, stretch

Bits = npt.NDArray[np.int64]


class Infrastructure(NamedTuple):
    """The numeric part of a Substrate; station numbers as there."""

    nodes: int
    capacity: FloatArray
    success: FloatArray
    element: IntArray
    """(stations,) the first station of what fails as one: both directions of a port, a cell or a link."""
    path: IntArray
    path_delay: FloatArray
    path_bandwidth: FloatArray
    cores: FloatArray
    speed: FloatArray
    compute_delay: FloatArray
    zone: IntArray
    """(N,) equal numbers are one zone."""
    crowd: FloatArray
    """(N,) how many times longer a stage waits for the node because of pods that are not ours; at least 1."""


class Layout(NamedTuple):
    """Work space of one placement: replicas by stage, node pairs by transfer, and what each costs."""

    start: IntArray
    """(M + 1,) first slot of each stage."""
    node: IntArray
    """(S,) nodes of a stage's slots, placed ones first and in node order."""
    placed: IntArray
    """(M,) placed replicas."""
    total: IntArray
    """(M,) replicas that share the traffic: the placed ones, or all slots for a bound."""
    share: FloatArray
    """(S,) probability that a request visits the slot."""
    pair_start: IntArray
    """(T + 1,) first node pair of each transfer; pair = source replica x target replicas + target replica."""
    joint: FloatArray
    """(pairs,) probability that a request's transfer uses the pair."""
    hops: IntArray
    """(pairs,) stations of the pair's route."""
    route: IntArray
    """(pairs, P + 3)."""
    bits: Bits
    """(pairs,) the `bit`s of the stations on the route: routes with none in common share no station."""
    cap: FloatArray
    """(pairs,) bit/s of the narrowest hop; 0 where there is no path."""
    ideal: FloatArray
    """(pairs,) x = size / cap, seconds."""
    wait: FloatArray
    """(pairs,) x Q, seconds."""
    fixed: FloatArray
    """(pairs,) d, seconds."""
    late: FloatArray
    """(pairs,) d and the queues on the route, seconds."""
    stage_ideal: FloatArray
    """(S,) the same for the work of each slot."""
    stage_wait: FloatArray
    stage_fixed: FloatArray
    stage_late: FloatArray
    touched: IntArray
    """Stations with load of this placement, first `used[0]`."""
    used: IntArray
    rho: FloatArray
    """(stations,) utilisation by this placement alone."""


def make_layout(dag: DagArrays, infra: Infrastructure, start: IntArray) -> Layout:
    """Empty work space for placements whose stage m has slots start[m] to start[m + 1]."""
    slots = np.append(np.diff(start), 1)  # the user, stage -1, counts as one
    sizes = slots[dag.source] * slots[dag.target]
    return empty_layout(infra, start, np.append(0, np.cumsum(sizes)).astype(np.int32))


def empty_layout(infra: Infrastructure, start: IntArray, pair_start: IntArray) -> Layout:
    """Empty work space: first slot of each stage (M + 1,), first node pair of each transfer (T + 1,)."""
    M, S, P, stations = len(start) - 1, int(start[-1]), int(pair_start[-1]), len(infra.capacity)
    return Layout(
        start=start,
        node=np.full(S, -1, np.int32),
        placed=np.zeros(M, np.int32),
        total=np.zeros(M, np.int32),
        pair_start=pair_start,
        hops=np.zeros(P, np.int32),
        route=np.zeros((P, infra.path.shape[2] + 3), np.int32),
        bits=np.zeros(P, np.int64),
        touched=np.zeros(stations, np.int32),
        used=np.zeros(1, np.int32),
        rho=np.zeros(stations),
        **{name: np.zeros(S) for name in ("share", "stage_ideal", "stage_wait", "stage_fixed", "stage_late")},
        **{name: np.zeros(P) for name in ("joint", "cap", "ideal", "wait", "fixed", "late")},
    )


@inlined
def copy(source: FloatArray | IntArray, target: FloatArray | IntArray) -> None:
    """target[:] = source, without the buffer that numpy semantics ask for."""
    for i in range(len(source)):
        target[i] = source[i]


@inlined
def replicas(lay: Layout, stage: int) -> int:
    """Placed replicas of a stage; the user counts as one."""
    return lay.placed[stage] if stage >= 0 else 1


@inlined
def pairs(dag: DagArrays, lay: Layout, t: int) -> int:
    """Node pairs that transfer t uses."""
    return replicas(lay, dag.source[t]) * replicas(lay, dag.target[t])


@inlined
def location(lay: Layout, stage: int, replica: int) -> int:
    """Node of a replica; -1 for the user."""
    return lay.node[lay.start[stage] + replica] if stage >= 0 else -1


@kernel
def settle(
    dag: DagArrays, infra: Infrastructure, lay: Layout, assign: IntArray, whole: bool, weigh: bool
) -> None:
    """Fill replicas, shares and routes from `assign` (S,); with `weigh` also this placement's utilisation.

    `whole`: traffic is split over placed replicas; otherwise over all slots, so that adding replicas to a
    partial placement never lowers another's load.
    """
    arrange(dag, infra, lay, assign, whole)
    forget(lay)
    for t in range(len(dag.source)):
        find_routes(dag, infra, lay, t)
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            load, lay.bits[pair] = transfer_load(dag, lay, t, pair), 0
            for h in range(lay.hops[pair]):
                station = lay.route[pair, h]
                if station == nowhere(infra):
                    lay.hops[pair] = h
                    break
                lay.bits[pair] |= bit(station)
                if weigh:
                    add_load(lay, station, load / station_rate(dag, infra, station))
    if weigh:
        weigh_stages(dag, infra, lay)


@inlined
def arrange(dag: DagArrays, infra: Infrastructure, lay: Layout, assign: IntArray, whole: bool) -> None:
    """Replicas and their shares from `assign` (S,)."""
    _sort(lay, assign, whole)
    _share(dag, infra, lay)


@inlined
def forget(lay: Layout) -> None:
    """No station has load."""
    for station in lay.touched[: lay.used[0]]:
        lay.rho[station] = 0.0
    lay.used[0] = 0


@inlined
def find_routes(dag: DagArrays, infra: Infrastructure, lay: Layout, t: int) -> None:
    """Ask for the routes of transfer t, each of which ends at `nowhere` or after `lay.hops`."""
    source, target = dag.source[t], dag.target[t]
    width = replicas(lay, target)
    for i in range(replicas(lay, source)):
        for j in range(width):
            pair = lay.pair_start[t] + i * width + j
            lay.joint[pair] = _joint(dag, infra, lay, source, i, target, j)
            _route(dag, infra, lay, pair, location(lay, source, i), location(lay, target, j))


@inlined
def nowhere(infra: Infrastructure) -> int:
    """The station that stands where a path has ended."""
    return len(infra.capacity) - 1


@inlined
def transfer_load(dag: DagArrays, lay: Layout, t: int, pair: int) -> float:
    """Bit/s of transfer t on one of its node pairs."""
    load: float = dag.rate * dag.times[t] * dag.size[t] * lay.joint[pair]
    return load


@inlined
def weigh_stages(dag: DagArrays, infra: Infrastructure, lay: Layout) -> None:
    """The load of every stage's work."""
    for m in range(len(dag.work)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            node = lay.node[slot]
            work = dag.rate * dag.visits[m] * lay.share[slot] * dag.work[m]
            add_load(lay, node, work / infra.capacity[node])


@inlined
def add_load(lay: Layout, station: int, rho: float) -> None:
    """Note the utilisation of a station."""
    if rho > 0.0:
        if lay.rho[station] == 0.0:
            lay.touched[lay.used[0]] = station
            lay.used[0] += 1
        lay.rho[station] += rho


@kernel
def _sort(lay: Layout, assign: IntArray, whole: bool) -> None:
    """Sort each stage's placed replicas by node (their order means nothing)."""
    for m in range(len(lay.placed)):
        first, n = lay.start[m], 0
        for slot in range(first, lay.start[m + 1]):
            node = assign[slot]
            if node < 0:
                continue
            at = n
            while at > 0 and lay.node[first + at - 1] > node:
                lay.node[first + at] = lay.node[first + at - 1]
                at -= 1
            lay.node[first + at] = node
            n += 1
        lay.placed[m] = n
        lay.total[m] = n if whole else lay.start[m + 1] - first


@inlined
def near(dag: DagArrays, infra: Infrastructure, lay: Layout, stage: int, caller: int) -> int:
    """How many replicas of `stage` the Service prefers for a caller on node `caller`; 0 for no preference."""
    if dag.traffic[stage] == EVEN or caller < 0:
        return 0
    found = 0
    for i in range(lay.placed[stage]):
        found += prefers(dag, infra, stage, caller, lay.node[lay.start[stage] + i])
    return found


@inlined
def prefers(dag: DagArrays, infra: Infrastructure, stage: int, caller: int, node: int) -> int:
    """1 where the Service of `stage` prefers a replica on `node` for a caller on node `caller`."""
    if dag.traffic[stage] == SAME_NODE:
        return 1 if node == caller else 0
    return 1 if infra.zone[node] == infra.zone[caller] else 0


@kernel
def _given(dag: DagArrays, infra: Infrastructure, lay: Layout, stage: int, i: int, caller: int) -> float:
    """Probability that a caller on node `caller` gets replica i of `stage`."""
    found = near(dag, infra, lay, stage, caller)
    if found == 0:
        return 1.0 / lay.total[stage]
    return prefers(dag, infra, stage, caller, lay.node[lay.start[stage] + i]) / found


@kernel
def _share(dag: DagArrays, infra: Infrastructure, lay: Layout) -> None:
    for m in dag.order:
        caller = dag.caller[m]
        for i in range(lay.placed[m]):
            if dag.traffic[m] == EVEN or caller < 0 or lay.placed[caller] == 0:
                share = 1.0 / lay.total[m]
            else:
                share = 0.0
                for c in range(lay.start[caller], lay.start[caller] + lay.placed[caller]):
                    share += lay.share[c] * _given(dag, infra, lay, m, i, lay.node[c])
            lay.share[lay.start[m] + i] = share


@inlined
def _joint(
    dag: DagArrays, infra: Infrastructure, lay: Layout, source: int, i: int, target: int, j: int
) -> float:
    """Probability that one request uses replica i of `source` and j of `target`."""
    if source >= 0 and target >= 0:
        if dag.traffic[target] != EVEN and dag.caller[target] == source:
            at = lay.start[source] + i
            return lay.share[at] * _given(dag, infra, lay, target, j, lay.node[at])
        if dag.traffic[source] != EVEN and dag.caller[source] == target:
            at = lay.start[target] + j
            return lay.share[at] * _given(dag, infra, lay, source, i, lay.node[at])
    first = lay.share[lay.start[source] + i] if source >= 0 else 1.0
    second = lay.share[lay.start[target] + j] if target >= 0 else 1.0
    return first * second


@inlined
def _route(dag: DagArrays, infra: Infrastructure, lay: Layout, pair: int, u: int, v: int) -> None:
    """Stations, narrowest hop and fixed delay from node u to v, either of them -1 for the user.

    The path is copied up to its end and beyond, which is found later: so nothing waits for what no cache
    holds before every pair has asked for its path.
    """
    N, n, cap, fixed = infra.nodes, 0, np.inf, 0.0
    if u < 0 or v < 0:
        if dag.cell < 0:
            lay.hops[pair], lay.fixed[pair] = 0, 0.0
            lay.cap[pair] = 0.0 if dag.cell == LOST else np.inf
            return
        lay.route[pair, 0] = (3 if u < 0 else 4) * N + dag.cell
        n, cap, fixed = 1, dag.cell_rate, dag.cell_delay
        u, v = (dag.cell, v) if u < 0 else (u, dag.cell)
    if u != v:
        lay.route[pair, n] = N + u
        lay.route[pair, n + 1] = 2 * N + v
        for p in range(infra.path.shape[2]):
            lay.route[pair, n + 2 + p] = infra.path[u, v, p]
        n += 2 + infra.path.shape[2]
        cap = min(cap, infra.path_bandwidth[u, v])
        fixed += infra.path_delay[u, v]
    lay.hops[pair], lay.cap[pair], lay.fixed[pair] = n, cap, fixed


@inlined
def bit(station: int) -> int:
    """The bit of a station in `Layout.bits`; several stations have one."""
    return 1 << (station & 63)


@inlined
def station_rate(dag: DagArrays, infra: Infrastructure, station: int) -> float:
    """What a station serves for this DAG per second: a cell's airtime carries its users' rate."""
    if 3 * infra.nodes <= station < 5 * infra.nodes:
        return dag.cell_rate
    return infra.capacity[station]


@inlined
def container_rho(dag: DagArrays, lay: Layout, m: int, slot: int, speed: float) -> float:
    """Utilisation of a replica's own CPU limit, `speed` instructions per second."""
    return dag.rate * dag.visits[m] * lay.share[slot] * dag.work[m] / speed


@kernel
def time(dag: DagArrays, infra: Infrastructure, lay: Layout, rho: FloatArray, backlog: FloatArray) -> None:
    """Ideal time, wait and fixed delay of every slot and pair at station utilisations `rho` (stations,).

    `backlog` (stations,) seconds of queued work are added once per visited station.
    """
    for m in range(len(dag.work)):
        for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
            time_stage(dag, infra, lay, rho, backlog, m, slot, 0.0)
    for t in range(len(dag.source)):
        for pair in range(lay.pair_start[t], lay.pair_start[t] + pairs(dag, lay, t)):
            time_pair(dag, infra, lay, rho, backlog, t, pair, transfer_load(dag, lay, t, pair), 0.0)


@inlined
def time_stage(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    backlog: FloatArray,
    m: int,
    slot: int,
    extra: float,
) -> None:
    """Time one slot of stage m with `extra` instructions per second on its node beyond `rho`."""
    node = lay.node[slot]
    cores = min(dag.cores[m], infra.cores[node])
    speed = cores * infra.speed[node]
    ideal = dag.work[m] / speed if dag.work[m] > 0.0 else 0.0
    q = infra.crowd[node] * stretch(rho[node] + extra / infra.capacity[node], infra.cores[node] / cores)
    if dag.cores[m] < infra.cores[node]:
        own = stretch(container_rho(dag, lay, m, slot, speed), 1.0)
        q = math.sqrt(own * own + q * q)
    lay.stage_ideal[slot] = ideal
    lay.stage_wait[slot] = ideal * q
    lay.stage_fixed[slot] = infra.compute_delay[node]
    lay.stage_late[slot] = infra.compute_delay[node] + backlog[node]


@inlined
def time_pair(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    rho: FloatArray,
    backlog: FloatArray,
    t: int,
    pair: int,
    own: float,
    extra: float,
) -> None:
    """Time one node pair of transfer t that carries `own` bit/s, `extra` of them beyond `rho`.

    Whoever has waited for its own kind at one hop finds it gone at the next: that wait counts at the worst
    hop only.
    """
    cap = lay.cap[pair]
    if cap <= 0.0:
        lay.ideal[pair] = lay.wait[pair] = 0.0
        lay.fixed[pair] = lay.late[pair] = np.inf
        return
    ideal, q, worst, late = dag.size[t] / cap, 0.0, 0.0, lay.fixed[pair]
    for h in range(lay.hops[pair]):
        station = lay.route[pair, h]
        rate = station_rate(dag, infra, station)
        load = rho[station] + extra / rate
        stretched = stretch(load, rate / cap)
        for_own = stretched * own_share(own / rate, inverse_of(load))
        q += stretched - for_own
        worst = max(worst, for_own)
        late += backlog[station]
    lay.ideal[pair], lay.wait[pair], lay.late[pair] = ideal, ideal * (q + worst), late
