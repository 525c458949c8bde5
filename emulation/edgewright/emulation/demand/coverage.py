"""Radio over a city: at every point which cells can be heard, how strongly, and how fast they are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgewright.core.radio import BANDS, BUILT_UP, LINE_OF_SIGHT, band_rate, received
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.city import City
from edgewright.emulation.demand.walks import Raster
from edgewright.emulation.fields import ScenarioError

HEARD = 8
"""Cells that are kept for each point: the strongest ones."""
ACROSS = 160
"""Squares along the longer side of the raster."""
MARGIN = 100.0
"""Metres around sites and users that the raster covers too."""
SECTORS = 36
"""Directions around a mast, each open or closed by buildings."""
CLOSED = 0.5
"""Share of the directions that are closed, in a city that is not stretched."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """A raster of G points over the city's extent, row by row from its south-west corner."""

    corner: tuple[float, float]
    """Metres of the first point."""
    step: float
    """Metres between points."""
    shape: tuple[int, int]
    """Points north and east; G is their product."""
    cell: IntArray
    """(G, HEARD) node of each cell that is heard, the strongest first."""
    signal: FloatArray
    """(G, HEARD) dB above noise in the cell's lowest band; the strongest cell serves."""
    rate: FloatArray
    """(G, HEARD) bit/s of a user alone in the cell, by its best band."""

    @property
    def extent(self) -> tuple[float, float]:
        """Metres east and north that the raster spans."""
        return (self.shape[1] - 1) * self.step, (self.shape[0] - 1) * self.step

    @cached_property
    def raster(self) -> Raster:
        """The same as kernels take it."""
        corner, shape = np.array(self.corner), np.array(self.shape, np.int32)
        return Raster(corner, self.step, shape, self.cell, self.signal, self.rate)

    def point(self, positions: FloatArray) -> IntArray:
        """(n,) nearest raster point of positions (n, 2) in metres."""
        place = np.floor((positions - self.corner) / self.step + 0.5)
        inside = np.clip(place, 0, np.array(self.shape[::-1]) - 1).astype(np.int32)
        points: IntArray = (inside[:, 1] * self.shape[1] + inside[:, 0]).astype(np.int32)
        return points


def survey(city: City) -> Coverage:
    """The raster of a city: each point's strongest cells, with the interference that their nodes know.

    A mast is seen for LINE_OF_SIGHT metres in open directions and BUILT_UP in closed ones ([MAPPO]
    'Environment setup': 250 m with line of sight, 100 m without); how many are closed shrinks with the city's
    stretch. ScenarioError for a city without cells.
    """
    rows = np.array([i for i, node in enumerate(city.nodes) if node.radio], np.int32)
    if not len(rows):
        raise ScenarioError(
            f"city {city.scenario.name} has no cell: give a band under `radio` a share above 0 of the sites"
        )
    sites = np.array([city.nodes[i].location for i in rows], float)
    everything = np.vstack([sites, np.array(city.users, float).reshape(-1, 2)])
    low, high = everything.min(axis=0) - MARGIN, everything.max(axis=0) + MARGIN
    step = float((high - low).max() / ACROSS)
    shape = tuple(int(n) + 1 for n in np.ceil((high - low) / step)[::-1])
    east, north = np.meshgrid(low[0] + step * np.arange(shape[1]), low[1] + step * np.arange(shape[0]))
    points = np.column_stack([east.ravel(), north.ravel()])

    random = np.random.default_rng([city.scenario.seed, 7])
    closed = random.random((len(rows), SECTORS)) < CLOSED / city.scenario.stretch
    heard = min(HEARD, len(rows))
    cell = np.empty((len(points), heard), np.int32)
    signal, rate = np.empty(cell.shape), np.empty(cell.shape)
    for block in np.array_split(np.arange(len(points)), max(1, len(points) * len(rows) // 500_000)):
        distance, sight = _sight(points[block], sites, closed)
        strength, speed = _radio(city, rows, distance, sight)
        order = np.argsort(-strength, axis=1, kind="stable")[:, :heard]
        cell[block] = rows[order]
        signal[block] = np.take_along_axis(strength, order, axis=1)
        rate[block] = np.take_along_axis(speed, order, axis=1)
    return Coverage((float(low[0]), float(low[1])), step, (shape[0], shape[1]), cell, signal, rate)


def _sight(points: FloatArray, sites: FloatArray, closed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(points, sites) metres to each mast, and metres up to which it is seen in that direction."""
    away = points[:, None, :] - sites[None, :, :]
    angle = np.arctan2(away[..., 1], away[..., 0]) / (2 * np.pi) % 1.0
    sector = np.minimum((angle * SECTORS).astype(np.int64), SECTORS - 1)
    shut = closed[np.arange(len(sites)), sector]
    return np.hypot(away[..., 0], away[..., 1]), np.where(shut, BUILT_UP, LINE_OF_SIGHT)


def _radio(
    city: City, rows: IntArray, distance: FloatArray, sight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(points, cells) signal of the lowest band, and the best band's rate."""
    signal, rate = np.empty(distance.shape), np.zeros(distance.shape)
    for name, band in BANDS.items():
        has = np.array([name in city.nodes[i].radio for i in rows])
        rise = np.array([city.nodes[i].interference.get(name, 0.0) for i in rows[has]])
        speed = band_rate(band, distance[:, has], line_of_sight=sight[:, has], rise=rise)
        rate[:, has] = np.maximum(rate[:, has], speed)
    lowest = [next(name for name in BANDS if name in city.nodes[i].radio) for i in rows]
    for name in dict.fromkeys(lowest):
        has = np.array([each == name for each in lowest])
        signal[:, has] = received(BANDS[name], distance[:, has], sight[:, has])
    return signal, rate
