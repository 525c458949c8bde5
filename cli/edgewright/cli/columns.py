"""Aligned columns as kubectl prints them: whole in a file, without the spare ones on a narrow terminal."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import typer

BAR = 8
"""Characters of a full bar."""


@dataclass(frozen=True)
class Table:
    """Rows under a header; every cell is text and is never cut."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[int] = ()
    """Columns of numbers."""
    wrong: Collection[str] = ()
    """Rows that end in one of these words are red."""
    spare: Sequence[str] = ()
    """Headers of the columns that a narrow terminal leaves out, the least important first."""

    def lines(self, width: int | None = None) -> list[tuple[str, bool]]:
        """Each line with whether it is red; `width` of the terminal in characters, None for a file."""
        shown, gap = list(range(len(self.header))), 3
        widths = [max(len(row[i]) for row in (self.header, *self.rows)) for i in shown]
        spare = [self.header.index(name) for name in self.spare if name in self.header]
        while width is not None and sum(widths[i] for i in shown) + gap * (len(shown) - 1) > width:
            if gap > 2:
                gap = 2
            elif spare:
                shown.remove(spare.pop(0))
            else:
                break
        return [
            ((" " * gap).join(self._cell(row, i, widths[i]) for i in shown).rstrip(), row[-1] in self.wrong)
            for row in (self.header, *self.rows)
        ]

    def _cell(self, row: Sequence[str], i: int, width: int) -> str:
        return row[i].rjust(width) if i in self.right else row[i].ljust(width)

    def show(self) -> None:
        """Print it, fitted to the terminal if there is one."""
        for line, wrong in self.lines(terminal_width()):
            typer.secho(line, fg="red" if wrong else None)


def columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    wrong: Collection[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print rows under a header, see Table."""
    Table(header, rows, right, wrong, spare).show()


def terminal_width() -> int | None:
    """Characters in a line of the terminal, None if the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, indent: int, first: int | None = None) -> str:
    """Text broken to the terminal's width behind `indent` spaces, as it is if the output goes elsewhere.

    `first` is how far the cursor is in the first line already; none of the indent is written there then.
    """
    width, lead = terminal_width(), " " * (indent if first is None else 0)
    if width is None or width - indent < BAR:
        return lead + text
    filler = " " * (indent if first is None else first)
    broken = textwrap.fill(
        text,
        width,
        initial_indent=filler,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return broken if first is None else broken[len(filler) :]


def bar(share: float, length: int = BAR) -> str:
    """A bar for a share of 1, full from there on; empty if the output is not a terminal."""
    if terminal_width() is None:
        return ""
    full = min(length, max(0, round(share * length)))
    return "█" * full + "░" * (length - full)
