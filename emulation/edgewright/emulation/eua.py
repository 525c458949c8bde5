"""The EUA dataset of Melbourne's centre: where real base stations and users are."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "eua"


@dataclass(frozen=True, slots=True)
class Site:
    """A base-station site; degrees are WGS 84."""

    id: str
    title: str
    latitude: float
    longitude: float


@cache
def sites() -> tuple[Site, ...]:
    """The 125 sites in the file's order."""
    with (FOLDER / "site-optus-melbCBD.csv").open(newline="") as file:
        return tuple(
            Site(row["SITE_ID"], row["NAME"].strip(), float(row["LATITUDE"]), float(row["LONGITUDE"]))
            for row in csv.DictReader(file)
        )


@cache
def users() -> tuple[tuple[float, float], ...]:
    """The 816 user positions as (latitude, longitude)."""
    with (FOLDER / "users-melbcbd-generated.csv").open(newline="") as file:
        return tuple((float(row["Latitude"]), float(row["Longitude"])) for row in csv.DictReader(file))
