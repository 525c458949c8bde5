"""The table of a contest says what its rows say, in the units of its columns, beside what is printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgewright.emulation.experiments import resilience
from edgewright.emulation.experiments.contest import Contest, Entry, Terms
from edgewright.emulation.experiments.standings import LATENCY, VIOLATIONS, Standings


@dataclass(frozen=True)
class Sized(Entry):
    wide: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Sizes(Terms):
    sizes: tuple[tuple[int, int], ...] = ((1, 2), (3, 4))


TERMS = Sizes(seeds=2, policies=("random", "heuristic"), budgets=(0.01,))
CONTEST: Contest[Any] = Contest(entry=Sized, along="sizes", setting=None)  # type: ignore[arg-type]  # not run
STANDINGS: Standings[Any] = Standings(
    contest=CONTEST,
    axis="wide x high",
    form="{} x {}",
    measures=(VIOLATIONS, LATENCY),
    panels=(VIOLATIONS,),
    together="all",
    printed={"3 x 4": {"THEIRS": {LATENCY: "65 ms"}}},
)


def rows(latency: float | None = 0.02) -> pd.DataFrame:
    """Both policies answer in 20 ms; random violates 10 % more, and the larger size 20 % more."""
    units: Sequence[Any] = CONTEST.units(TERMS)
    return pd.DataFrame(
        {
            **vars(unit),
            "city_violation": 0.1 * (unit.policy == "random") + 0.1 * (unit.wide - 1),
            "city_mean_s": latency,
            "city_p99_s": None,
        }
        for unit in units
        for _ in range(3)
    )


def test_lines_are_points_then_all_together_and_printed_ones_stand_below_their_point() -> None:
    found = STANDINGS.comparison(rows(), TERMS)
    assert [line[:2] for line in found.lines] == [
        ("1 x 2", "random"),
        ("1 x 2", "heuristic"),
        ("3 x 4", "random"),
        ("3 x 4", "heuristic"),
        ("3 x 4", "THEIRS, printed"),
        ("all", "random"),
        ("all", "heuristic"),
    ]
    cells = {line[:2]: line[2:] for line in found.lines}
    difference = "+10.0 points (p 0.5)"
    mean = "20.0 ms [20.0, 20.0]"
    assert cells["3 x 4", "random"] == ("0.01 s", "30.0 % [30.0, 30.0]", difference, mean)
    assert cells["all", "random"] == ("0.01 s", "20.0 % [20.0, 20.0]", difference, mean)
    assert cells["3 x 4", "heuristic"] == ("0.01 s", "20.0 % [20.0, 20.0]", "-", mean)
    assert cells["3 x 4", "THEIRS, printed"] == ("", "", "", "65 ms")


def test_what_nobody_measured_is_a_dash_and_leaves_its_curve_out() -> None:
    found = STANDINGS.comparison(rows(latency=None), TERMS)
    assert {line[-1] for line in found.lines} == {"-", "65 ms"}
    (figure,) = STANDINGS.figures(rows(), TERMS).values()
    panel = figure.axes[0]
    assert panel.get_ylabel() == "violations (%)"
    assert {line.get_label() for line in panel.get_lines()} == set(TERMS.policies)
    assert [text.get_text() for text in panel.get_xticklabels()] == ["1 x 2", "3 x 4"]
    assert np.max(panel.get_lines()[0].get_ydata()) == pytest.approx(30)


def shocked(pending: int, recovered: float | None) -> pd.DataFrame:
    """One run of `resilience`: 2 % of violations before a quarter of the nodes fails, then 50 and 20 %."""
    return pd.DataFrame(
        {
            **vars(resilience.Shock(1, "random", 0.1, resilience.FAILURE, 0.25)),
            "period": at,
            "violation": late,
            "pending": waiting,
            "busiest": 0.9,
            "recovery_s": recovered,
            "served_s": 20.0,
            "mean_violation": 0.21,
            "peak": 3.0,
            "dags": 8,
        }
        for at, late, waiting in ((-1, 0.02, 1), (0, 0.5, 3), (1, 0.2, pending))
    )


@pytest.mark.parametrize(
    ("pending", "recovered", "words"),
    [
        (1, 10.0, "all 1 runs came back"),
        (1, None, "in 1 all that had a place have one again, but a worse one (busiest station 90%)"),
        (2, None, "In 1 of them DAGs found no place any more"),
    ],
)
def test_resilience_shows_levels_and_says_why_runs_did_not_come_back(
    pending: int, recovered: float | None, words: str
) -> None:
    config = resilience.Shocks(seeds=1, policies=("random",), budgets=(0.1,), failures=(0.25,), bursts=())
    found = resilience.comparison(shocked(pending, recovered), config)
    recovery = "censored (0 of 1)" if recovered is None else "10 s (1 of 1)"
    assert found.lines[0] == (
        *("25% of edge nodes fail", "random", "0.1 s", "2.0 → 50.0 → 20.0 %", "21.0 %"),
        *(f"1 → {pending} of 8", recovery, "20 s (1 of 1)", "3.00 x [3.00, 3.00]"),
    )
    assert any(words in note for note in found.notes)
