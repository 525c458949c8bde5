"""Groups of users move as their mover says, and are handed over when another cell is clearly stronger."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.demand import traces, walks
from edgewright.emulation.demand.walks import Raster, Walkers
from edgewright.emulation.fields import ScenarioError

SIDE = 21
"""Points of a street, 10 m apart, with a mast at either end: nodes 4 and 9."""


def street() -> Raster:
    x = 10.0 * np.arange(SIDE)
    strength = np.stack([60.0 - x / 10.0, 60.0 - (200.0 - x) / 10.0], axis=1)
    order = np.argsort(-strength, axis=1, kind="stable")
    heard = np.array([4, 9], np.int32)[order]
    signal = np.take_along_axis(strength, order, axis=1)
    return Raster(np.zeros(2), 10.0, np.array([1, SIDE], np.int32), heard, signal, signal * 1e6)


def walkers(kind: int, groups: int = 1, periods: int = 60, **fields: Any) -> Walkers:
    default = Walkers(
        kind=np.full(groups, kind, np.int32),
        speed=np.full(groups, 10.0),
        memory=np.full(groups, 0.8),
        born=np.zeros(groups, np.int32),
        ends=np.full(groups, periods, np.int32),
        start=np.zeros((groups, 2)),
        leg=np.tile(np.array([[200.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), (groups, 1, 1)),
        gust=np.random.default_rng(1).standard_normal((periods, groups, 2)),
        way=np.zeros((1, periods, 2)),
        trace=np.zeros(groups, np.int32),
        lift=np.zeros(groups),
    )
    return default._replace(**fields)


def walked(
    given: Walkers, periods: int = 60, down: BoolArray | None = None
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Cells and rates (T, A), and the positions (T, 2) of the last group."""
    cell = np.full((periods, len(given.kind)), -7, np.int32)
    rate, spot = np.full(cell.shape, np.nan), np.zeros((periods, 2))
    walks.walk(given, street(), np.zeros((periods, 10), np.bool_) if down is None else down, spot, cell, rate)
    return cell, rate, spot


def test_who_stays_keeps_the_cell() -> None:
    cell, rate, _ = walked(walkers(walks.STATIC))
    assert (cell == 4).all()
    assert (rate == 60e6).all()


def test_a_walk_goes_to_its_destinations_and_back_at_its_speed() -> None:
    _, _, spot = walked(walkers(walks.WAYPOINT))
    assert np.allclose(np.abs(np.diff(spot[:, 0])), 10.0)
    assert spot[20, 0] == 200.0
    assert spot[40, 0] == 0.0


def test_a_stay_at_a_destination() -> None:
    leg = np.array([[[200.0, 0.0, 5.0], [0.0, 0.0, 5.0]]])
    _, _, spot = walked(walkers(walks.WAYPOINT, leg=leg))
    assert (spot[20:26, 0] == 200.0).all()
    assert spot[26, 0] == 190.0


def test_handover_waits_for_a_clearly_stronger_cell() -> None:
    cell, _, spot = walked(walkers(walks.WAYPOINT))
    there, back = cell[:21, 0], cell[20:41, 0]
    # The cells are equally strong at 100 m; 3 dB apart, at 1 dB per 10 m, 15 m further on.
    assert spot[np.argmax(there == 9), 0] == 120.0
    assert spot[20 + np.argmax(back == 4), 0] == 80.0


def test_who_drives_turns_at_the_border_and_has_its_speed_on_average() -> None:
    gust = np.random.default_rng(2).standard_normal((4000, 1, 2)) / np.sqrt(np.pi / 2)
    given = walkers(walks.GAUSS_MARKOV, periods=4000, gust=gust, speed=np.array([8.0]))
    _, _, spot = walked(given, 4000)
    assert spot[:, 0].min() >= 0
    assert spot[:, 0].max() <= 200
    steps = np.abs(np.diff(spot[:, 0]))
    # Of two directions each has a mean step of speed x sqrt(2 / pi) / sqrt(pi / 2); turns shorten some.
    assert steps.mean() == pytest.approx(8.0 * 2 / np.pi, rel=0.1)


def test_a_trace_is_followed_from_where_the_group_is() -> None:
    way = np.stack([np.arange(60.0) * 2, np.zeros(60)], axis=1)[None]
    given = walkers(walks.TRACE, way=way, start=np.array([[30.0, 0.0]]), born=np.array([10], np.int32))
    _, _, spot = walked(given)
    assert spot[10, 0] == 30.0
    assert spot[59, 0] == 30.0 + 2 * 49


def test_a_dead_cell_serves_nobody() -> None:
    down = np.zeros((60, 10), np.bool_)
    down[20:40, 4] = True
    down[30:35, 9] = True
    cell, rate, _ = walked(walkers(walks.STATIC), down=down)
    assert (cell[:20] == 4).all()
    assert (cell[20:40] == 9).all()
    assert (cell[40:] == 4).all()
    assert (rate[30:35] == 0).all()
    assert (rate[:30] > 0).all()


def test_values_outside_a_life_are_the_first_and_the_last() -> None:
    cell, rate, _ = walked(
        walkers(walks.WAYPOINT, born=np.array([5], np.int32), ends=np.array([25], np.int32))
    )
    assert (cell[:5] == cell[5]).all()
    assert (cell[25:] == cell[24]).all()
    assert np.isfinite(rate).all()


HEAD = "id,seconds,x,y\n"


def test_traces_are_interpolated_from_where_they_begin(tmp_path: Path) -> None:
    file = tmp_path / "taxis.csv"
    file.write_text(HEAD + "a,0,100,50\nb,7,0,0\na,20,140,50\na,40,140,90\nb,8,1,1\n")
    found = traces.read(str(file), 10.0)
    assert found.length.tolist() == [5]
    assert found.step[0].tolist() == [[0, 0], [20, 0], [40, 0], [40, 20], [40, 40]]


def test_traces_in_degrees_become_metres(tmp_path: Path) -> None:
    file = tmp_path / "taxis.csv"
    file.write_text("taxi,time,lat,lon\na,0,-37.8,144.9\na,10,-37.799,144.901\n")
    step = traces.read(str(file), 10.0).step[0, 1]
    assert step == pytest.approx([111.195 * np.cos(np.radians(37.8)), 111.195])


def test_a_trace_that_lasts_for_ages_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "slow.csv"
    file.write_text(HEAD + "a,0,0,0\na,1e13,1,1\n")
    assert traces.read(str(file), 10.0).length.tolist() == [traces.LONGEST]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs the columns"),
        ("id,x,y\n", "it has id, x, y"),
        (HEAD, "no trajectory of at least 20 seconds"),
        (HEAD + "a,0,1\n", "row 2: no id, time and position"),
        (HEAD + "a,0,1,nan\n", "row 2: .* is not finite"),
        (HEAD + "a,5,1,1\na,5,1,1\n", "row 3: time 5 of a is not after 5"),
    ],
)
def test_wrong_traces_are_refused_by_row(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        traces.read(str(file), 10.0)
