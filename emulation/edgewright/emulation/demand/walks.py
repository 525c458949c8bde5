"""How groups of users move in steps of one period, and which cell serves them: one kernel for all groups."""

from typing import NamedTuple

import numpy as np

from edgewright.core.kernel import entry, kernel
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

HYSTERESIS = 3.0
"""dB by which another cell must be stronger before a group is handed over."""
STATIC, WAYPOINT, GAUSS_MARKOV, TRACE = range(4)


class Walkers(NamedTuple):
    """A groups of users: where each begins, for how long it is there, and how it moves."""

    kind: IntArray
    """(A,) STATIC stays; WAYPOINT goes straight from one of `leg` to the next, the first after the last;
    GAUSS_MARKOV has v <- memory v + sqrt(1 - memory^2) speed gust and bounces at the raster's edge; TRACE
    follows `way`."""
    speed: FloatArray
    """(A,) metres per period."""
    memory: FloatArray
    """(A,)."""
    born: IntArray
    ends: IntArray
    """(A,) periods, as in an Episode."""
    start: FloatArray
    """(A, 2) metres."""
    leg: FloatArray
    """(A, L, 3) x, y and the stay there in periods."""
    gust: FloatArray
    """(T, A, 2)."""
    way: FloatArray
    """(W, T, 2) metres from the start; group a follows row `trace[a]`."""
    trace: IntArray
    """(A,)."""
    lift: FloatArray
    """(A,) bit/s that a group gets at least."""


class Raster(NamedTuple):
    """A Coverage as a kernel takes it."""

    corner: FloatArray
    step: float
    shape: IntArray
    heard: IntArray
    signal: FloatArray
    rate: FloatArray


@entry
def walk(
    walkers: Walkers, raster: Raster, down: BoolArray, spot: FloatArray, cell: IntArray, cell_rate: FloatArray
) -> None:
    """Fill `cell` and `cell_rate` (T, A) while groups are there, and keep the first and last value outside.

    A group keeps its cell until another is HYSTERESIS stronger, or its node is `down` (T, N); its rate is 0
    where nothing that it hears is alive. `spot` (T, 2) is work space.
    """
    T = len(cell)
    for a in range(len(walkers.kind)):
        born, end = walkers.born[a], min(walkers.ends[a], T)
        _move(walkers, raster, a, born, end, spot)
        serving = -1
        for t in range(born, end):
            point = _point(raster, spot[t])
            chosen = _chosen(raster.heard[point], raster.signal[point], down[t], serving)
            if chosen >= 0:
                serving = raster.heard[point, chosen]
                cell_rate[t, a] = max(raster.rate[point, chosen], walkers.lift[a])
            else:
                cell_rate[t, a] = 0.0
            cell[t, a] = serving if serving >= 0 else raster.heard[point, 0]
        for t in range(born):
            cell[t, a], cell_rate[t, a] = cell[born, a], cell_rate[born, a]
        for t in range(end, T):
            cell[t, a], cell_rate[t, a] = cell[end - 1, a], cell_rate[end - 1, a]


@kernel
def _move(walkers: Walkers, raster: Raster, a: int, born: int, end: int, spot: FloatArray) -> None:
    """Positions of group a from `born` to `end`, in `spot`."""
    if walkers.kind[a] == WAYPOINT:
        _stroll(walkers, a, born, end, spot)
    elif walkers.kind[a] == GAUSS_MARKOV:
        _drift(walkers, raster, a, born, end, spot)
    else:
        for t in range(born, end):
            for axis in range(2):
                spot[t, axis] = walkers.start[a, axis]
                if walkers.kind[a] == TRACE:
                    spot[t, axis] += walkers.way[walkers.trace[a], t - born, axis]


@kernel
def _stroll(walkers: Walkers, a: int, born: int, end: int, spot: FloatArray) -> None:
    """From destination to destination in straight lines, with a stay at each."""
    leg, x, y = walkers.leg[a], walkers.start[a, 0], walkers.start[a, 1]
    at, stay = 0, 0.0
    for t in range(born, end):
        left = 0.0 if t == born else 1.0
        for _ in range(len(leg)):
            pause = min(stay, left)
            stay -= pause
            left -= pause
            if left <= 0.0:
                break
            east, north = leg[at, 0] - x, leg[at, 1] - y
            far, reach = np.sqrt(east * east + north * north), walkers.speed[a] * left
            if far > reach:
                x, y = x + east * reach / far, y + north * reach / far
                break
            x, y, stay = leg[at, 0], leg[at, 1], leg[at, 2]
            left -= far / walkers.speed[a]
            at = (at + 1) % len(leg)
        spot[t, 0], spot[t, 1] = x, y


@kernel
def _drift(walkers: Walkers, raster: Raster, a: int, born: int, end: int, spot: FloatArray) -> None:
    """A velocity that remembers, in each of the two directions."""
    keep = walkers.memory[a]
    fresh = np.sqrt(1.0 - keep * keep) * walkers.speed[a]
    for axis in range(2):
        low = raster.corner[axis]
        high = low + raster.step * (raster.shape[1 - axis] - 1)
        place, velocity = walkers.start[a, axis], walkers.speed[a] * walkers.gust[born, a, axis]
        for t in range(born, end):
            if t > born:
                velocity = keep * velocity + fresh * walkers.gust[t, a, axis]
                place += velocity
            if high <= low:
                place = low
            while place < low or place > high:
                place = 2.0 * low - place if place < low else 2.0 * high - place
                velocity = -velocity
            spot[t, axis] = place


@kernel
def _point(raster: Raster, spot: FloatArray) -> int:
    """The raster's point nearest to a position."""
    column = int(np.floor((spot[0] - raster.corner[0]) / raster.step + 0.5))
    row = int(np.floor((spot[1] - raster.corner[1]) / raster.step + 0.5))
    column = min(max(column, 0), raster.shape[1] - 1)
    row = min(max(row, 0), raster.shape[0] - 1)
    return int(row * raster.shape[1] + column)


@kernel
def _chosen(heard: IntArray, signal: FloatArray, down: BoolArray, serving: int) -> int:
    """Index of the cell that serves among those heard, strongest first; -1 if none of them is alive."""
    best = -1
    for h in range(len(heard)):
        if down[heard[h]]:
            continue
        if best < 0:
            best = h
        if heard[h] == serving:
            return h if signal[h] + HYSTERESIS >= signal[best] else best
    return best
