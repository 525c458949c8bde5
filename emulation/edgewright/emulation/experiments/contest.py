"""Policies in the same settings along one axis: units, and how one is run; `standings` shows the results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from edgewright.emulation.experiments.experiment import Config, Row
from edgewright.emulation.experiments.lineup import BUDGETS, ready
from edgewright.emulation.experiments.scoring import place_all, rows, score
from edgewright.emulation.experiments.setting import Setting, truth

POLICIES = ("random", "best-fit", "kube", "network-aware", "heft", "genetic", "heuristic")
QUICK = (0.01, 0.1)
"""Seconds per DAG at small scale, where a whole second would take too long."""
CLOCKED = ("decision_s", "city_decision_s")
"""Columns of a contest's rows that are read from a clock."""

Point = tuple[float, ...]
"""Where on the axis: values of the fields that an entry adds to Entry."""


@dataclass(frozen=True, kw_only=True)
class Terms(Config):
    """What all comparisons of policies in a city have to say."""

    policies: tuple[str, ...] = POLICIES
    scenario: str = "metro"
    nodes: int | None = None
    """Of the city, all tiers together; None: as many as the scenario has."""
    regions: int | None = None
    budgets: tuple[float, ...] = BUDGETS
    requests: int = 200_000
    """Simulated for each placement; a 99th percentile needs 100,000."""


@dataclass(frozen=True)
class Entry:
    """One policy in one setting; a contest's own adds where on its axis."""

    seed: int
    policy: str
    budget_s: float


T = TypeVar("T", bound=Terms)


@dataclass(frozen=True, kw_only=True)
class Contest(Generic[T]):
    """Policies along an axis; its methods are the parts of an Experiment."""

    entry: type[Any]
    """The class of the units: an Entry with fields for the axis."""
    along: str
    """The field of the terms that lists the points: numbers, or tuples where the axis has several fields."""
    setting: Callable[[T, int, Point], Setting]
    """What everybody meets with a seed at a point; the last ones are best kept by `lru_cache`."""

    def points(self, terms: T) -> list[Point]:
        """All points of the axis."""
        return [at if isinstance(at, tuple) else (float(at),) for at in getattr(terms, self.along)]

    @property
    def axes(self) -> list[str]:
        """The fields that the entry adds."""
        return [each.name for each in fields(self.entry)[len(fields(Entry)) :]]

    def units(self, terms: T) -> Sequence[Entry]:
        """Every policy at every point; those of one setting stand together, which is built once."""
        return [
            self.entry(seed, policy, budget, *point)
            for seed in terms.held_out
            for point in self.points(terms)
            for policy in terms.policies
            for budget in terms.budgets
        ]

    def run(self, terms: T, unit: Entry) -> list[Row]:
        """Place everything and score it; all policies meet the same truth and arrivals."""
        point = tuple(getattr(unit, name) for name in self.axes)
        here = self.setting(terms, unit.seed, point)
        outcome = place_all(ready(unit.policy), here, seconds=unit.budget_s, seed=unit.seed)
        true = truth(here, unit.seed)
        return rows(here, outcome, score(here, outcome, true, requests=terms.requests, seed=unit.seed))
