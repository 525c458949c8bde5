"""What a benchmark found: rows of target, measured and verdict, samples as CSV, the machine it ran on."""

import csv
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgewright.emulation.testbed import binaries

if TYPE_CHECKING:
    from rich.console import Console

OUT = Path(__file__).parent / "out"
HEAD = ("part", "case", "figure", "target", "measured", "verdict")
Verdict = Literal["met", "missed", ""]


@dataclass(frozen=True)
class Row:
    """One line of the summary; no verdict where there is no target."""

    part: str
    case: str
    figure: str
    target: str
    measured: str
    verdict: Verdict = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of HEAD."""
        return self.part, self.case, self.figure, self.target, self.measured, self.verdict


@dataclass
class Findings:
    """Rows of one part, and its samples by the name of their CSV file."""

    rows: list[Row] = field(default_factory=list)
    samples: dict[str, list[Mapping[str, object]]] = field(default_factory=dict)

    def sample(self, table: str, **fields: object) -> None:
        """Add one line to a CSV table."""
        self.samples.setdefault(table, []).append(fields)


def verdict(met: bool) -> Verdict:
    """The word for it."""
    return "met" if met else "missed"


def environment() -> dict[str, str]:
    """Facts without which a figure means nothing; no names of machines or paths."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{component.name: component.version for component in binaries.COMPONENTS},
        "commit": head.stdout.strip() or "unknown",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def markdown(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """The summary as a Markdown table with the environment above it."""
    lines = [", ".join(f"{name} {value}" for name, value in facts.items()), ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(row.cells) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def save(found: Findings, name: str, facts: Mapping[str, str], folder: Path = OUT) -> None:
    """Write every sample table as CSV and the rows as `name`.csv and `name`.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, samples in found.samples.items():
        _write(folder / f"{table}.csv", list(dict.fromkeys(key for s in samples for key in s)), samples)
    _write(folder / f"{name}.csv", HEAD, [dict(zip(HEAD, row.cells, strict=True)) for row in found.rows])
    (folder / f"{name}.md").write_text(markdown(found.rows, facts))


def _write(path: Path, columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def show(console: "Console", rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Print the summary for people."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(*HEAD, caption=", ".join(f"{name} {value}" for name, value in facts.items()))
    for row in rows:
        colour = {"met": "green", "missed": "red", "": None}[row.verdict]
        table.add_row(*row.cells, style=colour)
    console.print(table)
