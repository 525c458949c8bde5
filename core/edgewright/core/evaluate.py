"""Evaluate placements, one or ten thousand at once: predictions, the objective J, a fast form for search."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from edgewright.core import latency
from edgewright.core.arrays import compile_dag
from edgewright.core.load import stage_starts, work_space, world_load
from edgewright.core.neighbours import affected
from edgewright.core.outcome import MEAN, OUTPUTS
from edgewright.core.problem import Prediction, Problem
from edgewright.core.request import make_request
from edgewright.core.rewards import WORST
from edgewright.core.scenarios import SEARCH, scenarios
from edgewright.core.stations import make_layout
from edgewright.core.substrate import FloatArray, IntArray

FEW, REMEMBERED = 8, 4096
"""Placements asked about at once whose effect on other DAGs is remembered, and how many effects in all."""


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
        self.load = world_load(problem.world)
        self.infra = self.load.infra
        self.start = stage_starts(problem.stage, len(problem.dag.microservices))
        self.table = scenarios(count, len(self.dag.source))
        self._tables = [scenarios(count, len(use.arrays.source)) for use in self.load.uses]
        self.rates = np.array([use.arrays.rate for use in self.load.uses])
        self.limits = np.array([use.arrays.limit for use in self.load.uses])
        self.total_rate = max(float(self.dag.rate + self.rates.sum()), 1e-12)
        self.idle = np.zeros(len(self.load.rho))
        self.layout = make_layout(self.dag, self.infra, self.start)
        self.request = make_request(len(self.dag.work), len(self.dag.source), len(self.idle), count)
        self._beside: dict[tuple[int, bytes], FloatArray] = {}

    @cached_property
    def base(self) -> FloatArray:
        """(D, OUTPUTS) predictions of the world's D placed DAGs without this one."""
        base = np.zeros((len(self.load.uses), OUTPUTS))
        for row, use, table in zip(base, self.load.uses, self._tables, strict=True):
            row[:] = use.predict(self.infra, table, self.load.rho)
        return base

    @cached_property
    def neighbour_cost(self) -> float:
        """Rate x cost of the placed DAGs without this one."""
        return float(self.rates @ _cost(self.base[:, MEAN], self.limits))

    @cached_property
    def price(self) -> FloatArray:
        """(stations,) requests per second of other DAGs times their cost, per unit of utilisation."""
        price = np.zeros(len(self.load.rho))
        for use, table in zip(self.load.uses, self._tables, strict=True):
            price[use.stations] += use.price(self.infra, table, self.load.rho)
        return price

    def evaluate(self, assign: IntArray, *, backlog: FloatArray | None = None) -> Predictions:
        """Predictions (B,) of placements (B, S); `backlog` (stations,) seconds of queued work, default none.

        A placement that leaves a stage without any replica has infinite latency and success 0.
        """
        return Predictions(*self.predict(assign, backlog).T)

    def search(self, assign: IntArray) -> FloatArray:
        """J (B,) with the other DAGs' cost linear in load: one evaluation each, for search."""
        toll = np.zeros(len(self.batch(assign)))
        out = self.predict(assign, price=self.price, toll=toll)
        own = self.dag.rate * _cost(out[:, MEAN], self.dag.limit)
        others: FloatArray = self.neighbour_cost + np.minimum(toll, WORST * self.rates.sum())
        return (own + others) / self.total_rate

    def objective(self, assign: IntArray) -> FloatArray:
        """J (B,): sum over all DAGs of rate x min(mean / limit, 10), over their total rate.

        Each DAG that shares a station with the placement is evaluated beside it.
        """
        assign = self.batch(assign)
        own = self.dag.rate * _cost(self.predict(assign)[:, MEAN], self.dag.limit)
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

    def predict(
        self,
        assign: IntArray,
        backlog: FloatArray | None = None,
        *,
        price: FloatArray | None = None,
        toll: FloatArray | None = None,
    ) -> FloatArray:
        """Columns of `latency` (B, OUTPUTS); with `price` (stations,) also `toll` (B,), others' cost."""
        assign = self.batch(assign)
        out = np.zeros((len(assign), OUTPUTS))
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
            self.idle if price is None else price,
            out,
            np.zeros(len(assign)) if toll is None else toll,
        )
        return out

    def _neighbours(self, assign: IntArray, *, whole: bool) -> FloatArray:
        """(B,) sum of rate x cost of the placed DAGs."""
        total = np.zeros(len(assign))
        out = np.zeros((len(assign), OUTPUTS))
        for d in range(len(self.load.uses)):
            self.beside(d, assign, out, whole=whole)
            total += self.rates[d] * _cost(out[:, MEAN], self.limits[d])
        return total

    def beside(self, d: int, assign: IntArray, out: FloatArray, *, whole: bool) -> None:
        """Predict placed DAG d beside each placement into `out` (B, OUTPUTS).

        A few whole placements are remembered: objective, gate and check ask for the same ones.
        """
        if not whole or len(assign) > FEW:
            self._predict_beside(d, assign, out, whole=whole)
            return
        keys = [(d, row.tobytes()) for row in assign]
        new = [b for b, key in enumerate(keys) if key not in self._beside]
        if new:
            if len(self._beside) > REMEMBERED:
                self._beside.clear()
                new = list(range(len(keys)))
            found = np.zeros((len(new), OUTPUTS))
            self._predict_beside(d, assign[new], found, whole=True)
            self._beside.update(zip((keys[b] for b in new), found, strict=True))
        for b, key in enumerate(keys):
            out[b] = self._beside[key]

    def _predict_beside(self, d: int, assign: IntArray, out: FloatArray, *, whole: bool) -> None:
        use, table = self.load.uses[d], self._tables[d]
        affected(
            self.dag,
            self.layout,
            assign,
            use.arrays,
            use.layout,
            work_space(use.arrays, self.infra, table),
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
