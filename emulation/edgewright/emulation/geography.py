"""Maps degrees to metres and divides sites into compact regions of about the same size."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment

FloatArray = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
"""Group numbers."""
METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
SLACK = 1.12
"""A region may have this many times the average number of sites."""
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """An equirectangular map: metres east and north of an extent's south-west corner."""

    latitude: float
    """Of the corner, in degrees."""
    longitude: float
    scale: float
    """Metres of one degree of longitude at the extent's middle latitude."""

    @classmethod
    def around(cls, points: Iterable[tuple[float, float]]) -> "Frame":
        """The frame whose corner is south-west of all (latitude, longitude) points; ValueError for none."""
        degrees = np.array(list(points), dtype=np.float64)
        if not len(degrees):
            raise ValueError("a frame needs at least one point")
        (south, west), (north, _) = degrees.min(axis=0), degrees.max(axis=0)
        middle = math.radians((south + north) / 2)
        return cls(float(south), float(west), METRES_PER_DEGREE * math.cos(middle))

    def metres(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Position (x east, y north) in metres."""
        return (longitude - self.longitude) * self.scale, (latitude - self.latitude) * METRES_PER_DEGREE

    def degrees(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude of a position in metres: the inverse of `metres`."""
        return self.latitude + y / METRES_PER_DEGREE, self.longitude + x / self.scale


def divide(points: FloatArray, count: int, seed: int) -> Labels:
    """Assign (site, 2) points to `count` compact groups of at most SLACK times the average size.

    Seeded k-means whose assignment step is the cheapest one with bounded groups; groups are numbered
    from west to east. Returns (site,) group numbers. Raises ValueError if there are too few points.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"{len(points)} sites cannot be divided into {count} regions")
    centres, _ = kmeans2(points, count, minit="++", seed=np.random.default_rng(seed))
    group = np.full(len(points), -1, dtype=np.int64)
    places = math.ceil(len(points) / count * (SLACK if count > 1 else 1.0))
    for _ in range(ROUNDS):
        squared = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        cost = np.repeat(squared, places, axis=1)
        # The first place of each group is worth more than any distance: no group stays empty.
        cost[:, ::places] -= 1.0 + squared.max() * len(points)
        _, slot = linear_sum_assignment(cost)
        settled, group = np.array_equal(slot // places, group), np.asarray(slot // places, dtype=np.int64)
        centres = np.array([points[group == g].mean(axis=0) for g in range(count)])
        if settled:
            break
    rank = np.argsort(np.argsort(centres[:, 0], kind="stable"), kind="stable")
    return np.asarray(rank[group], dtype=np.int64)
