"""A city with failing nodes, period by period: agents replace what was lost, requests are simulated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policy import Policy
from edgewright.core.problem import UNPLACED, PlacedDag
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.experiments.scoring import Outcome, cost, problem, score
from edgewright.emulation.experiments.setting import Setting

PERIOD = 10.0
"""Seconds of a control period."""


@dataclass(frozen=True, slots=True)
class Period:
    """What one period brought."""

    violation: float
    """Share of the offered requests late, lost, or of a DAG that does not serve."""
    cost: float
    """Mean over offered requests of min(latency / limit, 10); lost and not served count 10."""
    pending: int
    """DAGs that wait for a decision or for their new replicas."""


def survive(
    policy: Policy,
    setting: Setting,
    true: Sequence[ServiceDag],
    start: Outcome,
    down: BoolArray,
    *,
    seconds: float,
    requests: int,
    seed: int,
) -> list[Period]:
    """The periods after the nodes of `down` (N,) fail, the failed ones closed from then on.

    A replica on a failed node is gone at once. Per period every agent decides on the oldest of its DAGs that
    lack one; what it places serves from the next period on (start of 2 s and the image). Replicas that live
    stay. A DAG with a microservice without replica does not serve. Queues do not carry over: each period is
    simulated from idle, with the same arrivals, until nothing is pending for three periods or 30 have passed.
    """
    state: list[PlacedDag | None] = [_without(one, down) for one in start.placed]
    open_now = replace(setting, allowed=setting.allowed & ~down)
    periods: list[Period] = []
    quiet = 0
    known: dict[tuple[bytes, ...], tuple[float, float]] = {}
    while quiet < 3 and len(periods) < 30:
        serving = [one if one is not None and _whole(one) else None for one in state]
        key = tuple(b"" if one is None else one.node.tobytes() for one in serving)
        if key not in known:
            found = score(setting, Outcome(tuple(serving), start.seconds), true, requests=requests, seed=seed)
            known[key] = found.total_violation, cost(setting, found)
        lacking = [d for d, one in enumerate(state) if one is None or (one.node == UNPLACED).any()]
        periods.append(Period(*known[key], len(lacking)))
        decided = _decide(policy, open_now, state, lacking, seconds, seed)
        quiet = 0 if decided else quiet + 1
    return periods


def _decide(
    policy: Policy,
    setting: Setting,
    state: list[PlacedDag | None],
    lacking: list[int],
    seconds: float,
    seed: int,
) -> bool:
    """One decision of every agent that has something to place; whether any placed something."""
    placed, seen = False, set[int]()
    for d in lacking:
        if int(setting.region[d]) in seen:
            continue
        own = state[d]
        fixed = _nodes(setting, d) if own is None else own.node
        others = [None if other == d else one for other, one in enumerate(state)]
        asked = replace(problem(setting, d, others, seed), fixed=fixed)
        decision = policy.place(asked, seconds=seconds)
        if decision.feasible:
            seen.add(int(setting.region[d]))
            state[d], placed = PlacedDag(setting.dags[d], setting.stages[d], decision.assign), True
    return placed


def _nodes(setting: Setting, d: int) -> IntArray:
    return np.full(len(setting.stages[d]), UNPLACED, np.int32)


def _without(one: PlacedDag | None, down: BoolArray) -> PlacedDag | None:
    """What is left of a placed DAG."""
    if one is None:
        return None
    return PlacedDag(one.dag, one.stage, np.where(down[one.node], UNPLACED, one.node).astype(np.int32))


def _whole(one: PlacedDag) -> bool:
    """Whether every microservice has a replica."""
    return len(np.unique(one.stage[one.node != UNPLACED])) == len(one.dag.microservices)


def fail(setting: Setting, share: float, seed: int) -> BoolArray:
    """(N,) a share of the edge nodes, at least one, drawn at random; larger shares contain smaller ones."""
    nodes = setting.substrate.nodes
    edge = np.array([n for n, node in enumerate(nodes) if node.tier == "edge"])
    drawn = np.random.default_rng([seed, 4]).permutation(edge)[: max(1, round(share * len(edge)))]
    down = np.zeros(len(nodes), bool)
    down[drawn] = True
    return down


def per_period(born: Sequence[FloatArray], ratio: Sequence[FloatArray], periods: int) -> FloatArray:
    """(periods,) mean of `ratio` of the requests born in each period; NaN where there was none."""
    when, value = np.concatenate(list(born)), np.concatenate(list(ratio))
    at = np.minimum((when / PERIOD).astype(int), periods - 1)
    count = np.bincount(at, minlength=periods)
    total = np.bincount(at, weights=value, minlength=periods)
    mean: FloatArray = np.divide(total, count, out=np.full(periods, np.nan), where=count > 0)
    return mean
