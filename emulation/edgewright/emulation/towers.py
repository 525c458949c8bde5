"""Positions from any CSV of sites or users: columns are detected, rows are checked, memory is bounded."""

import csv
import gzip
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from edgewright.emulation.fields import UNREADABLE, ScenarioError
from edgewright.emulation.geography import FloatArray

MOST_ROWS = 5_000_000
"""Rows of a file; OpenCelliD has about so many per large country."""
OPENCELLID = ("radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range", "samples", "changeable")
"""First columns of an OpenCelliD export; files of one country come without this head."""
RADIOS = ("GSM", "UMTS", "LTE", "NR", "CDMA")
LATITUDE = ("latitude", "lat", "y_lat", "site_latitude")
LONGITUDE = ("longitude", "lon", "lng", "long", "site_longitude")


def positions(
    file: str,
    *,
    latitude: str | None = None,
    longitude: str | None = None,
    bounds: tuple[float, float, float, float] | None = None,
) -> FloatArray:
    """(n, 2) distinct (latitude, longitude) of a CSV's rows, in the file's order; `.gz` is unpacked.

    Columns are those named, or found by their usual names, or OpenCelliD's. `bounds` (south, west, north,
    east) keeps what lies within. Raises ScenarioError naming file, row and column for anything that is no
    position, for no rows at all, and beyond MOST_ROWS.
    """
    try:
        with _open(Path(file)) as stream:
            found = _read(file, stream, latitude, longitude)
    except UNREADABLE as error:
        raise ScenarioError(f"{file} cannot be read as a CSV: {error}") from error
    points = np.frombuffer(found, dtype=np.float64).reshape(-1, 2)
    if bounds is not None:
        south, west, north, east = bounds
        inside = (points >= (south, west)) & (points <= (north, east))
        points = points[inside.all(axis=1)]
    if not len(points):
        where = "" if bounds is None else f" within the bounds {bounds}"
        raise ScenarioError(f"{file} has no position{where}")
    _, rows_kept = np.unique(np.round(points, 6), axis=0, return_index=True)
    distinct: FloatArray = points[np.sort(rows_kept)]
    return distinct


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", newline="", encoding="utf-8-sig")
    return path.open(newline="", encoding="utf-8-sig")


def _read(file: str, stream: TextIO, latitude: str | None, longitude: str | None) -> "array[float]":
    """Latitude and longitude of every row, one after the other."""
    found = array("d")
    rows: Iterator[list[str]] = csv.reader(stream)
    first = next(rows, None)
    if first is None:
        raise ScenarioError(f"{file} is empty: a CSV with a column of latitudes and one of longitudes")
    columns, number = _columns(file, first, latitude, longitude), 1
    if columns is None:
        columns, number = (OPENCELLID.index("lat"), OPENCELLID.index("lon")), 0
        rows = _again(first, rows)
    for row in rows:
        number += 1
        if not row:
            continue
        if number > MOST_ROWS:
            raise ScenarioError(
                f"{file} has more than {MOST_ROWS:,} rows: cut it down to the region of the city first"
            )
        found.extend(_position(file, number, row, columns))
    return found


def _again(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _columns(
    file: str, head: Sequence[str], latitude: str | None, longitude: str | None
) -> tuple[int, int] | None:
    """Columns of latitude and longitude; None for OpenCelliD's rows without a head."""
    names = [name.strip().lower() for name in head]
    if len(head) >= len(OPENCELLID) and head[0].strip() in RADIOS and latitude is None:
        return None
    return _column(file, names, latitude, LATITUDE), _column(file, names, longitude, LONGITUDE)


def _column(file: str, names: list[str], wanted: str | None, usual: Sequence[str]) -> int:
    candidates = usual if wanted is None else (wanted.lower(),)
    for name in candidates:
        if name in names:
            return names.index(name)
    raise ScenarioError(
        f"{file} has no column {' or '.join(candidates)}: there are {', '.join(names)}; "
        "name the right ones under `columns`"
    )


def _position(file: str, number: int, row: list[str], columns: tuple[int, int]) -> tuple[float, float]:
    try:
        latitude, longitude = float(row[columns[0]]), float(row[columns[1]])
    except (IndexError, ValueError):
        raise ScenarioError(f"{file}, row {number}: no latitude and longitude in {row!r}") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ScenarioError(
            f"{file}, row {number}: latitude {latitude:g} and longitude {longitude:g} are not in -90..90 and "
            "-180..180 degrees"
        )
    return latitude, longitude
