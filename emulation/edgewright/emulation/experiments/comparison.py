"""The table of an experiment: our figures beside the paper's, and which of the paper's cannot be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.emulation.experiments.statistics import Interval

NOT_COMPARABLE = "not comparable"


def not_comparable(text: str) -> str:
    """A printed figure that no system could print, such as violations of 165 %, marked as such."""
    return f"{text} ({NOT_COMPARABLE})"


@dataclass(frozen=True)
class Comparison:
    """Columns and lines of text, ours and the paper's side by side, with what a reader must know."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line) != len(self.columns):
                raise ValueError(f"a line has {len(line)} cells, the table {len(self.columns)}: {line}")

    def markdown(self, title: str) -> str:
        """A table under its title, notes below."""
        rule = ["---"] + ["---:"] * (len(self.columns) - 1)
        table = [self.columns, rule, *self.lines]
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in table]
        return "\n".join([f"# {title}", "", *rows, "", *(f"- {note}" for note in self.notes)]) + "\n"

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {"columns": self.columns, "lines": self.lines, "notes": self.notes}

    @classmethod
    def read(cls, plain: Mapping[str, Sequence[object]]) -> "Comparison":
        """From JSON."""
        lines = tuple(tuple(str(cell) for cell in line) for line in plain["lines"] if isinstance(line, list))
        notes = tuple(str(note) for note in plain["notes"])
        return cls(tuple(str(column) for column in plain["columns"]), lines, notes)


def per_cent(value: float | None, digits: int = 1) -> str:
    """A share as per cent, a dash where there is none."""
    return "-" if value is None or isnan(value) else f"{100 * value:.{digits}f} %"


def words(interval: "Interval | None", scale: float, unit: str, digits: int = 1) -> str:
    """A value with its interval in a unit, a dash where there is none."""
    if interval is None:
        return "-"
    low, value, high = (
        f"{scale * each:.{digits}f}" for each in (interval.low, interval.value, interval.high)
    )
    return f"{value}{unit} [{low}, {high}]"
