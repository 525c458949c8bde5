"""What agents are told after a period: rewards by core's terms, and observations with old, noisy metrics."""

import numpy as np

from edgewright.core import rewards as terms
from edgewright.core.kernel import inlined, kernel
from edgewright.core.observe import (
    HEAD_SIZE,
    NODE_SIZE,
    NOTHING,
    PENDING,
    PLACED,
    SLOT_SIZE,
    Observation,
    write_head,
    write_node,
    write_slot,
)
from edgewright.core.outcome import PERCENTILE, VIOLATION
from edgewright.core.stations import Infrastructure
from edgewright.core.substrate import FloatArray
from edgewright.emulation.fluid.decide import recent
from edgewright.emulation.fluid.pool import Pool
from edgewright.emulation.fluid.serve import placement
from edgewright.emulation.fluid.state import MINUTE, Ground, Script, State, Work


@kernel
def reward(
    pool: Pool,
    ground: Ground,
    script: Script,
    state: State,
    work: Work,
    weights: FloatArray,
    printed: bool,
    K: int,
    b: int,
    out: FloatArray,
) -> None:
    """Rewards (G,) of the period that city b has just served."""
    sums, t, G = work.sums, state.period[b], len(out)
    sums[:] = 0.0
    for i in range(state.actives[b]):
        a = state.active[b, i]
        q = script.template[b, a]
        rate = pool.rate[q] * script.factor[b, t, a]
        busiest = 0.0
        if state.bound[b, a]:
            fixed = placement(pool, script, state, b, a, q, K)
            for u in range(fixed.first[pool.stages[q]]):
                busiest = max(busiest, state.rho[b, fixed.station[u]])
        limits = (pool.limit[q], pool.jitter[q], pool.skew[q], pool.success[q])
        terms.add(sums[pool.region[q]], state.outcome[b, a], rate, limits, busiest, printed)
    for g in range(G):
        for column in range(terms.SUMS):
            sums[G, column] += sums[g, column]
    usage = state.usage[b]
    if state.taken[b]:
        terms.moments(ground.capacity, state.used[b], ground.region, ground.governed, usage)
        state.taken[b] = False
    terms.rewards(sums, usage, ground.offered, weights, ground.largest_limit, printed, out)
    for i in range(state.actives[b]):
        a = state.active[b, i]
        out[pool.region[script.template[b, a]]] -= terms.MIGRATION * state.moved[b, a, t % MINUTE]


@inlined
def noise(seed: int, period: int, node: int) -> tuple[float, float, float]:
    """Three numbers of variance 1 in [-1.73, 1.73), always the same for a node (SplitMix64's finaliser)."""
    x = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(period) * np.uint64(0xD1B54A32D192ED03) + np.uint64(node) * np.uint64(0x8CB92BA72F3D8DD7)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return _centred(x >> np.uint64(43)), _centred(x >> np.uint64(22)), _centred(x)


@inlined
def _centred(x: np.uint64) -> float:
    """The last 21 bits of x as a number of mean 0 and variance 1."""
    return (float(np.int64(x & np.uint64(0x1FFFFF))) * 2.0**-20 - 1.0) * 1.7320508075688772


@kernel
def observe(
    pool: Pool,
    infra: Infrastructure,
    ground: Ground,
    script: Script,
    state: State,
    work: Work,
    spread: float,
    seed: int,
    nodes: int,
    b: int,
    out: Observation,
    active: Observation,
) -> None:
    """Observations (G, size) and masks (G,) of city b's agents; `spread`: relative noise of metrics."""
    _census(pool, infra, ground, script, state, work, b)
    for g in range(len(out)):
        a = state.head[b, g]
        active[g] = 1.0 if a >= 0 else 0.0
        if a >= 0:
            _observe_one(pool, infra, ground, script, state, work, spread, seed, nodes, b, g, a, out[g])
        else:
            out[g] = 0.0
            write_head(
                out[g], NOTHING, 0.0, 0.0, 0.0, 0.0, 0, work.pending[g], work.actives[g], work.elsewhere[g]
            )


@kernel
def _census(
    pool: Pool,
    infra: Infrastructure,
    ground: Ground,
    script: Script,
    state: State,
    work: Work,
    b: int,
) -> None:
    """DAGs of each agent, and the mean CPU load of all the others' nodes."""
    G = len(ground.sizes)
    work.pending[:] = 0
    work.actives[:] = 0
    for i in range(state.actives[b]):
        a = state.active[b, i]
        g = pool.region[script.template[b, a]]
        work.actives[g] += 1
        work.pending[g] += not state.complete[b, a]
    total, count = 0.0, 0
    for g in range(G):
        own = 0.0
        for i in range(ground.sizes[g]):
            own += min(state.late[b, ground.members[g, i]], 2.0)
        work.elsewhere[g] = own
        total += own
        count += ground.sizes[g]
    for g in range(G):
        work.elsewhere[g] = (total - work.elsewhere[g]) / max(count - ground.sizes[g], 1)


@kernel
def _observe_one(
    pool: Pool,
    infra: Infrastructure,
    ground: Ground,
    script: Script,
    state: State,
    work: Work,
    spread: float,
    seed: int,
    nodes: int,
    b: int,
    g: int,
    a: int,
    out: Observation,
) -> None:
    q, t, N, rho = script.template[b, a], state.period[b], infra.nodes, state.rho[b]
    rate = pool.rate[q] * script.factor[b, t, a]
    done, cell = state.complete[b, a], script.cell[b, t, a]
    old = state.outcome[b, a]
    write_head(
        out,
        PLACED if done else PENDING,
        rate,
        pool.limit[q],
        old[PERCENTILE],
        old[VIOLATION],
        pool.moves[q] - recent(state, b, a),
        work.pending[g],
        work.actives[g],
        work.elsewhere[g],
    )
    for i in range(ground.sizes[g]):  # no cache holds them: all are asked for at once
        work.delay[i] = infra.path_delay[cell, ground.members[g, i]]
    at = HEAD_SIZE
    for i in range(ground.sizes[g]):
        n = ground.members[g, i]
        cpu, up, down = noise(seed, t, n)
        write_node(
            out[at:],
            ground.capacity[n],
            state.used[b, n],
            work.nothing,
            0.0 if script.down[b, t, n] else 1.0,
            rho[n] * (1.0 + spread * cpu),
            rho[N + n] * (1.0 + spread * up),
            rho[2 * N + n] * (1.0 + spread * down),
            work.delay[i],
        )
        at += NODE_SIZE
    first = HEAD_SIZE + nodes * NODE_SIZE
    for i in range(at, first):
        out[i] = 0.0
    at = first
    for slot in range(pool.slots[q]):
        m = pool.slot_stage[q, slot]
        write_slot(
            out[at:],
            pool.request[q, m],
            rate * pool.need[q, m],
            pool.parent[q, slot],
            pool.payload[q, m],
            ground.row[state.node[b, a, slot]] if state.node[b, a, slot] >= 0 else -1,
        )
        at += SLOT_SIZE
    for i in range(at, len(out)):
        out[i] = 0.0
