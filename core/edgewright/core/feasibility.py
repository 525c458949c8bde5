"""The hard check between every proposal and the cluster: fast in batches, complete in words."""

from functools import cached_property, lru_cache

import numpy as np

from edgewright.core.bounds import Bound, required_bounds
from edgewright.core.evaluate import Evaluator
from edgewright.core.gate import admit
from edgewright.core.masks import free_capacity, node_mask, requests, spread_keys
from edgewright.core.neighbours import station_use
from edgewright.core.problem import UNPLACED, Problem, Violation
from edgewright.core.scenarios import STATUS
from edgewright.core.service import RESOURCES
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

MOST = 0.85
"""Largest utilisation of a station that a placement touches: beyond it waiting grows faster than load."""
MOST_STALE = 0.75
"""The same while foreign load is older than 30 s: room for what may have come since."""


class Gate:
    """The feasibility of placements of one problem.

    A binding never breaks a bound, and never worsens one that fixed replicas alone break already: with every
    stage served by fixed replicas, limits are eased to what those replicas reach. So a replica that relieves
    an overloaded DAG may still come.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        problem, load, infra = evaluator.problem, evaluator.load, evaluator.infra
        self.evaluator = evaluator
        self.problem = problem
        self.fixed = np.require(problem.fixed, np.int32, ["C", "W"])
        self.mask = np.require(node_mask(problem), np.bool_, ["C", "W"])
        self.request = np.require(requests(problem), np.float64, ["C", "W"])
        self.free = np.require(free_capacity(problem), np.float64, ["C", "W"])
        self.apart = _apart(problem)
        self.limit = MOST_STALE if problem.world.stale else MOST
        stages, stations = len(problem.dag.microservices), len(load.rho)
        self.most = np.full(stations, self.limit)
        self.most_own = np.full(stages, self.limit)
        self.reservable = infra.capacity.copy()
        self.bounds = required_bounds(problem.dag)
        if len(set(problem.stage[self.fixed != UNPLACED].tolist())) == stages:
            self._ease()
        self._taken = np.zeros((infra.nodes, len(RESOURCES)))
        self._promised = np.zeros(stations)

    @cached_property
    def others(self) -> list[tuple[int, tuple[Bound, ...]]]:
        """The placed DAGs that require bounds, by index, with what they require."""
        base = self.evaluator.base
        return [
            (d, tuple(bound.eased(base[d, bound.column]) for bound in bounds))
            for d, placed in enumerate(self.problem.world.placed)
            if (bounds := required_bounds(placed.dag))
        ]

    def _ease(self) -> None:
        evaluator, reserve = self.evaluator, np.zeros(len(self.most))
        dag, infra, lay = evaluator.dag, evaluator.infra, evaluator.layout
        station_use(dag, infra, lay, self.fixed, reserve)
        self.most = np.maximum(self.most, np.where(lay.rho > 0, evaluator.load.rho + lay.rho, 0.0))
        self.most_own = np.maximum(self.most_own, own_utilisation(evaluator, self.fixed).max(axis=1))
        self.reservable = np.maximum(self.reservable, evaluator.load.reserve + reserve)
        now = evaluator.predict(self.fixed)[0]
        self.bounds = tuple(bound.eased(now[bound.column]) for bound in self.bounds)

    def broken(self, assign: IntArray) -> IntArray:
        """(B,) bits of `gate` that each placement (B, S) breaks, QoS apart."""
        assign = self.evaluator.batch(assign)
        broken = np.zeros(len(assign), np.int32)
        evaluator = self.evaluator
        admit(
            evaluator.dag,
            evaluator.infra,
            evaluator.layout,
            assign,
            self.fixed,
            self.mask,
            self.request,
            self.free,
            self.apart,
            evaluator.load.rho,
            self.most,
            self.most_own,
            evaluator.load.reserve,
            self.reservable,
            self._taken,
            self._promised,
            broken,
        )
        return broken

    def feasible(self, assign: IntArray, *, others: bool = True) -> BoolArray:
        """(B,) whether each placement (B, S) is feasible; without `others`, by its own bounds only."""
        assign = self.evaluator.batch(assign)
        passed = self.broken(assign) == 0
        if self.bounds and passed.any():
            rows = np.flatnonzero(passed)
            out = self.evaluator.predict(assign[rows])
            for bound in self.bounds:
                passed[rows] &= bound.holds(out[:, bound.column])
        for d, bounds in self.others if others else ():
            rows = np.flatnonzero(passed)
            if not len(rows):
                break
            out = np.zeros((len(rows), self.evaluator.base.shape[1]))
            self.evaluator.beside(d, np.ascontiguousarray(assign[rows]), out, whole=True)
            for bound in bounds:
                passed[rows] &= bound.holds(out[:, bound.column])
        return np.asarray(passed, bool)


@lru_cache(maxsize=1)
def full_gate(problem: Problem) -> Gate:
    """The gate at the precision of status; policy, check and explanation of one decision share it."""
    return Gate(Evaluator(problem, STATUS))


def feasible(problem: Problem, assign: IntArray) -> bool:
    """Whether one placement (S,) is feasible at the precision of status and gates; `check` says why not."""
    return bool(full_gate(problem).feasible(assign)[0])


def check(problem: Problem, assign: IntArray) -> tuple[Violation, ...]:
    """Every constraint that one placement (S,) breaks, with numbers and a way to mend it; empty: feasible."""
    from edgewright.core.violations import violations  # noqa: PLC0415 (words are needed only for a refusal)

    return violations(full_gate(problem), assign)


def own_utilisation(evaluator: Evaluator, assign: IntArray) -> FloatArray:
    """(M, S) utilisation of each replica's own CPU limit; 0 where it has none below its node's capacity."""
    dag, infra, start = evaluator.dag, evaluator.infra, evaluator.start
    lay = evaluator.layout
    station_use(dag, infra, lay, evaluator.batch(assign)[0], np.zeros(len(infra.capacity)))
    rho = np.zeros((len(dag.work), len(lay.node)))
    for m in range(len(dag.work)):
        for slot in range(start[m], start[m] + lay.placed[m]):
            node = lay.node[slot]
            if dag.cores[m] < infra.cores[node]:
                speed = dag.cores[m] * infra.speed[node]
                rho[m, slot] = dag.rate * dag.visits[m] * lay.share[slot] * dag.work[m] / speed
    return rho


def _apart(problem: Problem) -> IntArray:
    """(M, N) keys that two replicas of a stage may not share; -1 where they may."""
    substrate = problem.world.substrate
    keys = np.full((len(problem.dag.microservices), len(substrate.nodes)), -1, np.int32)
    for row, microservice in zip(keys, problem.dag.microservices, strict=True):
        if microservice.spread != "none":
            row[:] = spread_keys(substrate, microservice.spread)
    return keys
