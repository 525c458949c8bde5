"""Trajectories from a CSV (taxis, simulated traffic), as steps of one period from where each begins."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.core.substrate import FloatArray, IntArray
from edgewright.emulation.fields import UNREADABLE, ScenarioError
from edgewright.emulation.geography import METRES_PER_DEGREE

MOST_ROWS = 2_000_000
MOST_TRACES = 2_000
"""Trajectories that are kept: the first of the file."""
LONGEST = 720
"""Periods of a trajectory that are kept: two hours of 10 s."""
DEGREES = (("latitude", "lat"), ("longitude", "lon", "lng"))
METRES = (("y",), ("x",))


class Traces(NamedTuple):
    """W trajectories of up to P periods."""

    step: FloatArray
    """(W, P, 2) metres east and north of the first position; the last one is kept to the end."""
    length: IntArray
    """(W,) periods."""


def read(file: str, period: float) -> Traces:
    """The trajectories of a CSV with columns id, seconds and latitude, longitude (or x, y in metres).

    Positions are interpolated at every `period` seconds. Rows of one id must be in the order of time. Raises
    ScenarioError naming file, row and column for what is missing, not a number or out of order, for no
    trajectory of two periods at all, and beyond MOST_ROWS.
    """
    moments: dict[str, list[tuple[float, float, float]]] = {}
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            who, when, north, east, degrees = _columns(file, next(rows, []))
            for number, row in enumerate(rows, 2):
                if number > MOST_ROWS:
                    raise ScenarioError(
                        f"{file} has more than {MOST_ROWS:,} rows: cut it into hours or districts"
                    )
                if not row:
                    continue
                try:
                    name, values = row[who], (float(row[when]), float(row[east]), float(row[north]))
                except (IndexError, ValueError):
                    raise ScenarioError(
                        f"{file}, row {number}: no id, time and position in {row!r}"
                    ) from None
                if not all(math.isfinite(value) for value in values):
                    raise ScenarioError(f"{file}, row {number}: {row!r} is not finite")
                known = moments.setdefault(name, [])
                if known and values[0] <= known[-1][0]:
                    raise ScenarioError(
                        f"{file}, row {number}: time {values[0]:g} of {name} is not after {known[-1][0]:g}"
                    )
                known.append(values)
    except UNREADABLE as error:
        raise ScenarioError(f"{file} cannot be read as a CSV: {error}") from error
    ways = [_resampled(np.array(each), period, degrees=degrees) for each in moments.values()]
    ways = [way for way in ways if len(way) > 1][:MOST_TRACES]
    if not ways:
        raise ScenarioError(f"{file} has no trajectory of at least {2 * period:g} seconds")
    length = np.array([len(way) for way in ways], np.int32)
    step = np.array([np.pad(way, ((0, length.max() - len(way)), (0, 0)), mode="edge") for way in ways])
    return Traces(step, length)


def _columns(file: str, head: Sequence[str]) -> tuple[int, int, int, int, bool]:
    names = [name.strip().lower() for name in head]

    def column(candidates: Sequence[str]) -> int | None:
        return next((names.index(name) for name in candidates if name in names), None)

    who, when = column(("id", "vehicle", "taxi")), column(("seconds", "time"))
    for (north, east), degrees in ((DEGREES, True), (METRES, False)):
        y, x = column(north), column(east)
        if who is not None and when is not None and y is not None and x is not None:
            return who, when, y, x, degrees
    raise ScenarioError(
        f"{file} needs the columns id, seconds and latitude, longitude (or x, y in metres); it has "
        f"{', '.join(names) or 'none'}"
    )


def _resampled(rows: FloatArray, period: float, *, degrees: bool) -> FloatArray:
    """(P, 2) metres from the first position, every `period` seconds."""
    away = rows[:, 1:] - rows[0, 1:]
    if degrees:
        away = away * METRES_PER_DEGREE * (math.cos(math.radians(rows[0, 2])), 1.0)
    last = min(rows[-1, 0], rows[0, 0] + (LONGEST - 1) * period)
    at = np.arange(rows[0, 0], last + 1e-9, period)
    return np.column_stack([np.interp(at, rows[:, 0], away[:, axis]) for axis in (0, 1)])
