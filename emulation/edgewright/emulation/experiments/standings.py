"""Table and curves of a contest: values over seeds, differences from a reference, the paper's beside them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

import numpy as np

from edgewright.emulation.experiments.comparison import Comparison, words
from edgewright.emulation.experiments.contest import CLOCKED, Contest, Entry, Point, T, Terms
from edgewright.emulation.experiments.experiment import Experiment, Scale
from edgewright.emulation.experiments.statistics import Floats, Interval, interquartile_mean, paired

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

REFERENCE = "heuristic"
"""The policy that the others are compared with."""
SCALE = {"%": 100.0, "ms": 1e3, "": 1.0}


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of the rows with one value for the whole city."""

    column: str
    label: str
    unit: str = ""
    """As shown; rows have shares and seconds."""
    digits: int = 1
    log: bool = False
    """Whether policies differ by orders of magnitude."""

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def cell(self, interval: Interval | None) -> str:
        """A value with its interval."""
        return words(interval, SCALE[self.unit], f" {self.unit}".rstrip(), self.digits)

    def difference(self, value: float) -> str:
        """A difference, with its sign."""
        unit = {"%": " points", "": ""}.get(self.unit, f" {self.unit}")
        return f"{SCALE[self.unit] * value:+.{self.digits}f}{unit}"


VIOLATIONS = Measure("city_violation", "violations", "%")
LATENCY = Measure("city_mean_s", "mean latency", "ms")
DECISION = Measure("city_decision_s", "median time of a decision", "ms", 2, log=True)
PLACED = Measure("city_placed", "DAGs placed", "%")
BALANCE = Measure("city_balance", "load imbalance", "", 3)

Printed = Mapping[str, Mapping[str, Mapping[Measure, str]]]
"""What a paper prints: a point as the table shows it, its method, its figure for a measure."""


def everywhere(points: Sequence[Point]) -> Sequence[Point]:
    """All points are in the table."""
    return points


@dataclass(frozen=True, kw_only=True)
class Standings(Generic[T]):
    """What of a contest is shown; its methods are the parts of an Experiment."""

    contest: Contest[T]
    axis: str
    """What the points are, with their unit."""
    form: str
    """Format of a point."""
    measures: tuple[Measure, ...]
    """Columns of the table; in the first, policies are tested against REFERENCE."""
    panels: tuple[Measure, ...]
    shown: Callable[[Sequence[Point]], Sequence[Point]] = everywhere
    """The points that are in the table."""
    together: str = ""
    """Name of lines with the means over all points, where there are such lines."""
    printed: Printed = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def experiment(
        self,
        *,
        name: str,
        title: str,
        source: str,
        question: str,
        scales: Mapping[Scale, T],
        paper_hours: float,
    ) -> Experiment[T, Entry]:
        """The contest as an experiment."""
        return Experiment(
            name=name,
            title=title,
            source=source,
            question=question,
            scales=scales,
            units=self.contest.units,
            run=self.contest.run,
            comparison=self.comparison,
            figures=self.figures,
            paper_hours=paper_hours,
            clocked=CLOCKED,
        )

    def comparison(self, frame: "pd.DataFrame", terms: T) -> Comparison:
        """A line for each point, policy and time allowed, what is printed below them."""
        points = self.contest.points(terms)
        parts = [(self.form.format(*point), self._at(frame, point)) for point in self.shown(points)]
        if self.together:
            whole = frame.groupby(["seed", "policy", "budget_s"], as_index=False).mean(numeric_only=True)
            # A column without any value is no number, and not averaged.
            parts.append((self.together, whole.reindex(columns=frame.columns)))
        lines: list[tuple[str, ...]] = []
        for title, here in parts:
            for budget in terms.budgets:
                lines += self._lines(title, here[here["budget_s"] == budget], budget, terms)
            for method, figures in self.printed.get(title, {}).items():
                first, *rest = (figures.get(measure, "") for measure in self.measures)
                lines.append((title, f"{method}, printed", "", first, "", *rest))
        first, *rest = (measure.label for measure in self.measures)
        columns = (self.axis, "policy", "time allowed", first, f"against {REFERENCE}", *rest)
        return Comparison(columns, tuple(lines), (*notes(terms, frame), *self.notes))

    def _lines(self, title: str, here: "pd.DataFrame", budget: float, terms: T) -> list[tuple[str, ...]]:
        versus = against_reference(here, terms, self.measures[0])
        lines = []
        for name in terms.policies:
            mine = here[here["policy"] == name]
            first, *rest = (measure.cell(middle(mine, measure.column)) for measure in self.measures)
            lines.append((title, name, f"{budget:g} s", first, versus[name], *rest))
        return lines

    def figures(self, frame: "pd.DataFrame", terms: T) -> "Mapping[str, Figure]":
        """A panel for each measure, a line for each policy, with the longest decision time."""
        from edgewright.emulation.experiments.drawing import (  # noqa: PLC0415 - matplotlib
            legend,
            line,
            panels,
            style,
        )

        here = frame[frame["budget_s"] == max(terms.budgets)]
        points = self.contest.points(terms)
        x = [math.prod(point) for point in points]
        with style():
            figure, axes = panels(len(self.panels))
            for panel, measure in zip(axes, self.panels, strict=True):
                for name in terms.policies:
                    mine = here[here["policy"] == name]
                    found = [middle(self._at(mine, point), measure.column) for point in points]
                    line(panel, x, found, SCALE[measure.unit], name, terms.policies)
                if len(points) <= 8:
                    panel.set_xticks(x, [self.form.format(*point) for point in points])
                panel.set(xlabel=self.axis, ylabel=measure.axis)
                if measure.log:
                    panel.set_yscale("log")
                else:
                    panel.set_ylim(bottom=0)
            legend(figure, axes[0])
            figure.suptitle(f"{max(terms.budgets):g} s per DAG", x=0.01, ha="left")
        return {self.contest.along: figure}

    def _at(self, frame: "pd.DataFrame", point: Point) -> "pd.DataFrame":
        return frame[(frame[self.contest.axes] == list(point)).all(axis=1)]


def per_seed(frame: "pd.DataFrame", column: str) -> Floats:
    """(seeds,) a column that is the same in all rows of a seed, in the order of seeds; NaN where unknown."""
    values: Floats = frame.groupby("seed", sort=True)[column].first().to_numpy(float, na_value=np.nan)
    return values


def middle(frame: "pd.DataFrame", column: str) -> Interval | None:
    """Interquartile mean over seeds with its interval; None where some seed has no value."""
    values = per_seed(frame, column)
    return interquartile_mean(values[:, None]) if len(values) and np.isfinite(values).all() else None


def against_reference(frame: "pd.DataFrame", terms: Terms, measure: Measure) -> dict[str, str]:
    """Each policy's mean difference from REFERENCE over the same seeds, and its p after Holm's correction."""
    values = {name: per_seed(frame[frame["policy"] == name], measure.column) for name in terms.policies}
    finite = {name: each for name, each in values.items() if len(each) and np.isfinite(each).all()}
    text = dict.fromkeys(terms.policies, "-")
    if (reference := finite.pop(REFERENCE, None)) is not None:
        for name, found in paired(finite, reference).items():
            text[name] = f"{measure.difference(found.mean.value)} (p {found.adjusted:.2g})"
    return text


def notes(terms: Terms, frame: "pd.DataFrame") -> tuple[str, ...]:
    """What every comparison of policies says of itself."""
    n = terms.seeds
    tail = "" if frame["city_p99_s"].notna().any() else "; too few requests for a 99th percentile"
    return (
        "Demand and work are 30 % above or below what the policies were told. A violation is an offered "
        f"request that is late, lost or of an unplaced DAG. IQM of {n} seeds [95 % bootstrap]{tail}.",
        f"p: sign flips over seeds against {REFERENCE}, Holm's correction; with {n} seeds none is below "
        f"{2 / 2**n:.2g}.",
    )
