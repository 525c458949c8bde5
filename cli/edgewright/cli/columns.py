"""Aligned columns as kubectl prints them: never cut off, on a terminal or into a file."""

from collections.abc import Collection, Sequence

import typer


def columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    wrong: Collection[str] = (),
) -> None:
    """Print rows under a header; columns in `right` are numbers, rows that end in a word of `wrong` red."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.secho("   ".join(cells).rstrip(), fg="red" if row[-1] in wrong else None)
