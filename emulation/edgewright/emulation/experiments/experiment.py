"""What an experiment is: a typed config, units of work, plots, and a table of ours beside the paper's."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from edgewright.emulation.experiments.comparison import Comparison

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HELD_OUT = 1_000_000
"""First seed of every experiment: nothing may be trained, tuned or timed on seeds from here on."""

Row = dict[str, Any]
"""One line of a tidy table: column to str, int, float, bool, or None where there is no value."""


class ExperimentError(Exception):
    """An experiment cannot be run; the message names what was found, what is allowed, and what to do."""


class Scale(StrEnum):
    """How large an experiment is."""

    SMALL = "small"
    """Minutes on two cores: for CI and for looking."""
    PAPER = "paper"
    """The size printed."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every experiment has; an experiment adds its own fields, all of plain values or tuples of them."""

    seeds: int
    policies: tuple[str, ...] = ()
    """Names in `edgewright.agents.policies`; empty where no policy takes part."""

    def over(self, seeds: int | None = None, policies: Sequence[str] = ()) -> "Config":
        """The same with other seeds or policies; ExperimentError for values that mean nothing."""
        if seeds is not None and not 1 <= seeds <= 1000:
            raise ExperimentError(f"--seeds is {seeds}; give 1 to 1000")
        if policies and not self.policies:
            raise ExperimentError("--policy: no policy takes part in this experiment; leave it out")
        return replace(
            self,
            seeds=self.seeds if seeds is None else seeds,
            policies=tuple(dict.fromkeys(policies)) or self.policies,
        )

    @property
    def held_out(self) -> range:
        """The seeds themselves."""
        return range(HELD_OUT, HELD_OUT + self.seeds)


class Unit(Protocol):
    """A frozen dataclass of plain values that says what one unit of work is; has a field `seed`."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn in the unit."""
        ...


C = TypeVar("C", bound=Config)
U = TypeVar("U", bound=Unit)


@dataclass(frozen=True, kw_only=True)
class Experiment(Generic[C, U]):
    """One experiment; its functions are pure, so that any machine computes the same rows of a unit."""

    name: str
    title: str
    source: str
    """Table or figure of a paper, or where else the question comes from."""
    question: str
    """One sentence: what it shows."""
    scales: Mapping[Scale, C]
    units: Callable[[C], Sequence[U]]
    run: Callable[[C, U], list[Row]]
    """Rows of one unit; the unit's own fields are added to each."""
    comparison: Callable[["pd.DataFrame", C], Comparison]
    figures: Callable[["pd.DataFrame", C], Mapping[str, "Figure"]]
    """By the name of their files."""
    paper_hours: float
    """CPU hours of the paper scale, extrapolated from a few of its units (docs/reference/experiments.md)."""
    clocked: tuple[str, ...] = ()
    """Columns read from a clock: they differ from run to run, every other column is the same to the bit."""


def unit_name(unit: Unit) -> str:
    """A file name for a unit's rows: its fields and values, in the order of the dataclass."""
    fields = asdict(unit)  # type: ignore[call-overload]  # a protocol cannot ask for a dataclass
    return ".".join(f"{key}={_plain(value)}" for key, value in fields.items())


def _plain(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9_+-]", "_", text.replace(".", "p"))
