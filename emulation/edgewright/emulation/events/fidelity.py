"""How far core's predictions are from the event simulation: pairs of a DAG and a city, stratified."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np

from edgewright.agents.policies import create
from edgewright.core.evaluate import Evaluator
from edgewright.core.load import station_load, world_load
from edgewright.core.problem import UNPLACED, PlacedDag, Problem, World
from edgewright.core.scenarios import STATUS
from edgewright.core.service import PODS, Flow
from edgewright.core.substrate import FloatArray
from edgewright.core.timeline import job_parts
from edgewright.emulation.events.simulation import Simulation
from edgewright.emulation.instances import make_problem

LOADS = (0.3, 0.6, 0.8)
OPTIMISED, RANDOM = "heuristic", "random"
FLOWS: tuple[Flow, ...] = ("pipeline", "requestResponse")
MEAN_INTERVAL, TAIL_INTERVAL = 0.02, 0.04
"""Half widths of the simulator's own 95 % intervals, relative, at which a run ends."""
TIMES = (
    *("mean", "mean_predicted", "p95", "p95_predicted", "jitter", "jitter_predicted"),
    *("skew", "skew_predicted", "waiting", "waiting_predicted", "alone"),
)
"""Columns of a Pair in seconds."""
BATCHES, STUDENT = 20, 2.093
"""Batch means, and the 97.5 % quantile of Student's t with 19 degrees of freedom."""
FIRST_RUN, LONGEST_RUN = 6_000, 1_600_000
"""Requests of all DAGs together; a run is doubled until its intervals are narrow."""
SECONDS = 2.0
"""Decision time of the policy."""


@dataclass(frozen=True, slots=True)
class Case:
    """One pair to measure."""

    seed: int
    load: float
    """Utilisation of the busiest station."""
    placement: str
    """A policy of edgewright.agents, or `random`: every replica on any node."""
    replicas: int
    flow: Flow


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair measured; latencies in seconds, of the requests of the DAG in question."""

    case: Case
    requests: int
    mean: float
    mean_predicted: float
    mean_interval: float
    """Half width of the simulator's 95 % interval over the mean."""
    p95: float
    p95_predicted: float
    p95_interval: float
    jitter: float
    jitter_predicted: float
    skew: float
    skew_predicted: float
    waiting: float
    """Of all jobs of a request together: their times less what they would take alone."""
    waiting_predicted: float
    alone: float
    """What the jobs of a request together take alone, sum and not path."""

    @property
    def mean_error(self) -> float:
        """Relative error of the mean."""
        return self.mean_predicted / self.mean - 1.0

    @property
    def p95_error(self) -> float:
        """Relative error of the 95th percentile."""
        return self.p95_predicted / self.p95 - 1.0

    @property
    def queueing_error(self) -> float:
        """Relative error of the times of all jobs together: waiting alone, without paths and joins."""
        return (self.waiting_predicted - self.waiting) / (self.alone + self.waiting)

    def row(self) -> dict[str, object]:
        """One tidy row: the case, times in milliseconds, relative intervals."""
        times = {name: round(float(getattr(self, name)) * 1e3, 4) for name in TIMES}
        return {
            **asdict(self.case),
            "requests": self.requests,
            **{f"{name}_ms": value for name, value in times.items()},
            "mean_interval": round(self.mean_interval, 4),
            "p95_interval": round(self.p95_interval, 4),
        }


def cases(pairs: int = 200, *, seed: int = 0) -> Iterator[Case]:
    """`pairs` cases over loads, placements, 1-3 replicas and both flows in turn; other seeds, other pairs."""
    strata = list(product(FLOWS, (1, 2, 3), (OPTIMISED, RANDOM), LOADS))
    for i in range(pairs):
        flow, replicas, placement, load = strata[i % len(strata)]
        yield Case(1_000_000 * (seed + 1) + 1_000 * i, load, placement, replicas, flow)


def measure(case: Case) -> Pair:
    """Predict and simulate one pair until the simulation is sure to MEAN_INTERVAL and TAIL_INTERVAL."""
    problem, assign = _placed(case)
    world, subject = scaled(problem, assign, case.load)
    evaluator = Evaluator(replace(problem, world=world, dag=subject.dag), STATUS)
    expected = evaluator.evaluate(assign).one()
    parts = job_parts(evaluator, assign)
    placed = (subject, *world.placed)
    simulation = Simulation(placed, world.substrate, seed=case.seed, foreign=_foreign(world))
    simulation.run(FIRST_RUN // 4)
    simulation.forget()
    run = FIRST_RUN
    while True:
        simulation.run(run)
        seen = simulation.observed()
        latency = seen.answered(0)
        widths = interval(latency)
        if (widths[0] <= MEAN_INTERVAL and widths[1] <= TAIL_INTERVAL) or run >= LONGEST_RUN:
            break
        run *= 2
    times = seen.visits[0] / len(seen.latency[0])
    alone = float(times @ (parts.ideal + parts.fixed))
    return Pair(
        case=case,
        requests=len(latency),
        mean=float(latency.mean()),
        mean_predicted=expected.mean,
        mean_interval=widths[0],
        p95=float(np.percentile(latency, 95)),
        p95_predicted=expected.percentile,
        p95_interval=widths[1],
        jitter=float(latency.std()),
        jitter_predicted=expected.jitter,
        skew=float(seen.skew[0]),
        skew_predicted=expected.skew,
        waiting=float(times @ np.nan_to_num(seen.seconds[0])) - alone,
        waiting_predicted=float(times @ (parts.waiting + parts.overlap)),
        alone=alone,
    )


def interval(latency: FloatArray) -> tuple[float, float]:
    """Relative half widths of the 95 % intervals of the mean and of p95, by batch means."""
    batches = np.array_split(latency, BATCHES)
    means = np.array([batch.mean() for batch in batches])
    tails = np.array([np.percentile(batch, 95) for batch in batches])
    half = STUDENT / math.sqrt(BATCHES)
    return half * float(means.std(ddof=1) / means.mean()), half * float(tails.std(ddof=1) / tails.mean())


def _placed(case: Case) -> tuple[Problem, np.ndarray]:
    """The first problem from the case's seed on that has its flow and that its policy can place."""
    for seed in range(case.seed, case.seed + 1_000):
        problem = make_problem(seed)
        if problem.dag.flow != case.flow:
            continue
        problem = replicated(problem, case.replicas)
        if case.placement == RANDOM:
            draw = np.random.default_rng([seed, case.replicas])
            nodes = len(problem.world.substrate.nodes)
            rows = [
                np.sort(draw.choice(nodes, case.replicas, replace=False)) for _ in problem.dag.microservices
            ]
            return problem, np.concatenate(rows).astype(np.int32)
        decision = create(case.placement).place(problem, seconds=SECONDS)
        if decision.feasible:
            return problem, decision.assign
    raise ValueError(f"{case}: {case.placement} placed none of 1,000 problems; is this policy working?")


def replicated(problem: Problem, replicas: int) -> Problem:
    """The same DAG with so many replicas of each stage, which share what one reserves; every other call of a
    request-response DAG is made in sequence."""
    microservices = tuple(
        replace(
            m,
            request=(*(r / replicas for r in m.request[:PODS]), *m.request[PODS:]),
            min_replicas=replicas,
            max_replicas=replicas,
        )
        for m in problem.dag.microservices
    )
    invocations = tuple(replace(one, parallel=i % 2 == 0) for i, one in enumerate(problem.dag.invocations))
    dag = replace(problem.dag, microservices=microservices, invocations=invocations)
    stage = np.repeat(problem.stage, replicas)
    free = np.full(len(stage), UNPLACED, np.int32)
    return replace(
        problem, dag=dag, stage=stage, fixed=free, allowed=np.repeat(problem.allowed, replicas, axis=0)
    )


def scaled(problem: Problem, assign: np.ndarray, load: float) -> tuple[World, PlacedDag]:
    """World and placed DAG, all demand and foreign load changed so that the busiest station is at `load`."""
    world, subject = problem.world, PlacedDag(problem.dag, problem.stage, assign)
    busiest = float((world_load(world).rho + station_load(subject, world.substrate)).max())
    factor = load / busiest
    placed = tuple(_times(one, factor) for one in world.placed)
    ours = _requests(world.placed, len(world.used))
    used = ours + factor * np.maximum(world.used - ours, 0.0)
    return World(world.substrate, used, placed), _times(subject, factor)


def _times(one: PlacedDag, factor: float) -> PlacedDag:
    demand = replace(one.dag.demand, rate=one.dag.demand.rate * factor)
    return PlacedDag(replace(one.dag, demand=demand), one.stage, one.node)


def _requests(placed: tuple[PlacedDag, ...], nodes: int) -> FloatArray:
    """(N, R) what placed DAGs reserve."""
    total = np.zeros((nodes, PODS + 1))
    for one in placed:
        for stage, node in zip(one.stage, one.node, strict=True):
            total[node] += one.dag.microservices[stage].request
    return total


def _foreign(world: World) -> FloatArray:
    """(N,) utilisation of the CPUs by pods that are not ours, as core counts it."""
    N = len(world.substrate.nodes)
    ours = np.sum([station_load(one, world.substrate)[:N] for one in world.placed], axis=0)
    rest: FloatArray = np.maximum(world_load(world).rho[:N] - ours, 0.0)
    return np.where(rest > 1e-9, rest, 0.0)
