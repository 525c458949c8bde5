"""What no placement can beat: the idle latency of the best nodes, and limits below it."""

import numpy as np

from edgewright.core import latency
from edgewright.core.arrays import LOST, NO_CELL, DagArrays, compile_dag
from edgewright.core.bounds import required_bounds
from edgewright.core.load import infrastructure
from edgewright.core.masks import fits, static_mask
from edgewright.core.outcome import OUTPUTS
from edgewright.core.problem import Constraint, Violation
from edgewright.core.request import make_request
from edgewright.core.scenarios import STATUS, scenarios
from edgewright.core.service import ServiceDag
from edgewright.core.stations import Infrastructure
from edgewright.core.substrate import BoolArray, FloatArray, Substrate
from edgewright.core.units import MS
from edgewright.core.violations import QOS_NAMES


def physics(dag: ServiceDag, substrate: Substrate) -> tuple[Violation, ...]:
    """Bounds of `dag` that no placement on `substrate` can meet even with every node idle; for the operator.

    Readiness and load are left out: they pass. Checked whether required or not. Empty: possible, as far as a
    bound that gives every stage its own best node can tell.
    """
    masks = [
        static_mask(substrate, m, dag.slice, ready=False) & fits(np.array(m.request), substrate.capacity)
        for m in dag.microservices
    ]
    return impossible(dag, substrate, np.array(masks), every=True)


def impossible(
    dag: ServiceDag, substrate: Substrate, masks: BoolArray, *, every: bool = False
) -> tuple[Violation, ...]:
    """Bounds broken by the best idle latency over nodes `masks` (M, N); only required ones unless `every`.

    Empty as well where a stage has no node at all: that is another reason.
    """
    if not masks.any(axis=1).all():
        return ()
    arrays = compile_dag(dag, substrate)
    ideal, fixed = best_jobs(arrays, infrastructure(substrate), masks)
    table = scenarios(STATUS, len(arrays.source))
    stations = len(substrate.station_capacity)
    request, out = make_request(len(arrays.work), len(arrays.source), stations, STATUS), np.zeros(OUTPUTS)
    latency.idle(arrays, table, request, ideal, fixed, out)
    bounds = required_bounds(dag, every=every)
    return tuple(
        _impossible(bound.constraint, float(out[bound.column]), bound.limit, dag)
        for bound in bounds
        if bound.constraint in (Constraint.LATENCY, Constraint.INVOCATION_LATENCY)
        and not bound.holds(out[bound.column : bound.column + 1])[0]
    )


def best_jobs(dag: DagArrays, infra: Infrastructure, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(M + T,) least ideal time and fixed delay of each stage and transfer over the nodes `masks` (M, N).

    Each job takes its own best nodes, so their sum is a lower bound. Transfers between stages that may share
    a node cost nothing.
    """
    M, T = len(dag.work), len(dag.source)
    ideal, fixed = np.zeros(M + T), np.zeros(M + T)
    for m in range(M):
        speed = np.minimum(dag.cores[m], infra.cores) * infra.speed
        ideal[m] = dag.work[m] / speed[masks[m]].max()
        fixed[m] = infra.compute_delay[masks[m]].min()
    for t in range(T):
        source, target = int(dag.source[t]), int(dag.target[t])
        rate, delay = _best_route(dag, infra, masks, source, target)
        ideal[M + t], fixed[M + t] = dag.size[t] / rate, delay
    return ideal, fixed


def _best_route(
    dag: DagArrays, infra: Infrastructure, masks: BoolArray, source: int, target: int
) -> tuple[float, float]:
    """Largest rate and least delay over all allowed node pairs of a transfer."""
    if min(source, target) < 0:
        if dag.cell in (NO_CELL, LOST):
            return np.inf, 0.0
        mask = masks[max(source, target)]
        pairs = (slice(dag.cell, dag.cell + 1), mask) if source < 0 else (mask, slice(dag.cell, dag.cell + 1))
        rate = infra.path_bandwidth[pairs].max()
        return float(min(rate, dag.cell_rate)), float(infra.path_delay[pairs].min() + dag.cell_delay)
    if (masks[source] & masks[target]).any():
        return np.inf, 0.0
    pairs_ = np.ix_(masks[source], masks[target])
    rate = float(infra.path_bandwidth[pairs_].max())
    return (rate if rate > 0 else np.inf), float(infra.path_delay[pairs_].min())


def _impossible(constraint: Constraint, best: float, limit: float, dag: ServiceDag) -> Violation:
    what, field = QOS_NAMES[constraint]
    if constraint == Constraint.INVOCATION_LATENCY:
        return Violation(
            constraint,
            needed=1.0,
            available=best,
            message=f"{what} takes at least {best:.3g} times its limit even on idle nodes; "
            f"raise {field}, shrink the payload or allow a common tier",
        )
    return Violation(
        constraint,
        needed=limit / MS,
        available=best / MS,
        unit="ms",
        message=f"p{dag.qos.percentile:g} {what} is at least {best / MS:.3g} ms even on idle best nodes, "
        f"{field} is {limit / MS:.3g}; raise it, shrink work or payloads, or allow nearer tiers",
    )
