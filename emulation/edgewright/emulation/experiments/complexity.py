"""Latency and violations of the policies as services grow from 26 microservices x 3 replicas to 37 x 8."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgewright.core.units import MS
from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, Point, Terms
from edgewright.emulation.experiments.experiment import Scale
from edgewright.emulation.experiments.setting import Setting, Shape, cells, city, draw_dag, make_setting
from edgewright.emulation.experiments.standings import DECISION, LATENCY, VIOLATIONS, Measure, Standings

LIMIT = 100 * MS
"""[MAPPO] on its Fig. 6: motion to photon below 100 ms."""
RATE = 100.0
"""Requests per second of each service."""
DEVIATION = Measure("city_std_s", "standard deviation", "ms")
P95, P99 = Measure("city_p95_s", "p95", "ms"), Measure("city_p99_s", "p99", "ms")
PRINTED = {
    "26 x 3": {
        "LLM-MAPPO": {VIOLATIONS: "< 2 %", LATENCY: "25 ms"},
        "RSPPO": {VIOLATIONS: "3 %", LATENCY: "30 ms"},
    },
    "37 x 8": {
        "LLM-MAPPO": {VIOLATIONS: "11 %", LATENCY: "62 ms"},
        "RSPPO": {VIOLATIONS: "18 %", LATENCY: "78 ms"},
    },
    "all": {
        "LLM-MAPPO": {
            VIOLATIONS: "6.5 % [5.8, 7.2]",
            LATENCY: "44.3 ms",
            DEVIATION: "15.8 ms",
            P95: "62.1 ms",
            P99: "71.5 ms",
        },
        "RSPPO": {
            VIOLATIONS: "10.3 % [9.4, 11.4]",
            LATENCY: "53.4 ms",
            DEVIATION: "19.2 ms",
            P95: "78.3 ms",
            P99: "93.8 ms",
        },
    },
}
"""[MAPPO] Fig. 6 and Table 4."""


@dataclass(frozen=True, kw_only=True)
class Sizes(Terms):
    """The printed sizes."""

    cases: tuple[tuple[int, int], ...] = ((26, 3), (30, 5), (33, 6), (37, 8))
    """(microservices, replicas of each)."""


@dataclass(frozen=True)
class OfSize(Entry):
    """One policy at one size."""

    stages: int
    replicas: int


@lru_cache(maxsize=2)
def setting(terms: Sizes, seed: int, point: Point) -> Setting:
    """One service of the size in every region."""
    stages, replicas = (int(each) for each in point)
    built = city(terms.scenario, terms.nodes, terms.regions)
    stream = np.random.default_rng([seed, stages, replicas])
    shape = Shape(stages, replicas, RATE, LIMIT, immersive=True)
    dags = [
        draw_dag(stream, f"service-{region}", shape, cells(built, region))
        for region in range(len(built.regions))
    ]
    return make_setting(built, list(enumerate(dags)))


STANDINGS = Standings(
    contest=Contest(entry=OfSize, along="cases", setting=setting),
    axis="microservices x replicas",
    form="{} x {}",
    measures=(VIOLATIONS, LATENCY, DEVIATION, P95, P99, DECISION),
    panels=(VIOLATIONS, LATENCY, DECISION),
    together="all",
    printed=PRINTED,
    notes=(
        f"Ours: one service in every region at {RATE:g} requests/s, limit {LIMIT / MS:g} ms at the 95th "
        "percentile; the paper does not say how many services of which rate share its city.",
        "`all`: means over the sizes, percentiles too.",
        "Convergence (820 episodes printed) concerns learned policies; none of these is trained.",
    ),
)
EXPERIMENT = STANDINGS.experiment(
    name="complexity",
    title="Policies on larger services",
    source="[MAPPO] Fig. 6, Table 4",
    question="How do latency and violations change from 26 microservices x 3 replicas to 37 x 8?",
    scales={
        Scale.SMALL: Sizes(
            seeds=2, cases=((26, 3), (37, 8)), nodes=30, regions=2, budgets=QUICK, requests=2_000
        ),
        Scale.PAPER: Sizes(seeds=10),
    },
    paper_hours=2.5,
)
