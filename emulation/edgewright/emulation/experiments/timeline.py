"""A city that something happens to, period by period: what users get, and what agents do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policy import Policy
from edgewright.core.problem import UNPLACED, PlacedDag
from edgewright.core.rewards import WORST
from edgewright.core.service import Ingress, ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray
from edgewright.emulation.events import RateChange, Simulation
from edgewright.emulation.experiments.scoring import Outcome, cost, problem, score
from edgewright.emulation.experiments.setting import Setting, edge_nodes

PERIOD = 10.0
"""Seconds of a control period."""
MOST, QUIET = 30, 3
"""Periods after a failure, at most, and those in a row without a decision after which it ends earlier."""
BEFORE, DURING, AFTER = 6, 2, 10
"""Periods of a burst: it lasts 20 s, as printed; the level before is a mean over 50 s."""


@dataclass(frozen=True, slots=True)
class Period:
    """What one period brought to all offered requests."""

    violation: float
    """Share late, lost, or of a DAG that does not serve."""
    cost: float
    """Mean of min(latency / limit, 10); lost and not served count 10."""
    pending: int
    """DAGs that wait for a decision or for their new replicas, or have no placement."""
    busiest: float
    """Utilisation of the busiest station."""


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
    """The period before the nodes of `down` (N,) fail, and those after it; they stay closed.

    A replica on a failed node is gone at once, its cell too: users go over to the nearest living one. Per
    period every agent decides on the oldest of its DAGs that lack a replica; what it places serves from the
    next period on (start of 2 s and the image). Replicas that live stay. A DAG with a microservice without
    replica does not serve. Queues do not carry over: each period is simulated from idle, with the same
    arrivals, until nothing is pending for QUIET periods or MOST have passed.
    """
    periods = [_period(setting, start.placed, true, requests, seed)]
    here = replace(setting, allowed=setting.allowed & ~down, dags=_handed_over(setting, setting.dags, down))
    moved = _handed_over(setting, true, down)
    state = [
        one and PlacedDag(dag, one.stage, np.where(down[one.node], UNPLACED, one.node).astype(np.int32))
        for one, dag in zip(start.placed, here.dags, strict=True)
    ]
    quiet, changed = 0, True
    while quiet < QUIET and len(periods) <= MOST:
        periods.append(_period(here, state, moved, requests, seed) if changed else periods[-1])
        changed = _decide(policy, here, state, seconds, seed)
        quiet = 0 if changed else quiet + 1
    return periods


def _period(
    setting: Setting,
    state: Sequence[PlacedDag | None],
    true: Sequence[ServiceDag],
    requests: int,
    seed: int,
) -> Period:
    serving = tuple(one if one is not None and _whole(one) else None for one in state)
    found = score(setting, Outcome(serving, np.zeros(len(state))), true, requests=requests, seed=seed)
    busiest = 0.0 if found.observed is None else float(found.observed.utilisation.max())
    return Period(found.total_violation, cost(setting, found), sum(map(_lacks, state)), busiest)


def _decide(
    policy: Policy, setting: Setting, state: list[PlacedDag | None], seconds: float, seed: int
) -> bool:
    """One decision of every agent that has something to place; whether any placed something."""
    seen = set[int]()
    for d in [d for d, one in enumerate(state) if _lacks(one)]:
        if int(setting.region[d]) in seen:
            continue
        own = state[d]
        asked = problem(setting, d, [None if other == d else one for other, one in enumerate(state)], seed)
        if own is not None:
            asked = replace(asked, fixed=own.node)
        decision = policy.place(asked, seconds=seconds)
        if decision.feasible:
            seen.add(int(setting.region[d]))
            state[d] = PlacedDag(setting.dags[d], setting.stages[d], decision.assign)
    return bool(seen)


def _lacks(one: PlacedDag | None) -> bool:
    """Whether a replica is missing."""
    return one is None or bool((one.node == UNPLACED).any())


def _whole(one: PlacedDag) -> bool:
    """Whether every microservice has a replica."""
    return len(np.unique(one.stage[one.node != UNPLACED])) == len(one.dag.microservices)


def _handed_over(setting: Setting, dags: Sequence[ServiceDag], down: BoolArray) -> tuple[ServiceDag, ...]:
    """The DAGs, users of a failed node's cell now at the nearest living one."""
    substrate = setting.substrate
    rows, sites = substrate.cells
    alive, sites = rows[~down[rows]], sites[~down[rows]]
    found = []
    for dag in dags:
        name = dag.ingress.node if dag.ingress else None
        if name is not None and down[substrate.index[name]] and len(alive):
            here = np.array(substrate.nodes[substrate.index[name]].location or (np.nan, np.nan))
            nearest = int(alive[np.argmin(np.linalg.norm(sites - here, axis=1))])
            dag = replace(dag, ingress=Ingress(node=substrate.nodes[nearest].name))  # noqa: PLW2901
        found.append(dag)
    return tuple(found)


def fail(setting: Setting, share: float, seed: int) -> BoolArray:
    """(N,) a share of the edge nodes, at least one, drawn at random; larger shares contain smaller ones."""
    edge = edge_nodes(setting.substrate)
    drawn = np.random.default_rng([seed, 4]).permutation(edge)[: max(1, round(share * len(edge)))]
    down = np.zeros(len(setting.substrate.nodes), bool)
    down[drawn] = True
    return down


def burst(
    setting: Setting, true: Sequence[ServiceDag], start: Outcome, size: float, seed: int
) -> list[Period]:
    """The mean before, then each period from the burst on, in one simulation with its queues.

    Everybody asks `size` times as much for DURING periods. Placements stay as they are: replicas do not
    start within the 20 s of the burst.
    """
    placed = [
        PlacedDag(dag, one.stage, one.node)
        for dag, one in zip(true, start.placed, strict=True)
        if one is not None
    ]
    pending, offered = len(true) - len(placed), sum(dag.demand.rate for dag in true)
    rates = [one.dag.demand.rate for one in placed]
    if not placed:
        return [Period(1.0, WORST, pending, 0.0)] * (1 + DURING + AFTER)
    begin, end = BEFORE * PERIOD, (BEFORE + DURING) * PERIOD
    changes = [RateChange(begin, d, size * rate) for d, rate in enumerate(rates)]
    changes += [RateChange(end, d, rate) for d, rate in enumerate(rates)]
    simulation = Simulation(placed, setting.substrate, seed=seed, changes=changes)
    simulation.run(int(sum(rates) * PERIOD * (BEFORE + DURING * size + AFTER)))
    seen = simulation.observed()
    ratio = [
        latency / (one.dag.qos.max_latency or 1.0) for latency, one in zip(seen.latency, placed, strict=True)
    ]
    served, busiest = sum(rates) / offered, float(seen.utilisation.max())
    late = _of_all(per_period(seen.born, [(r > 1).astype(float) for r in ratio]), served, 1.0)
    level = _of_all(per_period(seen.born, [np.minimum(r, WORST) for r in ratio]), served, WORST)
    return [Period(v, c, pending, busiest) for v, c in zip(late, level, strict=True)]


def _of_all(values: FloatArray, served: float, worst: float) -> list[float]:
    """The mean before the burst, then each period, over all requests; those not served count `worst`."""
    every = served * values + (1 - served) * worst
    return [float(every[1:BEFORE].mean()), *every[BEFORE:].tolist()]


def per_period(born: Sequence[FloatArray], value: Sequence[FloatArray]) -> FloatArray:
    """(periods,) mean of `value` of the requests born in each period of a burst; NaN where there was none."""
    when, values = np.concatenate(list(born)), np.concatenate(list(value))
    periods = BEFORE + DURING + AFTER
    at = np.minimum((when / PERIOD).astype(int), periods - 1)
    count = np.bincount(at, minlength=periods)
    total = np.bincount(at, weights=values, minlength=periods)
    mean: FloatArray = np.divide(total, count, out=np.full(periods, np.nan), where=count > 0)
    return mean
