"""How far the latency model is from the event simulation, at 30, 60 and 80 % load of the busiest station."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgewright.core.evaluate import Evaluator
from edgewright.core.load import station_load
from edgewright.core.problem import UNPLACED, PlacedDag, Prediction, Problem, World
from edgewright.core.routes import compile_substrate
from edgewright.core.scenarios import STATUS
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Link, Node, Substrate
from edgewright.core.units import GBPS, KB, MS
from edgewright.emulation.events import simulate

LOADS = (0.3, 0.6, 0.8)


@dataclass(frozen=True)
class Comparison:
    """One DAG, predicted and simulated."""

    placement: str
    load: float
    mean: tuple[float, float]
    """(predicted, simulated) seconds."""
    p95: tuple[float, float]

    @property
    def mean_error(self) -> float:
        """Relative error of the mean."""
        return self.mean[0] / self.mean[1] - 1

    @property
    def p95_error(self) -> float:
        """Relative error of the 95th percentile."""
        return self.p95[0] / self.p95[1] - 1


def compare(placement: str, load: float, *, seed: int, requests: int, dags: int = 6) -> list[Comparison]:
    """Predict and simulate `dags` fork-join pipelines of 8 stages on 8 nodes of 1-2 Gbps, placed together.

    `compact`: the stages of a DAG on two nodes; `random`: anywhere, so that some link is hot. Demand is
    scaled until the busiest station is at `load`.
    """
    draw = random.Random(f"{placement} {seed}")
    substrate = metro(draw)
    placed = [spread(draw, q, placement, len(substrate.nodes)) for q in range(dags)]
    busiest = float(np.sum([station_load(one, substrate) for one in placed], axis=0).max())
    placed = [scaled(one, load / busiest) for one in placed]
    observed = simulate(placed, substrate, requests=requests, seed=seed)
    return [
        Comparison(
            placement,
            load,
            (prediction.mean, float(latency.mean())),
            (prediction.percentile, float(np.percentile(latency, 95))),
        )
        for latency, prediction in zip(observed.latency, predict(placed, substrate), strict=True)
    ]


def predict(placed: list[PlacedDag], substrate: Substrate) -> Iterator[Prediction]:
    """Core's prediction of each DAG beside the others."""
    for one in placed:
        others = tuple(other for other in placed if other is not one)
        world = World(substrate, np.zeros_like(substrate.capacity), others)
        free = np.full(len(one.stage), UNPLACED, np.int32)
        problem = Problem(
            world, one.dag, one.stage, free, np.ones((len(one.stage), len(substrate.nodes)), bool)
        )
        yield Evaluator(problem, STATUS).evaluate(one.node).one()


def metro(draw: random.Random) -> Substrate:
    """Eight nodes of 8 cores, four with a cell, on 1-2 Gbps links to two switches."""
    cells = frozenset({"mmw"})
    nodes = [
        Node(
            f"n{i}",
            (8.0, 16e9, 0.0, 0.0, 10 * GBPS, 100.0),
            location=(300.0 * i, 0.0),
            radio=cells if i % 2 == 0 else frozenset(),
            latency=(0.02 * MS, 0.3 * MS, 0.0),
        )
        for i in range(8)
    ]
    links = [Link(f"n{i}", f"s{i % 2}", draw.choice([1, 1.5, 2]) * GBPS, 0.1 * MS) for i in range(8)]
    return compile_substrate(nodes, [*links, Link("s0", "s1", 4 * GBPS, 0.2 * MS)])


def spread(draw: random.Random, q: int, placement: str, nodes: int) -> PlacedDag:
    """0 forks to 1..3, those join in 4, which forks to 5 and 6, joined by 7; with one shortcut."""
    pairs = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (4, 5), (4, 6), (5, 7), (6, 7), (0, 4)]
    request = (0.5, 1e8, 0.0, 0.0, 0.0, 1.0)
    stages = tuple(
        Microservice(f"m{i}", request, work=draw.uniform(5e6, 25e6), limit_cpu=draw.choice([1.0, 2.0, 4.0]))
        for i in range(8)
    )
    payload = 1_500 * KB
    edges = tuple(Invocation(f"m{a}", f"m{b}", payload=draw.uniform(0.02, 0.10) * payload) for a, b in pairs)
    home = 2 * draw.randrange(nodes // 2)
    where = [home, (home + draw.choice([1, 2, 3])) % nodes] if placement == "compact" else list(range(nodes))
    return PlacedDag(
        ServiceDag(
            "bench",
            f"dag-{q}",
            stages,
            edges,
            Demand(rate=draw.uniform(0.5, 1.5), payload=0.2 * payload, response=0.05 * payload),
            ingress=Ingress(node=f"n{home}"),
        ),
        np.arange(8, dtype=np.int32),
        np.array([draw.choice(where) for _ in range(8)], np.int32),
    )


def scaled(placed: PlacedDag, factor: float) -> PlacedDag:
    """The same with `factor` times the requests."""
    demand = replace(placed.dag.demand, rate=placed.dag.demand.rate * factor)
    return PlacedDag(replace(placed.dag, demand=demand), placed.stage, placed.node)
