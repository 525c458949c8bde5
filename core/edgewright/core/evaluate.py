"""Evaluate placements, one or ten thousand at once: predictions, the objective J, a fast form for search."""

from typing import NamedTuple

import numpy as np

from edgewright.core import latency
from edgewright.core.arrays import compile_dag
from edgewright.core.load import infrastructure, stage_starts, world_load
from edgewright.core.neighbours import affected
from edgewright.core.outcome import MEAN, OUTPUTS
from edgewright.core.problem import Prediction, Problem
from edgewright.core.request import Request, make_request
from edgewright.core.scenarios import SEARCH, Scenarios, scenarios
from edgewright.core.stations import Layout, make_layout
from edgewright.core.substrate import FloatArray, IntArray

WORST = 10.0
"""Cost of unplaced demand, and the most that a mean latency can cost, in units of its limit."""


class Predictions(NamedTuple):
    """One value per placement, (B,); seconds and probabilities as in `Prediction`."""

    mean: FloatArray
    percentile: FloatArray
    jitter: FloatArray
    skew: FloatArray
    success: FloatArray
    violation: FloatArray
    access: FloatArray
    processing: FloatArray
    synchronisation: FloatArray
    bound: FloatArray
    """Largest transfer time at the percentile over that invocation's own limit; 0 without limits."""

    def one(self, b: int = 0) -> Prediction:
        """The prediction of placement b."""
        return Prediction(*(float(column[b]) for column in self[:-1]))


class Evaluator:
    """Evaluates placements of one problem's DAG, the rest of the world fixed.

    Placements are (S,) or (B, S) arrays of node indices, slots in the problem's order, UNPLACED where a
    slot has no node. The order of a stage's replicas means nothing.
    """

    def __init__(self, problem: Problem, count: int = SEARCH) -> None:
        self.problem = problem
        substrate = problem.world.substrate
        self.dag = compile_dag(problem.dag, substrate)
        self.infra = infrastructure(substrate)
        self.load = world_load(problem.world)
        self.start = stage_starts(problem.stage, len(problem.dag.microservices))
        self.table = scenarios(count, len(self.dag.source))
        self.base = np.zeros((len(self.load.uses), OUTPUTS))
        self.price = np.zeros(len(self.load.rho))
        """(stations,) requests per second of other DAGs times their cost, per unit of utilisation."""
        for row, use in zip(self.base, self.load.uses, strict=True):
            row[:], price = use.assess(self.infra, scenarios(count, len(use.arrays.source)), self.load.rho)
            self.price[use.stations] += price
        self.rates = np.array([use.arrays.rate for use in self.load.uses])
        self.limits = np.array([use.arrays.limit for use in self.load.uses])
        self.total_rate = max(float(self.dag.rate + self.rates.sum()), 1e-12)
        self.neighbour_cost = float(self.rates @ _cost(self.base[:, MEAN], self.limits))
        self.idle = np.zeros(len(self.load.rho))
        self.layout = make_layout(self.dag, self.infra, self.start)
        self.request = make_request(self.dag, self.infra, self.table)
        self._theirs: dict[int, tuple[Layout, Request, Scenarios]] = {}

    def evaluate(self, assign: IntArray, *, backlog: FloatArray | None = None) -> Predictions:
        """Predictions (B,) of placements (B, S); `backlog` (stations,) seconds of queued work, default none.

        A placement that leaves a stage without any replica has infinite latency and success 0.
        """
        return Predictions(*self.predict(assign, backlog)[0].T)

    def search(self, assign: IntArray) -> FloatArray:
        """J (B,) with the other DAGs' cost linear in load: one evaluation each, for search."""
        out, toll = self.predict(assign)
        own = self.dag.rate * _cost(out[:, MEAN], self.dag.limit)
        others: FloatArray = self.neighbour_cost + np.minimum(toll, WORST * self.rates.sum())
        return (own + others) / self.total_rate

    def objective(self, assign: IntArray) -> FloatArray:
        """J (B,): sum over all DAGs of rate x min(mean / limit, 10), over their total rate.

        Each DAG that shares a station with the placement is evaluated beside it.
        """
        assign = self.batch(assign)
        own = self.dag.rate * _cost(self.predict(assign)[0][:, MEAN], self.dag.limit)
        return (own + self._neighbours(assign, whole=True)) / self.total_rate

    def bound(
        self, assign: IntArray, floor: FloatArray | None = None, *, neighbours: bool = True
    ) -> FloatArray:
        """Lower bound (B,) of J over all completions of partial placements (B, S).

        `floor` (M + T,) seconds below which a stage or transfer with an unplaced end cannot be (default 0).
        Slots of one stage must be filled from its first one on, in non-decreasing node order.
        """
        assign = self.batch(assign)
        out = np.zeros((len(assign), OUTPUTS))
        if floor is None:
            floor = np.zeros(len(self.dag.work) + len(self.dag.source))
        latency.bound(
            self.dag,
            self.infra,
            self.table,
            self.layout,
            self.request,
            assign,
            self.load.rho,
            self.idle,
            np.require(floor, np.float64, ["C", "W"]),
            out,
        )
        own = self.dag.rate * _cost(out[:, MEAN], self.dag.limit)
        others = self._neighbours(assign, whole=False) if neighbours else self.neighbour_cost
        return (own + others) / self.total_rate

    def neighbours(self, assign: IntArray) -> FloatArray:
        """Predictions (D, B, OUTPUTS) of the world's D placed DAGs beside each placement."""
        assign = self.batch(assign)
        out = np.zeros((len(self.load.uses), len(assign), OUTPUTS))
        for d in range(len(out)):
            self.beside(d, assign, out[d], whole=True)
        return out

    def predict(self, assign: IntArray, backlog: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Columns of `latency` (B, OUTPUTS), and (B,) the price of the load on the placed DAGs."""
        assign = self.batch(assign)
        out, toll = np.zeros((len(assign), OUTPUTS)), np.zeros(len(assign))
        queued = self.idle if backlog is None else np.require(backlog, np.float64, ["C", "W"])
        latency.predict(
            self.dag,
            self.infra,
            self.table,
            self.layout,
            self.request,
            assign,
            self.load.rho,
            queued,
            self.price,
            out,
            toll,
        )
        return out, toll

    def _neighbours(self, assign: IntArray, *, whole: bool) -> FloatArray:
        """(B,) sum of rate x cost of the placed DAGs."""
        total = np.zeros(len(assign))
        out = np.zeros((len(assign), OUTPUTS))
        for d in range(len(self.load.uses)):
            self.beside(d, assign, out, whole=whole)
            total += self.rates[d] * _cost(out[:, MEAN], self.limits[d])
        return total

    def beside(self, d: int, assign: IntArray, out: FloatArray, *, whole: bool) -> None:
        """Predict placed DAG d beside each placement into `out` (B, OUTPUTS)."""
        use = self.load.uses[d]
        if d not in self._theirs:
            table = scenarios(self.table.work.shape[1], len(use.arrays.source))
            lay = make_layout(use.arrays, self.infra, use.start)
            self._theirs[d] = lay, make_request(use.arrays, self.infra, table), table
        theirs, request, table = self._theirs[d]
        affected(
            self.dag,
            self.layout,
            assign,
            use.arrays,
            theirs,
            request,
            use.assign,
            self.infra,
            table,
            self.load.rho,
            self.idle,
            self.base[d],
            whole,
            out,
        )

    def batch(self, assign: IntArray) -> IntArray:
        """(B, S) as the kernels take it."""
        return np.atleast_2d(np.require(assign, np.int32, ["C", "W"]))


def _cost(mean: FloatArray, limit: FloatArray | float) -> FloatArray:
    """min(mean / limit, 10), 10 where there is no latency because nothing is placed."""
    cost: FloatArray = np.minimum(mean / limit, WORST)
    return cost
