"""How policies are judged: each places all DAGs one by one, then the event simulator says what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policy import Policy
from edgewright.core.objective import utility
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.rewards import WORST
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray
from edgewright.emulation.events import Observed, simulate
from edgewright.emulation.experiments.experiment import Row
from edgewright.emulation.experiments.setting import Setting, edge_nodes
from edgewright.emulation.experiments.statistics import jain, tail


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a policy made of a setting of D DAGs."""

    placed: tuple[PlacedDag | None, ...]
    """None where it found no feasible placement."""
    seconds: FloatArray
    """(D,) that each decision took."""


def place_all(policy: Policy, setting: Setting, *, seconds: float, seed: int) -> Outcome:
    """Every DAG in the order of arrival, each beside those that were placed before it, in about `seconds`."""
    placed: list[PlacedDag | None] = []
    taken = np.zeros(len(setting.dags))
    for d, dag in enumerate(setting.dags):
        decision = policy.place(problem(setting, d, placed, seed), seconds=seconds)
        taken[d] = decision.seconds
        placed.append(PlacedDag(dag, setting.stages[d], decision.assign) if decision.feasible else None)
    return Outcome(tuple(placed), taken)


def problem(setting: Setting, d: int, placed: Sequence[PlacedDag | None], seed: int) -> Problem:
    """DAG `d` beside what is `placed`."""
    others = tuple(one for one in placed if one is not None)
    stage = setting.stages[d]
    return Problem(
        world=World(setting.substrate, used(setting, others), others),
        dag=setting.dags[d],
        stage=stage,
        fixed=np.full(len(stage), UNPLACED, np.int32),
        allowed=np.repeat(setting.allowed[d][None], len(stage), axis=0),
        seed=seed * 10_000 + d,
    )


def used(setting: Setting, placed: Sequence[PlacedDag]) -> FloatArray:
    """(N, R) requests of the replicas on each node."""
    taken = np.zeros_like(setting.substrate.capacity)
    for one in placed:
        requests = np.array([m.request for m in one.dag.microservices], float)[one.stage]
        np.add.at(taken, one.node, requests)
    return taken


@dataclass(frozen=True, eq=False)
class Score:
    """What users got of one placement of D DAGs."""

    offered: FloatArray
    """(D,) true requests per second."""
    late: FloatArray
    """(D,) share of the requests answered beyond their DAG's limit."""
    lost: FloatArray
    """(D,) share without an answer within the timeout."""
    placed: BoolArray
    """(D,)."""
    latency: tuple[FloatArray, ...]
    """Seconds of each answered request, by DAG; empty where it was not placed."""
    observed: Observed | None
    """None when nothing was placed."""

    @property
    def violation(self) -> FloatArray:
        """(D,) share of the offered requests late, lost, or of a DAG that is not placed."""
        share: FloatArray = np.where(self.placed, self.late + self.lost, 1.0)
        return share

    @property
    def total_violation(self) -> float:
        """Share of all offered requests."""
        return float(self.offered @ self.violation / self.offered.sum())

    @property
    def answered(self) -> FloatArray:
        """Seconds of all answered requests."""
        return np.concatenate([*self.latency, np.zeros(0)])


def score(
    setting: Setting, outcome: Outcome, true: Sequence[ServiceDag], *, requests: int, seed: int
) -> Score:
    """Simulate the placed DAGs together as they truly are; arrivals are the same whatever the placement."""
    there = np.array([one is not None for one in outcome.placed])
    chosen = [
        PlacedDag(dag, one.stage, one.node)
        for dag, one in zip(true, outcome.placed, strict=True)
        if one is not None
    ]
    D = len(true)
    late, lost = np.zeros(D), np.zeros(D)
    latency: list[FloatArray] = [np.zeros(0)] * D
    observed = None
    if chosen:
        observed = simulate(chosen, setting.substrate, requests=requests, seed=seed)
        for at, d in enumerate(np.flatnonzero(there).tolist()):
            every, answered = observed.latency[at], observed.answered(at)
            latency[d] = answered
            if len(every):
                late[d] = (answered > (true[d].qos.max_latency or np.inf)).sum() / len(every)
                lost[d] = 1 - len(answered) / len(every)
    offered = np.array([dag.demand.rate for dag in true])
    return Score(offered, late, lost, there, tuple(latency), observed)


def rows(setting: Setting, outcome: Outcome, found: Score) -> list[Row]:
    """One row per DAG; what concerns the whole city stands in every row, its columns named `city_...`."""
    city = _city(setting, outcome, found)
    return [
        {
            "dag": dag.name,
            "region": int(setting.region[d]),
            "tenant": int(setting.tenant[d]),
            "class": dag.service_class,
            "offered_rps": found.offered[d],
            "limit_s": dag.qos.max_latency,
            "placed": bool(found.placed[d]),
            "answered": len(found.latency[d]),
            "mean_s": float(found.latency[d].mean()) if len(found.latency[d]) else None,
            "p95_s": tail(found.latency[d], 95),
            "late": found.late[d],
            "lost": found.lost[d],
            "violation": found.violation[d],
            "decision_s": float(outcome.seconds[d]),
            **city,
        }
        for d, dag in enumerate(setting.dags)
    ]


def _city(setting: Setting, outcome: Outcome, found: Score) -> Row:
    """Figures of the whole city, from what was observed where that is possible; nodes are edge nodes."""
    placed = tuple(one for one in outcome.placed if one is not None)
    world = World(setting.substrate, used(setting, placed), placed)
    idle = float(found.offered[~found.placed].sum())
    terms = replace(utility(world, unplaced=idle), latency=cost(setting, found) / WORST)
    every, capacity = found.answered, setting.substrate.capacity
    share = np.divide(world.used, capacity, out=np.zeros_like(world.used), where=capacity > 0)
    edge, N = edge_nodes(setting.substrate), len(capacity)
    load = np.zeros(len(setting.substrate.station_capacity))
    if found.observed is not None:
        load = found.observed.utilisation
    served = _served(setting, found)
    return {
        "city_violation": found.total_violation,
        "city_placed": float(found.placed.mean()),
        "city_mean_s": float(every.mean()) if len(every) else None,
        "city_std_s": float(every.std()) if len(every) else None,
        "city_p95_s": tail(every, 95),
        "city_p99_s": tail(every, 99),
        "city_requests": len(every),
        "city_decision_s": float(np.median(outcome.seconds)),
        "city_balance": float(share[:, :3].var(axis=0).sum()),
        "city_reserved_cpu": float(share[edge, 0].mean()),
        "city_used_cpu": float(load[edge].mean()),
        "city_cpu_5": float(np.quantile(load[edge], 0.05)),
        "city_cpu_95": float(np.quantile(load[edge], 0.95)),
        "city_bandwidth": float(np.maximum(load[N + edge], load[2 * N + edge]).mean()),
        "city_busiest": float(load.max()),
        "city_jain": jain(served),
        "city_worst_tenant": float(served.min()),
        "city_reward": terms.reward,
    }


def _served(setting: Setting, found: Score) -> FloatArray:
    """(tenants that offer requests,) shares of them that are answered within their limit."""
    offered = np.bincount(setting.tenant, weights=found.offered)
    served = np.bincount(setting.tenant, weights=found.offered * (1 - found.violation))
    share: FloatArray = served[offered > 0] / offered[offered > 0]
    return share


def cost(setting: Setting, found: Score) -> float:
    """Mean over offered requests of min(latency / limit, 10); lost and unplaced ones count 10."""
    cost = np.full(len(setting.dags), WORST)
    for d, dag in enumerate(setting.dags):
        if len(found.latency[d]):
            ratio = np.minimum(found.latency[d] / (dag.qos.max_latency or 1.0), WORST).mean()
            cost[d] = (1 - found.lost[d]) * ratio + found.lost[d] * WORST
    return float(found.offered @ cost / found.offered.sum())
