"""One period of service: placements settle, loads add up, queues grow, core predicts every DAG."""

import numpy as np

from edgewright.core.arrays import LOST, DagArrays
from edgewright.core.draws import queued
from edgewright.core.kernel import inlined, kernel
from edgewright.core.loaded import predict_fixed, write_levels
from edgewright.core.outcome import lose
from edgewright.core.scenarios import Scenarios
from edgewright.core.settled import Settled, view
from edgewright.core.settling import fix
from edgewright.core.stations import Infrastructure, Layout
from edgewright.core.substrate import FloatArray
from edgewright.emulation.fluid.pool import Pool, template
from edgewright.emulation.fluid.state import Script, State, Work

IDLE_POWER, BUSY_POWER = 4.0, 8.0
"""Watts of a powered core, and what a busy one draws more: an edge server of 8 cores has 32-96 W."""

ADAPTATION = 0.1
"""Change of the users' rate to which their link adapts: 5G's coding schemes are about as far apart."""


@inlined
def placement(pool: Pool, script: Script, state: State, b: int, a: int, q: int, K: int) -> Settled:
    """The settled placement of instance a, of template q."""
    J = pool.stages[q] + pool.transfers[q]
    ints, floats = state.ints[b], state.floats[b]
    at, fat = script.int_at[b, a], script.float_at[b, a]
    return view(ints[at:], floats[fat:], pool.units[q], pool.visits[q], pool.meetings[q], J, K)


@inlined
def users(pool: Pool, delay: FloatArray, script: Script, state: State, b: int, a: int) -> DagArrays:
    """Instance a with its users on the link that they have."""
    cell, rate = int(state.cell[b, a]), state.link[b, a]
    return template(
        pool,
        script.template[b, a],
        cell if rate > 0.0 else LOST,
        rate if rate > 0.0 else np.inf,
        delay[cell],
    )


@inlined
def settle_instance(
    pool: Pool,
    infra: Infrastructure,
    table: Scenarios,
    delay: FloatArray,
    script: Script,
    state: State,
    work: Work,
    b: int,
    a: int,
    kept: bool,
) -> None:
    """Compute what the placement of instance a fixes, its users where they are now; `kept` as in `fix`."""
    q = script.template[b, a]
    state.bound[b, a] = _every_stage(pool, state, b, a, q)
    state.stale[b, a] = False
    if state.bound[b, a]:
        dag = users(pool, delay, script, state, b, a)
        lay, assign = _layout(pool, work, q), state.node[b, a, : pool.slots[q]]
        fixed = placement(pool, script, state, b, a, q, table.work.shape[1])
        fix(dag, infra, table, lay, work.request, work.meeting, assign, kept, fixed)


@inlined
def _every_stage(pool: Pool, state: State, b: int, a: int, q: int) -> bool:
    """Whether every stage of instance a has a replica."""
    for m in range(pool.stages[q]):
        replicas = 0
        for slot in range(pool.start[q, m], pool.start[q, m + 1]):
            replicas += state.node[b, a, slot] >= 0
        if replicas == 0:
            return False
    return True


@inlined
def _layout(pool: Pool, work: Work, q: int) -> Layout:
    M, S, T = pool.stages[q], pool.slots[q], pool.transfers[q]
    lay = work.layout
    return Layout(
        start=pool.start[q, : M + 1],
        node=lay.node[:S],
        placed=lay.placed[:M],
        total=lay.total[:M],
        share=lay.share,
        pair_start=pool.pair_start[q, : T + 1],
        joint=lay.joint,
        hops=lay.hops,
        route=lay.route,
        bits=lay.bits,
        cap=lay.cap,
        ideal=lay.ideal,
        wait=lay.wait,
        fixed=lay.fixed,
        late=lay.late,
        stage_ideal=lay.stage_ideal,
        stage_wait=lay.stage_wait,
        stage_fixed=lay.stage_fixed,
        stage_late=lay.stage_late,
        touched=lay.touched,
        used=lay.used,
        rho=lay.rho,
    )


@kernel
def serve(
    pool: Pool,
    infra: Infrastructure,
    table: Scenarios,
    delay: FloatArray,
    period: float,
    script: Script,
    state: State,
    work: Work,
    b: int,
) -> None:
    """Serve the requests of the current period of city b."""
    _settle_all(pool, infra, table, delay, script, state, work, b)
    _load(pool, script, state, table.work.shape[1], b)
    _levels(state, work, period, b)
    _predict_all(pool, table, delay, script, state, work, b)
    state.energy[b] = _energy(infra, script, state, period, b)


@kernel
def _settle_all(
    pool: Pool,
    infra: Infrastructure,
    table: Scenarios,
    delay: FloatArray,
    script: Script,
    state: State,
    work: Work,
    b: int,
) -> None:
    """Settle what was bound, lost replicas, or has users elsewhere than in the period before."""
    t = state.period[b]
    for i in range(state.actives[b]):
        a = state.active[b, i]
        cell, rate = script.cell[b, t, a], script.cell_rate[b, t, a]
        old = state.link[b, a]
        kept = old > 0.0 and not state.stale[b, a] and pool.rooted[script.template[b, a]]
        if cell != state.cell[b, a] or abs(rate - old) > ADAPTATION * min(rate, old):
            state.cell[b, a], state.link[b, a] = cell, rate
            state.stale[b, a] = True
        if state.stale[b, a]:
            settle_instance(pool, infra, table, delay, script, state, work, b, a, kept)


@kernel
def _load(pool: Pool, script: Script, state: State, K: int, b: int) -> None:
    """Utilisation of every station by the requests of all DAGs that are served."""
    t, rho = state.period[b], state.rho[b]
    for station in range(len(rho)):
        rho[station] = 0.0
    for i in range(state.actives[b]):
        a = state.active[b, i]
        if state.bound[b, a]:
            q = script.template[b, a]
            fixed = placement(pool, script, state, b, a, q, K)
            rate = pool.rate[q] * script.factor[b, t, a]
            for j in range(fixed.used[0]):
                rho[fixed.touched[j]] += rate * fixed.load[j]


@kernel
def _levels(state: State, work: Work, period: float, b: int) -> None:
    """What waits need of every station; queues in the middle of the period."""
    rho, backlog, queue = state.rho[b], state.backlog[b], work.queue
    for station in range(len(rho)):
        work.rho[station], queue[station] = rho[station], 0.0
        if rho[station] > 1.0 or backlog[station] > 0.0:
            later = queued(backlog[station], rho[station], period)
            queue[station] = (backlog[station] + later) / 2.0
            backlog[station] = later
    write_levels(work.level, work.rho, queue)


@kernel
def _predict_all(
    pool: Pool, table: Scenarios, delay: FloatArray, script: Script, state: State, work: Work, b: int
) -> None:
    t = state.period[b]
    for i in range(state.actives[b]):
        a = state.active[b, i]
        if not state.bound[b, a]:
            lose(state.outcome[b, a])
            continue
        q = script.template[b, a]
        predict_fixed(
            users(pool, delay, script, state, b, a),
            table,
            work.request,
            work.times,
            placement(pool, script, state, b, a, q, table.work.shape[1]),
            pool.rate[q] * script.factor[b, t, a],
            work.level,
            state.outcome[b, a],
        )


@kernel
def _energy(infra: Infrastructure, script: Script, state: State, period: float, b: int) -> float:
    """Joules of the living nodes: cores powered, and cores busy."""
    t, watts = state.period[b], 0.0
    for n in range(infra.nodes):
        if not script.down[b, t, n]:
            watts += infra.cores[n] * (IDLE_POWER + BUSY_POWER * min(state.rho[b, n], 1.0))
    return watts * period
