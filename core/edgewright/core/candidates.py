"""Which nodes a search looks at when there are many: those that compute fast and lie near the users."""

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.feasibility import Gate
from edgewright.core.kernel import entry
from edgewright.core.stations import Infrastructure, Layout, make_layout, settle, time
from edgewright.core.substrate import BoolArray, FloatArray, IntArray


def candidates(gate: Gate, most: int) -> BoolArray:
    """(M, N) the nodes of each stage: all that `gate.mask` opens, or about `most` of them.

    Three in four are those of least compute time plus time from the users' cell for the stage's share of the
    traffic; the rest have the most room, so that a whole DAG fits. Nodes of fixed replicas are always there,
    and alone for a stage without free slots.
    """
    problem, evaluator = gate.problem, gate.evaluator
    M, N = len(problem.dag.microservices), gate.mask.shape[1]
    open_ = np.array([gate.mask[problem.stage == m].any(axis=0) for m in range(M)])
    if most >= N:
        return open_
    compute = _compute_times(gate)
    dag, infra = evaluator.dag, evaluator.infra
    near = np.zeros(N)
    if dag.cell >= 0:
        bits = float(np.median(dag.size)) if len(dag.size) else 0.0
        rho = np.minimum(evaluator.load.rho[N : 3 * N].reshape(2, N).max(axis=0), 0.95)
        near = infra.path_delay[dag.cell] + bits / np.maximum(infra.path_bandwidth[dag.cell], 1.0) / (
            1.0 - rho
        )
    room = (gate.free / np.maximum(gate.request.max(axis=0), 1e-9))[:, gate.request.max(axis=0) > 0].min(
        axis=1
    )
    chosen = np.zeros_like(open_)
    first = most - most // 4
    for m in np.unique(problem.stage[problem.free]):
        cost = np.where(open_[m], compute[m] + near, np.inf)
        chosen[m, np.argsort(cost, kind="stable")[:first]] = True
        by_room = np.where(open_[m], cost / np.maximum(np.minimum(room, 4.0), 0.25), np.inf)
        rest = [n for n in np.argsort(by_room, kind="stable") if not chosen[m, n]]
        chosen[m, rest[: most // 4]] = True
    settled = gate.fixed >= 0
    chosen[problem.stage[settled], gate.fixed[settled]] = True
    both: BoolArray = chosen & open_
    return both


def _compute_times(gate: Gate) -> FloatArray:
    """(M, N) mean seconds of every stage on every node at the world's load."""
    evaluator = gate.evaluator
    M, N = len(evaluator.dag.work), gate.mask.shape[1]
    none = np.zeros(0, np.int32)
    empty = np.zeros((0, 2), np.int32)
    alone = evaluator.dag._replace(
        source=none,
        target=none,
        size=np.zeros(0),
        transfer_pairs=empty,
        inner_pairs=0,
        traffic=np.zeros(M, np.int32),
    )
    start = np.arange(M + 1, dtype=np.int32) * N
    lay = make_layout(alone, evaluator.infra, start)
    slots = np.diff(evaluator.start).astype(np.float64)
    times = np.zeros(M * N)
    compute_times(
        alone,
        evaluator.infra,
        lay,
        np.tile(np.arange(N, dtype=np.int32), M),
        slots,
        evaluator.load.rho,
        evaluator.idle,
        times,
    )
    return times.reshape(M, N)


@entry
def compute_times(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    nodes: IntArray,
    slots: FloatArray,
    rho: FloatArray,
    backlog: FloatArray,
    times: FloatArray,
) -> None:
    """Mean seconds (M x N,) of a DAG without transfers whose every stage stands on every node."""
    settle(dag, infra, lay, nodes, True, False)
    for m in range(len(dag.work)):
        for slot in range(lay.start[m], lay.start[m + 1]):
            lay.share[slot] = 1.0 / slots[m]
    time(dag, infra, lay, rho, backlog)
    for slot in range(len(times)):
        times[slot] = lay.stage_ideal[slot] + lay.stage_wait[slot] + lay.stage_fixed[slot]
