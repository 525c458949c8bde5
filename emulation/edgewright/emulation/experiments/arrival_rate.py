"""Latency, violations and load balance of the policies while the requests of every region grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from edgewright.emulation.experiments.comparison import not_comparable
from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, Point, Terms
from edgewright.emulation.experiments.experiment import Scale
from edgewright.emulation.experiments.setting import Setting, workload
from edgewright.emulation.experiments.standings import BALANCE, LATENCY, PLACED, VIOLATIONS, Standings

PRINTED = {
    "50": {"LLM-MAPPO": {VIOLATIONS: "4 %", LATENCY: "65 ms", BALANCE: "0.18"}},
    "300": {
        "LLM-MAPPO": {VIOLATIONS: "20 %", LATENCY: "151 ms", BALANCE: "0.39"},
        "RSPPO": {VIOLATIONS: "55 %", LATENCY: "304 ms", BALANCE: not_comparable("1.31")},
        "GNN-DRL": {
            VIOLATIONS: not_comparable("165 %"),
            LATENCY: "400-600 ms",
            BALANCE: not_comparable("3.17"),
        },
    },
}
"""[MAPPO] Fig. 5 and its text."""


@dataclass(frozen=True, kw_only=True)
class Rates(Terms):
    """The printed sweep."""

    rates: tuple[float, ...] = (50, 100, 150, 200, 250, 300)
    """Requests per second of every region."""


@dataclass(frozen=True)
class AtRate(Entry):
    """One policy at one rate."""

    rate_rps: float


@lru_cache(maxsize=2)
def setting(terms: Rates, seed: int, point: Point) -> Setting:
    """The DAGs of a seed are the same at every rate."""
    return workload(terms.scenario, terms.nodes, terms.regions, seed=seed, rate=point[0])


def ends(points: Sequence[Point]) -> Sequence[Point]:
    """The lowest and the highest rate, for which figures are printed."""
    return [min(points), max(points)]


STANDINGS = Standings(
    contest=Contest(entry=AtRate, along="rates", setting=setting),
    axis="requests/s per region",
    form="{:g}",
    measures=(VIOLATIONS, LATENCY, BALANCE, PLACED),
    panels=(VIOLATIONS, LATENCY, BALANCE),
    shown=ends,
    printed=PRINTED,
    notes=(
        "Load imbalance is Eq. 17 of [MAPPO]: variances of three shares in [0, 1] are 0.75 together; "
        "printed values above that are of something else. No share of requests exceeds 100 %.",
        "Convergence (274 to 386 episodes printed) concerns learned policies; none of these is trained.",
    ),
)
EXPERIMENT = STANDINGS.experiment(
    name="arrival-rate",
    title="Policies under growing load",
    source="[MAPPO] Fig. 5",
    question="How do latency, violations and load balance change from 50 to 300 requests/s in every region?",
    scales={
        Scale.SMALL: Rates(seeds=2, rates=(50, 150, 300), nodes=24, regions=2, budgets=QUICK, requests=4_000),
        Scale.PAPER: Rates(seeds=10),
    },
    paper_hours=2,
)
