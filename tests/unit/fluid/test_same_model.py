"""The simulator computes what core computes: the same predictions for the same world."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.fluid.builders import episode, random_choice, simulator, templates, town

from edgewright.core.arrays import compile_dag
from edgewright.core.latency import predict
from edgewright.core.load import infrastructure
from edgewright.core.outcome import MEAN, OUTPUTS
from edgewright.core.request import make_request
from edgewright.core.scenarios import SEARCH, scenarios
from edgewright.core.stations import make_layout
from edgewright.core.substrate import FloatArray
from edgewright.emulation.fluid.simulator import Fluid


def expected(fluid: Fluid, background: FloatArray, backlog: FloatArray, b: int, a: int, t: int) -> FloatArray:
    """Core's own prediction of instance a beside everything else in city b."""
    substrate, script, state, pool = town(), fluid.script, fluid.state, fluid.pool
    infra = infrastructure(substrate)
    q = int(script.template[b, a])
    dag = templates()[q]
    rate = dag.demand.rate * script.factor[b, t, a]
    arrays = compile_dag(replace(dag, demand=replace(dag.demand, rate=rate)), substrate)._replace(
        cell=int(state.cell[b, a]), cell_rate=float(state.link[b, a])
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
    return row


@pytest.mark.parametrize(("seed", "load"), [(0, 1.0), (1, 1.0), (2, 30.0)])
def test_every_prediction_is_that_of_core(seed: int, load: float) -> None:
    fluid, rng = simulator(), np.random.default_rng(seed)
    episodes = [episode(seed=seed + 10 * i) for i in range(2)]
    for one in episodes:
        one.factor[:] *= load
    fluid.reset(episodes, [1, 2])
    compared, queues = 0, 0.0
    while not fluid.over:
        before, t = fluid.state.backlog.copy(), int(fluid.state.period[0])
        active = [fluid.state.active[b, : fluid.state.actives[b]].copy() for b in range(2)]
        fluid.step(random_choice(fluid, rng))
        for b in range(2):
            backlog = (before[b] + fluid.state.backlog[b]) / 2
            for a in active[b]:
                if fluid.state.stale[b, a]:  # bound anew since it was served
                    continue
                got = fluid.state.outcome[b, a]
                if not fluid.state.bound[b, a]:
                    assert np.isinf(got[MEAN])
                    continue
                want = expected(fluid, fluid.state.rho[b], backlog, b, int(a), t)
                np.testing.assert_allclose(got, want[: len(got)], rtol=1e-8, atol=1e-12)
                compared += 1
                queues = max(queues, float(backlog.max()))
    assert compared > 20
    assert (queues > 0.0) == (load > 1.0)
