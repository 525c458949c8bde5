"""Policies in the same settings: their units, their scores over seeds, differences from a reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewright.emulation.experiments.experiment import Config, Row
from edgewright.emulation.experiments.lineup import BUDGETS, ready
from edgewright.emulation.experiments.scoring import place_all, rows, score
from edgewright.emulation.experiments.setting import Setting, truth
from edgewright.emulation.experiments.statistics import Floats, Interval, interquartile_mean, paired

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

REFERENCE = "heuristic"
"""The policy that the others are compared with."""
POLICIES = ("random", "best-fit", "kube", "network-aware", "heft", "genetic", "heuristic")
QUICK = (0.01, 0.1)
"""Seconds per DAG at small scale, where a whole second would take too long."""


@dataclass(frozen=True, kw_only=True)
class Contest(Config):
    """A comparison of policies in a city."""

    policies: tuple[str, ...] = POLICIES
    scenario: str = "metro"
    nodes: int | None = None
    """Of the city, all tiers together; None: as many as the scenario has."""
    regions: int | None = None
    budgets: tuple[float, ...] = BUDGETS
    requests: int = 200_000
    """Simulated for each placement; at least 100,000 for a 99th percentile."""


@dataclass(frozen=True)
class Entry:
    """One policy in one setting."""

    seed: int
    policy: str
    budget_s: float


def compete(config: Contest, unit: Entry, setting: Setting) -> list[Row]:
    """Place everything with the unit's policy and score it; all policies meet the same truth and arrivals."""
    policy = ready(unit.policy)
    outcome = place_all(policy, setting, seconds=unit.budget_s, seed=unit.seed)
    true = truth(setting, unit.seed)
    return rows(setting, outcome, score(setting, outcome, true, requests=config.requests, seed=unit.seed))


def per_seed(frame: "pd.DataFrame", column: str) -> Floats:
    """(seeds,) a column that is the same in all rows of a seed, in the order of seeds; NaN where unknown."""
    values: Floats = frame.groupby("seed", sort=True)[column].first().to_numpy(float, na_value=np.nan)
    return values


def middle(frame: "pd.DataFrame", column: str) -> Interval | None:
    """Interquartile mean over seeds with its interval; None where some seed has no value."""
    values = per_seed(frame, column)
    return interquartile_mean(values[:, None]) if len(values) and np.isfinite(values).all() else None


def against_reference(
    frame: "pd.DataFrame", config: Config, column: str, show: Callable[[float], str]
) -> dict[str, str]:
    """Each policy's mean difference from REFERENCE over the same seeds, and its p after Holm's correction."""
    if REFERENCE not in config.policies:
        return dict.fromkeys(config.policies, "-")
    values = {name: per_seed(frame[frame["policy"] == name], column) for name in config.policies}
    reference = values.pop(REFERENCE)
    finite = {name: v for name, v in values.items() if np.isfinite(v).all() and np.isfinite(reference).all()}
    found = paired(finite, reference)
    text = dict.fromkeys(config.policies, "-")
    for name, difference in found.items():
        text[name] = f"{show(difference.mean.value)} (p {difference.adjusted:.2g})"
    return text


def words(interval: Interval | None, scale: float, unit: str, digits: int = 1) -> str:
    """A value with its interval in a unit, a dash where there is none."""
    if interval is None:
        return "-"
    low, value, high = (
        f"{scale * each:.{digits}f}" for each in (interval.low, interval.value, interval.high)
    )
    return f"{value}{unit} [{low}, {high}]"


def curves(
    axes: "Axes",
    frame: "pd.DataFrame",
    config: Config,
    x: tuple[str, Sequence[float]],
    y: tuple[str, float, str],
) -> None:
    """A line per policy: column `y` (name, scale, label) over column `x` (name, values)."""
    from edgewright.emulation.experiments.drawing import line  # noqa: PLC0415 - matplotlib

    for name in config.policies:
        mine = frame[frame["policy"] == name]
        found = {at: middle(mine[mine[x[0]] == at], y[0]) for at in x[1]}
        known: Mapping[float, Interval] = {at: each for at, each in found.items() if each is not None}
        scaled = [Interval(y[1] * i.value, y[1] * i.low, y[1] * i.high) for i in known.values()]
        line(axes, list(known), scaled, name, config.policies)
    axes.set_ylabel(y[2])
    axes.set_ylim(bottom=0)


def notes(config: Contest, frame: "pd.DataFrame") -> tuple[str, ...]:
    """What every comparison of policies says of itself."""
    n = config.seeds
    tail = "" if frame["city_p99_s"].notna().any() else "; too few requests for a 99th percentile"
    return (
        "Demand and work are 30 % above or below what the policies were told. A violation is an offered "
        f"request that is late, lost or of an unplaced DAG. IQM of {n} seeds [95 % bootstrap]{tail}.",
        f"p: sign flips over seeds against {REFERENCE}, Holm's correction; with {n} seeds none is below "
        f"{2 / 2**n:.2g}.",
    )
