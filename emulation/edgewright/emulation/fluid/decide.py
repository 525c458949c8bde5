"""What happens to placements: decisions under core's masks, arrivals, ends, failures, migrations."""

import math

from edgewright.core.gate import holds, stays_apart
from edgewright.core.kernel import kernel
from edgewright.core.outcome import PERCENTILE
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.emulation.fluid.pool import Pool
from edgewright.emulation.fluid.state import (
    ENDED,
    FAILED,
    KEPT,
    MIGRATED,
    MINUTE,
    PLACED,
    Ground,
    Script,
    State,
)

START = 2.0
"""Seconds in which a container starts."""
IMAGE = 1.6e9
"""Bits of an image that a node pulls through its port before: 200 MB."""


@kernel
def take(pool: Pool, state: State, b: int, q: int, slot: int, n: int, sign: float) -> None:
    """Reserve (sign 1) or give back (-1) what one replica requests on node n."""
    request, used = pool.request[q, pool.slot_stage[q, slot]], state.used[b, n]
    for r in range(len(request)):
        used[r] += sign * request[r]
    state.taken[b] = True


@kernel
def is_open(
    pool: Pool,
    ground: Ground,
    script: Script,
    state: State,
    left: FloatArray,
    b: int,
    a: int,
    slot: int,
    n: int,
) -> bool:
    """Whether a replica of instance a may go to node n now, as `masks.mask_after`; `left` (R,) work space."""
    q = script.template[b, a]
    m = pool.slot_stage[q, slot]
    if not pool.mask[q, m, n] or script.down[b, state.period[b], n]:
        return False
    for r in range(len(left)):
        left[r] = ground.capacity[n, r] - state.used[b, n, r]
    if not holds(left, pool.request[q, m]):
        return False
    first, last = pool.start[q, m], pool.start[q, m + 1]
    keys = ground.spread[pool.spread[q, m]]
    return stays_apart(keys, state.node[b, a, first:last], slot - first, n) and stays_apart(
        keys, state.moving[b, a, first:last], slot - first, n
    )


@kernel
def act(
    pool: Pool,
    ground: Ground,
    script: Script,
    state: State,
    left: FloatArray,
    period: float,
    b: int,
    g: int,
    choice: IntArray,
) -> None:
    """Apply the decision (S,) of agent g about its head: rows of its nodes, their number for 'pending'."""
    a = state.head[b, g]
    if a < 0:
        return
    state.tried[b, a] = state.period[b]
    if state.complete[b, a]:
        _migrate(pool, ground, script, state, left, period, b, g, a, choice)
    else:
        _place(pool, ground, script, state, left, b, g, a, choice)


@kernel
def _place(
    pool: Pool,
    ground: Ground,
    script: Script,
    state: State,
    left: FloatArray,
    b: int,
    g: int,
    a: int,
    choice: IntArray,
) -> None:
    """Place the missing replicas, callers first: all of them or none."""
    q = script.template[b, a]
    node, members = state.node[b, a], ground.members[g]
    S, done = pool.slots[q], 0
    for i in range(S):
        slot = pool.turn[q, i]
        done = i + 1
        if node[slot] >= 0:
            continue
        n = members[choice[slot]] if 0 <= choice[slot] < ground.sizes[g] else -1
        if n < 0 or not is_open(pool, ground, script, state, left, b, a, slot, n):
            done = -done
            break
        node[slot] = n
        state.moving[b, a, slot] = n  # marks what is new until all are placed
        take(pool, state, b, q, slot, n, 1.0)
    for i in range(abs(done)):
        slot = pool.turn[q, i]
        if state.moving[b, a, slot] >= 0:
            if done < 0:
                take(pool, state, b, q, slot, node[slot], -1.0)
                node[slot] = -1
            state.moving[b, a, slot] = -1
    if done < 0:
        state.counters[b, g, FAILED] += 1
    else:
        state.complete[b, a] = state.stale[b, a] = True
        state.counters[b, g, PLACED] += 1


@kernel
def _migrate(
    pool: Pool,
    ground: Ground,
    script: Script,
    state: State,
    left: FloatArray,
    period: float,
    b: int,
    g: int,
    a: int,
    choice: IntArray,
) -> None:
    """Start moving the replicas that are to be elsewhere, as many as a minute allows: make before break."""
    q, t = script.template[b, a], state.period[b]
    budget = pool.moves[q] - recent(state, b, a)
    for i in range(pool.slots[q]):
        slot = pool.turn[q, i]
        n = ground.members[g, choice[slot]] if 0 <= choice[slot] < ground.sizes[g] else -1
        if n < 0 or n == state.node[b, a, slot] or state.moving[b, a, slot] >= 0:
            continue
        if budget <= 0 or not is_open(pool, ground, script, state, left, b, a, slot, n):
            state.counters[b, g, KEPT] += 1
            continue
        budget -= 1
        take(pool, state, b, q, slot, n, 1.0)
        state.moving[b, a, slot] = n
        state.ready[b, a, slot] = t + math.ceil((START + IMAGE / ground.port[n]) / period)
        state.moved[b, a, t % MINUTE] += 1
        state.counters[b, g, MIGRATED] += 1


@kernel
def recent(state: State, b: int, a: int) -> int:
    """Replicas of instance a that moved within the last minute."""
    moved = 0
    for i in range(MINUTE):
        moved += state.moved[b, a, i]
    return moved


@kernel
def begin(pool: Pool, ground: Ground, script: Script, state: State, b: int) -> None:
    """What happens to city b at the start of its period whatever anybody decides, and what comes up."""
    _end(pool, script, state, b)
    _arrive(pool, script, state, b)
    t = state.period[b]
    for n in range(script.down.shape[2]):
        if script.down[b, t, n]:
            _fail(pool, script, state, b, n)
    _bear(script, state, b)
    _choose_heads(pool, script, state, b)


@kernel
def _end(pool: Pool, script: Script, state: State, b: int) -> None:
    t, kept = state.period[b], 0
    for i in range(state.actives[b]):
        a = state.active[b, i]
        if script.ends[b, a] > t:
            state.active[b, kept] = a
            state.moved[b, a, t % MINUTE] = 0
            kept += 1
            continue
        q = script.template[b, a]
        for slot in range(pool.slots[q]):
            _leave(pool, state, b, a, q, slot)
            _cancel(pool, state, b, a, q, slot)
        state.counters[b, pool.region[q], ENDED] += 1
    state.actives[b] = kept


@kernel
def _leave(pool: Pool, state: State, b: int, a: int, q: int, slot: int) -> None:
    """A replica stops."""
    n = state.node[b, a, slot]
    if n >= 0:
        take(pool, state, b, q, slot, n, -1.0)
        state.node[b, a, slot] = -1
        state.complete[b, a] = False
        state.stale[b, a] = True


@kernel
def _cancel(pool: Pool, state: State, b: int, a: int, q: int, slot: int) -> None:
    """A replica that was to come does not."""
    n = state.moving[b, a, slot]
    if n >= 0:
        take(pool, state, b, q, slot, n, -1.0)
        state.moving[b, a, slot] = -1


@kernel
def _arrive(pool: Pool, script: Script, state: State, b: int) -> None:
    """Moved replicas that are ready take over; the old ones stop."""
    for i in range(state.actives[b]):
        a = state.active[b, i]
        q = script.template[b, a]
        for slot in range(pool.slots[q]):
            n = state.moving[b, a, slot]
            if n >= 0 and state.ready[b, a, slot] <= state.period[b]:
                if state.node[b, a, slot] >= 0:
                    take(pool, state, b, q, slot, state.node[b, a, slot], -1.0)
                state.node[b, a, slot], state.moving[b, a, slot] = n, -1
                state.stale[b, a] = True


@kernel
def _fail(pool: Pool, script: Script, state: State, b: int, n: int) -> None:
    """Node n is dead: its replicas are lost, and those on their way to it."""
    for i in range(state.actives[b]):
        a = state.active[b, i]
        q = script.template[b, a]
        for slot in range(pool.slots[q]):
            if state.moving[b, a, slot] == n:
                _cancel(pool, state, b, a, q, slot)
            if state.node[b, a, slot] == n:
                _leave(pool, state, b, a, q, slot)
                if state.moving[b, a, slot] >= 0:
                    _cancel(pool, state, b, a, q, slot)


@kernel
def _bear(script: Script, state: State, b: int) -> None:
    """The DAGs that begin in this period join the pending ones."""
    t = state.period[b]
    while state.cursor[b] < script.instances[b] and script.born[b, state.cursor[b]] <= t:
        a = state.cursor[b]
        state.cursor[b] += 1
        if script.ends[b, a] > t:
            state.active[b, state.actives[b]] = a
            state.actives[b] += 1


@kernel
def _choose_heads(pool: Pool, script: Script, state: State, b: int) -> None:
    """Each agent's pending DAG that waits longest for an attempt, else its worst one that may still move."""
    head = state.head[b]
    head[:] = -1
    for i in range(state.actives[b]):
        a = state.active[b, i]
        q = script.template[b, a]
        g = pool.region[q]
        best = head[g]
        if not state.complete[b, a]:
            if best < 0 or state.complete[b, best] or state.tried[b, a] < state.tried[b, best]:
                head[g] = a
        elif best < 0 or state.complete[b, best]:
            if recent(state, b, a) >= pool.moves[q]:
                continue
            if best < 0 or _badness(pool, script, state, b, a) > _badness(pool, script, state, b, best):
                head[g] = a


@kernel
def _badness(pool: Pool, script: Script, state: State, b: int, a: int) -> float:
    value: float = state.outcome[b, a, PERCENTILE] / pool.limit[script.template[b, a]]
    return value
