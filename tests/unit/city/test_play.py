"""An episode played with a policy: what the frames say is what was simulated, and it can be drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewright.agents import policies
from edgewright.core.problem import UNPLACED, Decision, Problem
from edgewright.emulation import film
from edgewright.emulation.causes import FAILURE, FILLED, WAITING
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


def test_what_is_late_has_a_cause(frames: list[Frame]) -> None:
    lost = np.concatenate([frame.late.sum(axis=1) for frame in frames])
    assert (lost <= 1.0 + 1e-9).all()
    assert (lost >= 0.0).all()
    for frame in frames:
        unserved = np.isinf(frame.latency)
        assert (frame.late[unserved][:, [WAITING, FAILURE]].sum(axis=1) == 1.0).all()
        assert not frame.late[~unserved][:, WAITING].any()
    assert frames[0].late[:, WAITING].any()
    assert any(frame.late[:, FAILURE].any() for frame in frames[6:9])


def test_replicas_follow_their_users(world: Demand) -> None:
    drawn = episode(world, seed=5, periods=36)
    moved = play(world, drawn, policies.create("heuristic"), seed=5)
    stayed = play(world, drawn, Stubborn(), seed=5)
    a, b = (np.mean([frame.violation for frame in frames[FILLED:]]) for frames in (moved, stayed))
    assert a < b


class Stubborn:
    """The heuristic, but it never moves what is placed."""

    name = "stubborn"

    def place(self, problem: Problem, *, seconds: float) -> Decision:
        if (problem.fixed != UNPLACED).any():
            return Decision(problem.fixed, self.name, np.inf)
        return policies.create("heuristic").place(problem, seconds=seconds)


def test_it_becomes_a_film_and_a_page(frames: list[Frame], world: Demand, tmp_path: Path) -> None:
    film.film(world.city, frames, str(tmp_path / "city.gif"), per_second=4, period=10.0)
    with Image.open(tmp_path / "city.gif") as found:
        assert getattr(found, "n_frames", 1) == PERIODS
    film.page(world.city, frames, str(tmp_path / "city.html"), period=10.0)
    text = (tmp_path / "city.html").read_text()
    assert "seconds: " in text
    assert "<script src=" not in text
