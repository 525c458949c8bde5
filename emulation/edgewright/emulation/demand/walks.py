"""How groups of users move in steps of one period, and which cell serves them: one kernel for all groups."""

import numpy as np

from edgewright.core.kernel import entry, kernel
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

HYSTERESIS = 3.0
"""dB by which another cell must be stronger before a group is handed over."""
STATIC, WAYPOINT, GAUSS_MARKOV, TRACE = range(4)


@entry
def walk(
    period: float,
    kind: IntArray,
    speed: FloatArray,
    memory: FloatArray,
    born: IntArray,
    ends: IntArray,
    x: FloatArray,
    y: FloatArray,
    leg: FloatArray,
    gust: FloatArray,
    way: FloatArray,
    corner: FloatArray,
    step: float,
    shape: IntArray,
    heard: IntArray,
    signal: FloatArray,
    rate: FloatArray,
    lift: FloatArray,
    down: BoolArray,
    cell: IntArray,
    cell_rate: FloatArray,
) -> None:
    """Fill `cell` and `cell_rate` (T, A) of A groups, each from its `born` to its `ends` and constant outside.

    `kind` (A,): STATIC stays at (x, y); WAYPOINT goes straight to the destinations `leg` (A, L, 3) = (x, y, pause
    in periods), from the first again after the last; GAUSS_MARKOV has velocity v <- memory v + sqrt(1 - memory^2)
    speed gust, `gust` (T, A, 2), and bounces at the raster's edge; TRACE follows `way` (A, T, 2), as far as it is
    long. The raster is a Coverage's: `heard`, `signal`, `rate` (G, H). A group keeps its cell until another is
    HYSTERESIS stronger, or its node is `down` (T, N); its rate is at least `lift` (A,) bit/s, and 0 where nothing
    that it hears is alive.
    """
    T = len(cell)
    for a in range(len(kind)):
        u = v = 0.0
        if kind[a] == GAUSS_MARKOV:
            u, v = speed[a] * gust[0, a, 0], speed[a] * gust[0, a, 1]
        at, rest, serving = 0, 0.0, -1
        px, py = x[a], y[a]
        for t in range(born[a], min(ends[a], T)):
            if t > born[a]:
                if kind[a] == GAUSS_MARKOV:
                    keep, fresh = memory[a], np.sqrt(1.0 - memory[a] * memory[a])
                    u = keep * u + fresh * speed[a] * gust[t, a, 0]
                    v = keep * v + fresh * speed[a] * gust[t, a, 1]
                    px, u = _bounce(px + period * u, u, corner[0], corner[0] + step * (shape[1] - 1))
                    py, v = _bounce(py + period * v, v, corner[1], corner[1] + step * (shape[0] - 1))
                elif kind[a] == WAYPOINT:
                    left = 1.0
                    for _ in range(len(leg[a])):
                        if rest >= left:
                            rest -= left
                            left = 0.0
                            break
                        left -= rest
                        rest = 0.0
                        dx, dy = leg[a, at, 0] - px, leg[a, at, 1] - py
                        far = np.sqrt(dx * dx + dy * dy)
                        reach = speed[a] * period * left
                        if far > reach:
                            px, py = px + dx * reach / far, py + dy * reach / far
                            break
                        px, py = leg[a, at, 0], leg[a, at, 1]
                        left -= far / (speed[a] * period)
                        rest = leg[a, at, 2]
                        at = (at + 1) % len(leg[a])
                elif kind[a] == TRACE:
                    px, py = way[a, t - born[a], 0], way[a, t - born[a], 1]
            column = min(max(int((px - corner[0]) / step + 0.5), 0), shape[1] - 1)
            row = min(max(int((py - corner[1]) / step + 0.5), 0), shape[0] - 1)
            point = row * shape[1] + column
            chosen = _chosen(heard[point], signal[point], down[t], serving)
            if chosen < 0:
                cell[t, a] = heard[point, 0] if serving < 0 else serving
                cell_rate[t, a] = 0.0
            else:
                serving = heard[point, chosen]
                cell[t, a], cell_rate[t, a] = serving, max(rate[point, chosen], lift[a])
        last = min(ends[a], T) - 1
        for t in range(born[a]):
            cell[t, a], cell_rate[t, a] = cell[born[a], a], cell_rate[born[a], a]
        for t in range(last + 1, T):
            cell[t, a], cell_rate[t, a] = cell[last, a], cell_rate[last, a]


@kernel
def _bounce(place: float, velocity: float, low: float, high: float) -> tuple[float, float]:
    """A place that left [low, high] is reflected at the border, and so is its velocity."""
    while place < low or place > high:
        place = 2.0 * low - place if place < low else 2.0 * high - place
        velocity = -velocity
    return place, velocity


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
