"""A workload: how many requests per second each ServiceDAG gets from users at real positions, and when.

Each target's requests come from the users who are nearest to its ingress. How much a place asks follows the
three classes of [MAPPO] 'Request generation' by the density of users around it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from edgewright.emulation import eua
from edgewright.emulation.geography import Frame
from edgewright.emulation.workloads.processes import Floats, Ints, diurnal, on_off, poisson

Kind = Literal["poisson", "bursts", "day", "declared"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DENSITY = ((150.0, 400.0), (80.0, 200.0), (10.0, 50.0))
"""Requests per second of urban centres, medium-density areas and the periphery ([MAPPO])."""
AROUND = 400.0
"""Metres around an ingress in which users are counted for its density."""
SLICE = 0.1
"""Seconds of constant intensity."""
SESSIONS = 12
"""On/off users of each place, in the workload `bursts`."""
PERIOD = 600.0
"""Seconds that are planned at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """A ServiceDAG as a workload sees it."""

    path: str
    """`/NAMESPACE/NAME`; a namespace is a region."""
    demand: float
    """Requests per second that it declares."""
    users: tuple[float, float] | None = None
    """Where they are, metres; None: all over the city."""

    @property
    def region(self) -> str:
        """Its namespace."""
        return self.path.split("/")[1]


@dataclass(frozen=True, slots=True)
class Workload:
    """What to generate; the same seed gives the same arrivals for the same targets."""

    kind: Kind = "poisson"
    """poisson: each place at its own rate. bursts: users there are on and off. day: bursts over 24 hours.
    declared: each ServiceDAG as often as it declares."""
    rate: float | None = None
    """Requests per second of all together (of a `day`: in its busiest hour); none: the sum of demands."""
    cross_region: float = 0.275
    """Share of requests to a ServiceDAG of another region; [MAPPO]: 20-35 % come from shared sessions."""
    on: float = 2.0
    """Mean seconds of a user's activity, in `bursts` and `day`."""
    off: float = 6.0
    """Mean seconds of a user's silence."""
    shape: float = 1.4
    """Of the Pareto law of both; between 1 and 2 for self-similar traffic (Hurst parameter 0.8 for 1.4)."""
    day_seconds: float = 600.0
    """How long 24 hours take, in `day`."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"workload {self.kind!r}: there are {', '.join(KINDS)}")
        if not 0.0 <= self.cross_region <= 1.0:
            raise ValueError(f"cross-region share {self.cross_region:g}: give 0 to 1")
        if not self.shape > 1.0:
            raise ValueError(f"Pareto shape {self.shape:g}: give more than 1, or periods have no mean")
        for name in ("rate", "on", "off", "day_seconds"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} {value:g}: give more than 0")


def rates(workload: Workload, targets: Sequence[Target]) -> Floats:
    """(targets,) mean requests per second: the total, divided by demand and by the density of users.

    A target asks as much as its class of density says, drawn once with the seed; `declared` is by demand
    alone. Raises ValueError for no targets.
    """
    if not targets:
        raise ValueError("there is no ServiceDAG to send requests to")
    demand = np.array([target.demand for target in targets])
    drawn = np.random.default_rng([workload.seed, 1]).random(len(targets))
    low, high = np.array([DENSITY[rank] for rank in densities(targets)]).T
    weight = demand if workload.kind == "declared" else demand * (low + drawn * (high - low))
    total = demand.sum() if workload.rate is None else workload.rate
    shares: Floats = total * weight / weight.sum()
    return shares


def densities(targets: Sequence[Target]) -> list[int]:
    """Each target's class, 0 urban, 1 medium, 2 periphery: thirds by the number of users around it."""
    users = positions()
    around = [
        len(users) / 3.0
        if target.users is None
        else float((np.hypot(*(users - np.array(target.users)).T) <= AROUND).sum())
        for target in targets
    ]
    ranked = np.argsort(np.argsort(-np.array(around), kind="stable"), kind="stable")
    return [int(rank) * len(DENSITY) // len(targets) for rank in ranked]


def positions() -> Floats:
    """(816, 2) metres of the EUA dataset's users, in the frame of the scenarios."""
    frame = Frame.around([*((site.latitude, site.longitude) for site in eua.sites()), *eua.users()])
    return np.array([frame.metres(*user) for user in eua.users()])


def intensity(workload: Workload, targets: Sequence[Target], part: int = 0) -> Floats:
    """(targets, slices) requests per second in slices of SLICE seconds, of the `part`-th PERIOD."""
    slices = round(PERIOD / SLICE)
    found = np.repeat(rates(workload, targets)[:, None], slices, axis=1)
    if workload.kind in {"declared", "poisson"}:
        return found
    random = np.random.default_rng([workload.seed, 2, part])
    periods = {"on": workload.on, "off": workload.off, "shape": workload.shape}
    active = on_off(SESSIONS * len(targets), slices, SLICE, random, **periods)
    share = workload.on / (workload.on + workload.off)
    found *= active.reshape(len(targets), SESSIONS, slices).mean(axis=1) / share
    if workload.kind == "day":
        seconds = part * PERIOD + (np.arange(slices, dtype=np.float64) + 0.5) * SLICE
        found *= diurnal(seconds / workload.day_seconds * 24.0 % 24.0)
    return found


def arrivals(workload: Workload, targets: Sequence[Target]) -> Iterator[tuple[Floats, Ints]]:
    """Without end: arrival times (n,) in seconds from the start, and targets (n,), PERIOD after PERIOD."""
    part = 0
    while True:
        random = np.random.default_rng([workload.seed, 3, part])
        times, source = poisson(intensity(workload, targets, part), SLICE, random)
        yield part * PERIOD + times, across(source, targets, rates(workload, targets), workload, random)
        part += 1


def across(
    source: Ints, targets: Sequence[Target], weight: Floats, workload: Workload, random: np.random.Generator
) -> Ints:
    """(n,) the targets of requests from the places `source` (n,): some are another region's, by `weight`."""
    regions = np.array([target.region for target in targets])
    chosen = source.copy()
    leaving = random.random(len(source)) < workload.cross_region
    for region in np.unique(regions):
        others = np.flatnonzero(regions != region)
        if len(others):
            rows = np.flatnonzero(leaving & (regions[source] == region))
            chosen[rows] = random.choice(others, len(rows), p=weight[others] / weight[others].sum())
    return chosen
