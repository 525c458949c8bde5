"""Requests drawn one by one from the distribution whose moments a prediction reports."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import TIMEOUT, DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.load import Use, work_space
from edgewright.core.neighbours import predict_settled
from edgewright.core.outcome import OUTPUTS
from edgewright.core.overlap import pair_of
from edgewright.core.request import Request, times_called
from edgewright.core.scenarios import LANES, Scenarios, random_scenarios
from edgewright.core.stations import Infrastructure, Layout
from edgewright.core.substrate import FloatArray, IntArray


class Draws(NamedTuple):
    """K requests through one placement of a DAG with M stages and T transfers."""

    latency: FloatArray
    """(K,) seconds; infinite where some replica cannot be reached."""
    success: FloatArray
    """(K,) probability that every node, link and cell on the request's way works."""
    replica: IntArray
    """(K, M) which of a stage's placed replicas, in node order, the request uses."""
    transfer: FloatArray
    """(T, K) seconds of one traversal of each transfer."""
    made: FloatArray
    """(T, K) how often the request makes each transfer."""


def draw(
    use: Use,
    infra: Infrastructure,
    *,
    rate: float,
    rho: FloatArray,
    backlog: FloatArray,
    count: int,
    random: np.random.Generator,
) -> Draws:
    """Draw `count` requests while `rate` of them arrive per second, whatever the DAG declares.

    `rho` and `backlog` (stations,): utilisation by everything, these requests included, and seconds of
    queued work. Raises ValueError when some stage has no replica.
    """
    arrays, layout = use.arrays._replace(rate=rate), use.layout
    if not layout.placed.all():
        raise ValueError(f"stages {np.flatnonzero(layout.placed == 0).tolist()} have no replica to draw for")
    M, T = len(arrays.work), len(arrays.source)
    more = count + -count % LANES
    table = random_scenarios(more, M, T, random)
    request = work_space(arrays, infra, table)
    predict_settled(arrays, infra, table, layout, request, rho, backlog, np.zeros(OUTPUTS))
    success, visits, made = np.ones(more), np.zeros((M, more)), np.ones((T, more))
    _trace(arrays, infra, layout, table, request, visits, made, success)
    return Draws(
        latency=request.total[:count].copy(),
        success=success[:count],
        replica=request.picked[:count].copy(),
        transfer=request.seconds[M:, :count].copy(),
        made=made[:, :count],
    )


def queue(backlog: FloatArray, rho: FloatArray, seconds: float) -> FloatArray:
    """Seconds of queued work (stations,) after `seconds` at utilisation `rho`, see `queued`."""
    waiting = np.zeros_like(backlog)
    _queue(backlog, rho, seconds, waiting)
    return waiting


@kernel
def queued(backlog: float, rho: float, seconds: float) -> float:
    """Seconds of work queued at a station: b <- max(0, b + (rho - 1) dt).

    At most TIMEOUT: what has waited longer is given up and leaves the queue.
    """
    return min(max(backlog + (rho - 1.0) * seconds, 0.0), TIMEOUT)


@entry
def _queue(backlog: FloatArray, rho: FloatArray, seconds: float, out: FloatArray) -> None:
    for station in range(len(out)):
        out[station] = queued(backlog[station], rho[station], seconds)


@entry
def _trace(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    table: Scenarios,
    req: Request,
    visits: FloatArray,
    made: FloatArray,
    success: FloatArray,
) -> None:
    """Success (K,) of each request's own way, and how often it makes each transfer (T, K); visits (M, K)."""
    met = req.touch
    for k in range(len(success)):
        success[k] = _meet(dag, infra, lay, req.picked[k], met, 0.0)
        if success[k] < 1.0:
            _meet(dag, infra, lay, req.picked[k], met, 1.0)
    if dag.pipeline:
        return
    for m in dag.order:
        for t in dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]:
            source = dag.source[t]
            for k in range(len(success)):
                if source >= 0:
                    made[t, k] = visits[source, k] * times_called(dag, table, t, k)
                    made[dag.back[t], k] = made[t, k]
                visits[m, k] += made[t, k]


@kernel
def _meet(
    dag: DagArrays, infra: Infrastructure, lay: Layout, picked: IntArray, met: FloatArray, mark: float
) -> float:
    """Product of the success of the distinct elements of one way; leaves `mark` where that is below 1."""
    product = 1.0
    for m in range(len(picked)):
        product *= _once(infra, met, lay.node[lay.start[m] + picked[m]], mark)
    for t in range(len(dag.source)):
        pair = pair_of(dag, lay, picked, t)
        for h in range(lay.hops[pair]):
            product *= _once(infra, met, infra.element[lay.route[pair, h]], mark)
    return product


@kernel
def _once(infra: Infrastructure, met: FloatArray, station: int, mark: float) -> float:
    success: float = infra.success[station]
    if success == 1.0 or met[station] == mark:
        return 1.0
    met[station] = mark
    return success
