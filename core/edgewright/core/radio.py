"""Which cell serves a user and how fast: link budgets of the radio bands that nodes offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.core.service import Ingress
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.core.units import GBPS

LINE_OF_SIGHT = 250.0
"""Metres up to which a user sees the mast ([MAPPO] 'Environment setup'); beyond, buildings shadow."""
BUILT_UP = 100.0
"""The same in directions that buildings close (the reach without line of sight of [MAPPO])."""
SIDE_LOBE = -20.0
"""dB by which a beam is weaker where it does not point: what neighbouring cells' users do not want reaches
us."""
WITHIN_CELL = 50.0
"""Metres assumed between a user and the mast where only the cell is known (`Ingress.node`)."""
IMMERSIVE_RATE = 5 * GBPS
"""Least rate of an immersive user: operators serve such users with a beam of their own."""
OVERHEAD = 0.75
"""Share of the airtime that carries data (the rest: reference signals, control, guard periods)."""
INTERFERENCE_LIMIT = 25.0
"""Largest signal-to-interference ratio in dB, however near the mast: neighbours always leak."""
BEST_EFFICIENCY = 7.4
"""Bit/s/Hz per layer of 256-QAM at code rate 0.925, the highest that 5G New Radio defines."""


@dataclass(frozen=True, slots=True)
class Band:
    """One radio band of a small cell, with common deployment figures."""

    carrier: float
    """GHz."""
    bandwidth: float
    """Hz."""
    layers: int
    """Spatial streams to one user."""
    power: float
    """dBm radiated towards the user, plus the user's antenna gain in dB."""
    noise_figure: float
    """dB of the receiver."""


BANDS = {
    "sub6": Band(carrier=3.5, bandwidth=100e6, layers=4, power=63.0, noise_figure=7.0),
    "mmw": Band(carrier=28.0, bandwidth=800e6, layers=2, power=70.0, noise_figure=7.0),
    "thz": Band(carrier=140.0, bandwidth=4e9, layers=2, power=75.0, noise_figure=10.0),
}


def received(band: Band, distance: Any, line_of_sight: Any = LINE_OF_SIGHT) -> Any:
    """Signal at `distance` metres in dB above the receiver's noise; arrays of any shape, or numbers.

    Urban-micro path loss of 3GPP TR 38.901 (Table 7.4.1-1): with line of sight up to `line_of_sight` metres,
    beyond it without.
    """
    slope = np.where(np.asarray(distance) <= line_of_sight, 21.0, 31.9)
    loss = 32.4 + slope * np.log10(np.maximum(distance, 10.0)) + 20.0 * np.log10(band.carrier)
    noise = -174.0 + 10.0 * np.log10(band.bandwidth) + band.noise_figure
    return band.power - loss - noise


def noise_rise(band: Band, distances: FloatArray, activity: float) -> float:
    """dB by which masts of the same band at `distances` metres raise a receiver's noise.

    Each sends for `activity` of the time, in beams that point elsewhere (SIDE_LOBE), and is seen as far as
    any.
    """
    power = 10.0 ** ((received(band, distances) + SIDE_LOBE) / 10.0)
    return float(10.0 * np.log10(1.0 + activity * power.sum()))


def band_rate(band: Band, distance: Any, *, line_of_sight: Any = LINE_OF_SIGHT, rise: Any = 0.0) -> Any:
    """Bit/s of one user alone in the cell at `distance` metres; arrays of any shape, or numbers.

    Shannon rate at the signal-to-noise ratio of `received`, lowered by `rise` dB of interference, bounded by
    leakage of the neighbours (INTERFERENCE_LIMIT) and by modulation.
    """
    snr = np.minimum(received(band, distance, line_of_sight) - rise, INTERFERENCE_LIMIT)
    efficiency = np.minimum(np.log2(1.0 + 10.0 ** (snr / 10.0)), BEST_EFFICIENCY)
    return OVERHEAD * band.bandwidth * band.layers * efficiency


def cell_rate(
    bands: frozenset[str],
    distance: float,
    *,
    immersive: bool = False,
    rise: Mapping[str, float] | None = None,
) -> float:
    """Bit/s of a user at `distance` metres in a cell with `bands`: the best band serves it.

    `rise`: dB of interference per band (`Node.interference`). Raises KeyError for an unknown band, ValueError
    for none.
    """
    rise = rise or {}
    rate = max(float(band_rate(BANDS[name], distance, rise=rise.get(name, 0.0))) for name in bands)
    return max(rate, IMMERSIVE_RATE) if immersive else rate


def serving_cell(substrate: Substrate, ingress: Ingress) -> tuple[int, float] | None:
    """Index of the node whose cell the users of `ingress` use, and their distance to it in metres.

    A location uses the nearest node with a radio profile; a node name is that node (with no radio profile its
    users are wired to it); neither means users all over the region, represented by the most central cell.
    Where the named site is dead, its users use the nearest living cell. None when the node is unknown or no
    node has a cell.
    """
    location = ingress.location
    if ingress.node is not None:
        index = substrate.index.get(ingress.node)
        if index is None:
            return None
        named = substrate.nodes[index]
        if named.serving or named.location is None:
            return index, WITHIN_CELL
        location = named.location
    cells, sites = substrate.cells
    if not len(cells):
        return None
    if np.isnan(sites).all():
        return int(cells[0]), WITHIN_CELL
    point = np.nanmean(sites, axis=0) if location is None else np.array(location)
    distance = np.hypot(*(sites - point).T)
    nearest = int(np.nanargmin(distance))
    return int(cells[nearest]), WITHIN_CELL if location is None else float(distance[nearest])


def attachment(substrate: Substrate, ingress: Ingress, *, immersive: bool) -> tuple[int, float, float] | None:
    """(node index of the cell, bit/s, seconds of delay) of users; no limit and no delay where they are wired.

    The rate is `ingress.rate`, or what their distance allows. None as `serving_cell`.
    """
    serving = serving_cell(substrate, ingress)
    if serving is None:
        return None
    cell, distance = serving
    node = substrate.nodes[cell]
    if not node.radio:
        return cell, np.inf, 0.0
    rate = ingress.rate
    if rate is None:
        rate = cell_rate(node.radio, distance, immersive=immersive, rise=node.interference)
    return cell, rate, node.latency[1]
