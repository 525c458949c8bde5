"""CPU and bandwidth in use over a day, and how evenly the policies spread them over the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgewright.emulation.experiments.contest import QUICK, Contest, Entry, Point, Terms
from edgewright.emulation.experiments.experiment import Scale
from edgewright.emulation.experiments.setting import Setting, workload
from edgewright.emulation.experiments.standings import PLACED, VIOLATIONS, Measure, Standings
from edgewright.emulation.workloads.processes import diurnal

USED = Measure("city_used_cpu", "CPU in use", "%")
BANDWIDTH = Measure("city_bandwidth", "bandwidth in use", "%")
IDLEST = Measure("city_cpu_5", "CPU of the idlest 5 % of nodes, at most", "%")
BUSIEST = Measure("city_cpu_95", "CPU of the busiest 5 %, at least", "%")
PRINTED = {
    "20:00": {
        "LLM-MAPPO": {USED: "78-82 %", BANDWIDTH: "81 %", IDLEST: "50 %", BUSIEST: "60 %"},
        "RSPPO": {USED: "74 %", BANDWIDTH: "73 %"},
        "before learning": {IDLEST: "8 %", BUSIEST: "95 %"},
    }
}
"""[MAPPO] Fig. 8 and its text."""


@dataclass(frozen=True, kw_only=True)
class Day(Terms):
    """When the day is looked at."""

    hours: tuple[float, ...] = tuple(range(24))
    rate: float = 400.0
    """Requests per second of every region in the busiest hour; [MAPPO]: 150-400."""


@dataclass(frozen=True)
class AtHour(Entry):
    """One policy at one hour."""

    hour: float


@lru_cache(maxsize=2)
def setting(terms: Day, seed: int, point: Point) -> Setting:
    """The DAGs of a seed with the demand of the hour."""
    rate = terms.rate * float(diurnal(np.array(point[0])))
    return workload(terms.scenario, terms.nodes, terms.regions, seed=seed, rate=rate)


def busiest(points: Sequence[Point]) -> Sequence[Point]:
    """The hour with the most requests."""
    return [max(points, key=lambda point: float(diurnal(np.array(point[0]))))]


STANDINGS = Standings(
    contest=Contest(entry=AtHour, along="hours", setting=setting),
    axis="hour of the day",
    form="{:g}:00",
    measures=(USED, BANDWIDTH, IDLEST, BUSIEST, VIOLATIONS, PLACED),
    panels=(USED, BANDWIDTH, BUSIEST, VIOLATIONS),
    shown=busiest,
    printed=PRINTED,
    notes=(
        "The table has the busiest hour; means over edge nodes, and over their access ports.",
        "More in use is not better: a policy that keeps work near its users needs less bandwidth. The "
        "printed figures come without the demand that they were measured at.",
        "Each hour is placed anew and simulated in steady state; nothing is carried from hour to hour.",
    ),
)
EXPERIMENT = STANDINGS.experiment(
    name="utilisation",
    title="A day's use of the nodes",
    source="[MAPPO] Fig. 8",
    question="How much CPU and bandwidth is in use over 24 hours, and how evenly over the nodes?",
    scales={
        Scale.SMALL: Day(
            seeds=2, hours=(2, 8, 14, 20), nodes=24, regions=2, budgets=QUICK[1:], requests=3_000
        ),
        Scale.PAPER: Day(seeds=5, requests=50_000),
    },
    paper_hours=2,
)
