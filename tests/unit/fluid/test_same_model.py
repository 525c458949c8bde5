"""The simulator computes what core computes: the same predictions for the same world."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.core.builders import dag, stage
from tests.unit.fluid.builders import AGENTS, episode, random_choice, simulator, templates, town

from edgewright.core.arrays import LOST, compile_dag
from edgewright.core.latency import predict
from edgewright.core.load import infrastructure
from edgewright.core.outcome import MEAN, OUTPUTS
from edgewright.core.request import make_request
from edgewright.core.scenarios import SEARCH, scenarios
from edgewright.core.service import Ingress
from edgewright.core.stations import make_layout
from edgewright.core.substrate import FloatArray
from edgewright.emulation.fluid.simulator import Fluid


def expected(
    fluid: Fluid, background: FloatArray, backlog: FloatArray, b: int, a: int, t: int
) -> tuple[FloatArray, FloatArray]:
    """Core's own prediction of instance a beside everything else in city b, and its load."""
    substrate, script, state, pool = town(), fluid.script, fluid.state, fluid.pool
    infra = infrastructure(substrate)
    q = int(script.template[b, a])
    dag = templates()[q]
    rate = dag.demand.rate * script.factor[b, t, a]
    link = float(state.link[b, a])
    arrays = compile_dag(replace(dag, demand=replace(dag.demand, rate=rate)), substrate)._replace(
        cell=int(state.cell[b, a]) if link > 0.0 else LOST, cell_rate=link or np.inf
    )
    M, S = int(pool.stages[q]), int(pool.slots[q])
    lay = make_layout(arrays, infra, pool.start[q, : M + 1].copy())
    table = scenarios(SEARCH, len(arrays.source))
    req = make_request(M, len(arrays.source), len(infra.capacity), SEARCH)
    out, toll, zero = np.zeros((1, OUTPUTS)), np.zeros(1), np.zeros(len(infra.capacity))
    assign = state.node[b, a, None, :S].copy()
    predict(arrays, infra, table, lay, req, assign, zero, zero, zero, out, toll)
    rest = background - lay.rho
    predict(arrays, infra, table, lay, req, assign, rest, backlog, zero, out, toll)
    row: FloatArray = out[0]
    return row, lay.rho


@pytest.mark.parametrize(("seed", "load"), [(0, 1.0), (1, 1.0), (2, 30.0)])
def test_every_prediction_is_that_of_core(seed: int, load: float) -> None:
    fluid, rng = simulator(), np.random.default_rng(seed)
    episodes = [episode(seed=seed + 10 * i) for i in range(2)]
    for one in episodes:
        one.factor[:] *= load
    fluid.reset(episodes, [1, 2])
    compared, queues, sums = 0, 0.0, 0
    while not fluid.over:
        before, t = fluid.state.backlog.copy(), int(fluid.state.period[0])
        active = [fluid.state.active[b, : fluid.state.actives[b]].copy() for b in range(2)]
        fluid.step(random_choice(fluid, rng))
        for b in range(2):
            backlog = (before[b] + fluid.state.backlog[b]) / 2
            known, whole = True, np.zeros_like(backlog)
            for a in active[b]:
                if fluid.state.stale[b, a]:  # bound anew since it was served
                    known = False
                    continue
                got = fluid.state.outcome[b, a]
                if not fluid.state.bound[b, a]:
                    assert np.isinf(got[MEAN])
                    continue
                want, own = expected(fluid, fluid.state.rho[b], backlog, b, int(a), t)
                whole += own
                np.testing.assert_allclose(got, want[: len(got)], rtol=1e-8, atol=1e-12)
                compared += 1
                queues = max(queues, float(backlog.max()))
            if known:
                np.testing.assert_allclose(fluid.state.rho[b], whole, rtol=1e-12, atol=1e-15)
                sums += bool(whole.any())
    assert compared > 20
    assert sums > 5
    assert (queues > 0.0) == (load > 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_what_stays_when_users_move_is_what_settling_anew_finds(seed: int) -> None:
    two: dict[str, Any] = {"min_replicas": 2, "max_replicas": 2, "limit_cpu": None}
    free = [stage(name, limit_cpu=None) for name in "abcde"]
    fan = dag([*free[:2], stage("c", **two)], [("a", "b"), ("a", "c")])
    exits = dag([free[0], stage("b", **two), *free[2:]], [("a", "b"), ("a", "c"), ("b", "d"), ("c", "e")])
    dags = [
        replace(one, name=f"t{i}", ingress=Ingress(node=f"n{4 * (i % AGENTS)}"))
        for i, one in enumerate((fan, exits, fan, exits))
    ]
    runs: list[list[FloatArray]] = []
    for anew in (False, True):
        fluid, rng = simulator(dags), np.random.default_rng(seed)
        assert fluid.pool.rooted.all()
        fluid.reset([episode(seed=seed, periods=30, dags=dags)], [1])
        runs.append([])
        while not fluid.over:
            fluid.state.stale[:] |= anew
            fluid.step(random_choice(fluid, rng))
            runs[-1].append(fluid.state.outcome.copy())
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-12)
