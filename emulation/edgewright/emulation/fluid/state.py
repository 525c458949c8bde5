"""The state of a batch of cities: every array has the city as its first axis; a copy saves them all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgewright.core.loaded import LEVELS
from edgewright.core.meetings import Meeting, make_meeting
from edgewright.core.outcome import PROCESSING
from edgewright.core.request import Request, make_request
from edgewright.core.rewards import SUMS
from edgewright.core.scenarios import LANES
from edgewright.core.service import RESOURCES
from edgewright.core.settled import Times, float_size, int_size, make_times
from edgewright.core.stations import Infrastructure, Layout, empty_layout
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.demand.episode import Episode
from edgewright.emulation.fluid.pool import Pool

MINUTE = 6
"""Periods of ten seconds over which migrations are limited."""
FAILED, PLACED, MIGRATED, KEPT, ENDED = range(5)
COUNTERS = 5
"""Attempts that left a DAG pending, placed DAGs, moved replicas, refused moves, ended DAGs."""


class Script(NamedTuple):
    """What happens to B cities whatever their agents do: A instances, T periods."""

    template: IntArray
    """(B, A)."""
    born: IntArray
    ends: IntArray
    factor: FloatArray
    """(B, T, A)."""
    cell: IntArray
    cell_rate: FloatArray
    down: BoolArray
    """(B, T, N)."""
    instances: IntArray
    """(B,)."""
    periods: IntArray
    """(B,) length."""
    int_at: IntArray
    """(B, A) where an instance's integers begin in `State.ints`."""
    float_at: IntArray


class State(NamedTuple):
    """B cities at the same moment of their lives: G agents, L places for active DAGs, S slots."""

    period: IntArray
    """(B,)."""
    over: BoolArray
    """(B,) whether the last period has been served."""
    cursor: IntArray
    """(B,) the next instance to be born."""
    active: IntArray
    """(B, L) instances that are there, in the order of their arrival."""
    actives: IntArray
    """(B,) how many."""
    node: IntArray
    """(B, A, S) nodes of the replicas; -1 where there is none."""
    moving: IntArray
    """(B, A, S) nodes to which replicas are moving; -1 otherwise."""
    ready: IntArray
    """(B, A, S) the period from which the new replica serves."""
    moved: IntArray
    """(B, A, MINUTE) replicas moved in each of the last periods."""
    tried: IntArray
    """(B, A) period of the last attempt; -1 before."""
    complete: BoolArray
    """(B, A) whether every slot has a node."""
    bound: BoolArray
    """(B, A) whether every stage has a replica, so that requests are served."""
    stale: BoolArray
    """(B, A) whether the settled placement must be computed again."""
    outcome: FloatArray
    """(B, A, PROCESSING) predictions of the last period, without Eq. 14's parts."""
    cell: IntArray
    """(B, A) the users' cell."""
    link: FloatArray
    """(B, A) bit/s between the users and their cell, as the link last adapted."""
    head: IntArray
    """(B, G) the instance that each agent decides about; -1 for none."""
    used: FloatArray
    """(B, N, R) requests of all replicas, coming and going ones included."""
    taken: BoolArray
    """(B,) whether `used` has changed since `usage` was computed."""
    usage: FloatArray
    """(B, 5, G + 1) moments of `used`, for rewards."""
    rho: FloatArray
    """(B, stations) utilisation in the last period."""
    late: FloatArray
    """(B, N) CPU utilisation as other agents were last told."""
    backlog: FloatArray
    """(B, stations) seconds of queued work."""
    energy: FloatArray
    """(B,) joules in the last period."""
    counters: IntArray
    """(B, G, COUNTERS) since the start."""
    ints: IntArray
    """(B, .) settled placements."""
    floats: FloatArray


class Ground(NamedTuple):
    """What stays: G agents with their nodes."""

    capacity: FloatArray
    """(N, R)."""
    members: IntArray
    """(G, most) node indices of each agent, -1 beyond."""
    sizes: IntArray
    """(G,) how many."""
    region: IntArray
    """(N,) the agent of each node, -1 for none."""
    spread: IntArray
    """(3, N) keys that replicas kept apart may not share: by nothing, node, zone."""
    port: FloatArray
    """(N,) bit/s at which a node pulls images."""
    radio_delay: FloatArray
    """(N,) seconds of a cell's radio."""
    governed: FloatArray
    """(G + 1,) nodes of each agent and (last) of all."""
    offered: int
    """Resources that some node has."""
    row: IntArray
    """(N,) place of a node among its agent's."""
    largest_limit: float
    """Seconds: the printed l_max."""


class Work(NamedTuple):
    """Work space that kernels need and that outlives no step."""

    layout: Layout
    request: Request
    meeting: Meeting
    times: Times
    level: FloatArray
    """(stations in whole LANES, LEVELS)."""
    rho: FloatArray
    """(stations in whole LANES,) utilisation, 0 beyond the last station."""
    queue: FloatArray
    """The same of seconds of queued work in the middle of the period."""
    left: FloatArray
    """(R,)."""
    nothing: FloatArray
    """(R,) zeros."""
    delay: FloatArray
    """(N,) seconds from a cell to an agent's nodes."""
    sums: FloatArray
    """(G + 1, SUMS) of rewards."""
    pending: IntArray
    """(G,) DAGs that miss replicas."""
    actives: IntArray
    """(G,) DAGs."""
    elsewhere: FloatArray
    """(G,) mean load of the other agents' nodes."""


def make_script(pool: Pool, episodes: Sequence[Episode], K: int) -> tuple[Script, int, int, int]:
    """The episodes side by side, shorter ones padded; most active DAGs, integers and floats they need."""
    B, A = len(episodes), max(len(e.template) for e in episodes)
    T, N = max(len(e.factor) for e in episodes), pool.mask.shape[2]
    script = Script(
        template=np.zeros((B, A), np.int32),
        born=np.full((B, A), np.iinfo(np.int32).max, np.int32),
        ends=np.zeros((B, A), np.int32),
        factor=np.zeros((B, T, A)),
        cell=np.zeros((B, T, A), np.int32),
        cell_rate=np.zeros((B, T, A)),
        down=np.zeros((B, T, N), np.bool_),
        instances=np.array([len(e.template) for e in episodes], np.int32),
        periods=np.array([len(e.factor) for e in episodes], np.int32),
        int_at=np.zeros((B, A), np.int32),
        float_at=np.zeros((B, A), np.int32),
    )
    most, ints, floats = 1, 1, 1
    for b, e in enumerate(episodes):
        a, t = len(e.template), len(e.factor)
        script.template[b, :a], script.born[b, :a], script.ends[b, :a] = e.template, e.born, e.ends
        script.factor[b, :t, :a], script.cell[b, :t, :a] = e.factor, e.cell
        script.cell_rate[b, :t, :a], script.down[b, :t] = e.cell_rate, e.down
        change = np.zeros(t + 1, int)
        np.add.at(change, np.minimum(e.born, t), 1)
        np.add.at(change, np.minimum(e.ends, t), -1)
        most = max(most, int(change.cumsum()[:t].max(initial=0)))
        found = _allocate(pool, e, K, script.int_at[b], script.float_at[b])
        ints, floats = max(ints, found[0]), max(floats, found[1])
    return script, most, ints, floats


def _allocate(pool: Pool, episode: Episode, K: int, int_at: IntArray, float_at: IntArray) -> tuple[int, int]:
    """Give every instance a place for its settled placement that no other has while it lives: first fit."""
    q = episode.template
    U, H, X, J = pool.units[q], pool.visits[q], pool.meetings[q], pool.stages[q] + pool.transfers[q]
    sizes = np.array([int_size(u, h, x, j, K) for u, h, x, j in np.stack([U, H, X, J], axis=1).tolist()])
    reals = np.array([float_size(*row) for row in np.stack([U, H, X], axis=1).tolist()])
    places: list[list[int]] = []  # end of the last tenant, integers, floats
    taken = np.zeros(len(q), np.int32)
    for a in range(len(q)):
        free = [p for p, place in enumerate(places) if place[0] <= episode.born[a]]
        fitting = [p for p in free if places[p][1] >= sizes[a] and places[p][2] >= reals[a]]
        if fitting:
            p = min(fitting, key=lambda p: places[p][1])
        elif free:
            p = max(free, key=lambda p: places[p][1])
        else:
            p = len(places)
            places.append([0, 0, 0])
        place = places[p]
        taken[a] = p
        place[:] = [int(episode.ends[a]), max(place[1], sizes[a]), max(place[2], reals[a])]
    starts = np.cumsum([[0, 0], *(place[1:] for place in places)], axis=0)
    int_at[: len(q)], float_at[: len(q)] = starts[taken, 0], starts[taken, 1]
    return int(starts[-1, 0]), int(starts[-1, 1])


def make_state(
    pool: Pool, infra: Infrastructure, agents: int, shape: tuple[int, int], sizes: tuple[int, int, int]
) -> State:
    """Empty cities of `shape` (B, A); `sizes`: most active DAGs, integers and floats of placements."""
    (B, A), (L, ints, floats) = shape, sizes
    S, stations = pool.slot_stage.shape[1], len(infra.capacity)
    return State(
        period=np.zeros(B, np.int32),
        over=np.zeros(B, np.bool_),
        cursor=np.zeros(B, np.int32),
        active=np.zeros((B, L), np.int32),
        actives=np.zeros(B, np.int32),
        node=np.full((B, A, S), -1, np.int32),
        moving=np.full((B, A, S), -1, np.int32),
        ready=np.zeros((B, A, S), np.int32),
        moved=np.zeros((B, A, MINUTE), np.int32),
        tried=np.full((B, A), -1, np.int32),
        complete=np.zeros((B, A), np.bool_),
        bound=np.zeros((B, A), np.bool_),
        stale=np.ones((B, A), np.bool_),
        outcome=np.zeros((B, A, PROCESSING)),
        cell=np.full((B, A), -1, np.int32),
        link=np.zeros((B, A)),
        head=np.full((B, agents), -1, np.int32),
        used=np.zeros((B, infra.nodes, len(RESOURCES))),
        taken=np.ones(B, np.bool_),
        usage=np.zeros((B, 5, agents + 1)),
        rho=np.zeros((B, stations)),
        late=np.zeros((B, infra.nodes)),
        backlog=np.zeros((B, stations)),
        energy=np.zeros(B),
        counters=np.zeros((B, agents, COUNTERS), np.int32),
        ints=np.zeros((B, ints), np.int32),
        floats=np.zeros((B, floats)),
    )


def make_work(pool: Pool, infra: Infrastructure, agents: int, K: int) -> Work:
    """Work space for any template of `pool`."""
    M, T, stations = pool.mask.shape[1], int(pool.transfers.max()), len(infra.capacity)
    lanes = -(-stations // LANES) * LANES
    start, pair_start = np.zeros(M + 1, np.int32), np.zeros(T + 1, np.int32)
    start[-1], pair_start[-1] = pool.slots.max(), pool.pair_start.max()
    return Work(
        layout=empty_layout(infra, start, pair_start),
        request=make_request(M, T, stations, K),
        meeting=make_meeting(T, stations),
        times=make_times(int(pool.units.max()), int(pool.visits.max())),
        level=np.zeros((lanes, LEVELS)),
        rho=np.zeros(lanes),
        queue=np.zeros(lanes),
        left=np.zeros(len(RESOURCES)),
        nothing=np.zeros(len(RESOURCES)),
        delay=np.zeros(infra.nodes),
        sums=np.zeros((agents + 1, SUMS)),
        pending=np.zeros(agents, np.int32),
        actives=np.zeros(agents, np.int32),
        elsewhere=np.zeros(agents),
    )
