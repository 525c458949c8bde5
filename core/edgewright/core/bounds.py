"""The QoS bounds of a DAG as rows: which prediction, which limit, in which direction."""

from dataclasses import dataclass

from edgewright.core import outcome
from edgewright.core.problem import Constraint
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray

SLACK = 1e-9
"""Relative slack of comparisons with a limit."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on a column of predictions; `at_least` for success."""

    constraint: Constraint
    column: int
    limit: float
    at_least: bool = False

    def holds(self, value: FloatArray) -> BoolArray:
        """Where predicted values respect the limit."""
        if self.at_least:
            return value >= self.limit * (1 - SLACK)
        return value <= self.limit * (1 + SLACK)

    def eased(self, value: float) -> "Bound":
        """The limit, or the value that holds today where that is worse: what is broken must not get worse."""
        limit = min(self.limit, value) if self.at_least else max(self.limit, value)
        return Bound(self.constraint, self.column, limit, self.at_least)


def qos_bounds(dag: ServiceDag) -> tuple[Bound, ...]:
    """Every bound that the DAG states, required or not."""
    qos = dag.qos
    bounds = []
    if qos.max_latency is not None:
        bounds.append(Bound(Constraint.LATENCY, outcome.PERCENTILE, qos.max_latency))
    if qos.max_jitter is not None:
        bounds.append(Bound(Constraint.JITTER, outcome.JITTER, qos.max_jitter))
    if qos.max_skew is not None:
        bounds.append(Bound(Constraint.SKEW, outcome.SKEW, qos.max_skew))
    if qos.min_success is not None:
        bounds.append(Bound(Constraint.SUCCESS, outcome.SUCCESS, qos.min_success, at_least=True))
    if any(i.max_latency is not None for i in dag.invocations):
        bounds.append(Bound(Constraint.INVOCATION_LATENCY, outcome.BOUND, 1.0))
    return tuple(bounds)


def required_bounds(dag: ServiceDag, *, every: bool = False) -> tuple[Bound, ...]:
    """The bounds that a binding may never break; `every`: as if they were required."""
    return qos_bounds(dag) if every or dag.qos.required else ()
