"""An episode played with a policy: what the frames say is what was simulated, and it can be drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewright.agents import policies
from edgewright.emulation import film
from edgewright.emulation.demand.episode import Demand, episode
from edgewright.emulation.demand.settings import Failures
from edgewright.emulation.playing import Frame, play

PERIODS = 12


@pytest.fixture(scope="module")
def frames(world: Demand) -> list[Frame]:
    failures = Failures(share=0.2, period=6, repair=3)
    drawn = episode(world, seed=5, periods=PERIODS, failures=failures)
    return play(world, drawn, policies.create("heuristic"), seed=5)


def test_every_period_is_there_and_nodes_fail_and_return(frames: list[Frame]) -> None:
    assert len(frames) == PERIODS
    failed = [int(frame.down.sum()) for frame in frames]
    assert failed[:6] == [0] * 6
    assert min(failed[6:9]) > 0
    assert failed[9:] == [0] * 3
    assert all(frame.load[frame.down].max(initial=0.0) == 0.0 for frame in frames)


def test_the_policy_places_what_arrives(frames: list[Frame]) -> None:
    assert sum(len(frame.arrived) for frame in frames) > 0
    first, last = frames[0], frames[5]
    assert np.isfinite(last.ratio).mean() > np.isfinite(first.ratio).mean()
    assert all(0.0 <= frame.violation <= 1.0 for frame in frames)


def test_it_becomes_a_film_and_a_page(frames: list[Frame], world: Demand, tmp_path: Path) -> None:
    film.film(world.city, frames, str(tmp_path / "city.gif"), per_second=4, period=10.0)
    with Image.open(tmp_path / "city.gif") as found:
        assert getattr(found, "n_frames", 1) == PERIODS
    film.page(world.city, frames, str(tmp_path / "city.html"), period=10.0)
    text = (tmp_path / "city.html").read_text()
    assert "seconds: " in text
    assert "<script src=" not in text
