"""A day of requests in virtual time: delays, losses, measured load, bursts, metrics."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.unit.gateway.builders import KEY, dag, lease, picture, pod

from edgewright.core.evaluate import Evaluator
from edgewright.core.problem import UNPLACED, Prediction, Problem, World
from edgewright.core.scenarios import STATUS
from edgewright.core.substrate import FloatArray
from edgewright.emulation.gateway import exposition
from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.exposition import MOST_DAGS
from edgewright.emulation.gateway.picture import Picture, Scene
from edgewright.emulation.gateway.plane import Plane
from edgewright.emulation.gateway.timers import Timers

PLACED = (pod("decode", "n1"), pod("render", "n2"))
PATH = b"/city/overlay"


class Town:
    """A gateway in virtual time, and someone who asks it."""

    def __init__(self, made: Picture) -> None:
        self.made, self.timers, self.plane = made, Timers(), Plane(seed=1)
        self.plane.show(made.scene())
        self.desk = Desk(self.plane, self.timers)
        self.answers: list[tuple[float, str]] = []
        """(seconds after the request, whole text)."""

    def ask(self, path: bytes = PATH) -> None:
        began = self.timers.now()
        self.desk.request(path, lambda text: self.answers.append((self.timers.now() - began, text.decode())))

    def traffic(self, rate: float, seconds: float) -> None:
        """Poisson arrivals, and time for the last answers."""
        chance = np.random.default_rng(2)
        end = self.timers.now() + seconds
        while True:
            self.timers.advance(float(chance.exponential(1 / rate)))
            if self.timers.now() >= end:
                return
            self.ask()

    def change(self) -> None:
        self.plane.show(self.made.scene())

    def status(self) -> dict[str, int]:
        words = [text.split(" ", 2)[1] for _, text in self.answers]
        return {word: words.count(word) for word in sorted(set(words))}

    def latencies(self) -> FloatArray:
        return np.array([taken for taken, text in self.answers if " 200 OK" in text])

    def metrics(self) -> dict[str, float]:
        text = "".join(exposition.exposition(self.desk))
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture
def town() -> Iterator[Town]:
    yield Town(picture(pods=PLACED))


def predicted(scene: Scene, rate: float) -> Prediction:
    """What core predicts of the placement when `rate` requests come."""
    placed = scene.services[KEY].placed
    assert placed is not None
    assert scene.substrate is not None
    assert rate == placed.dag.demand.rate
    world = World(scene.substrate, np.zeros_like(scene.substrate.capacity))
    allowed = np.ones((len(placed.stage), len(scene.substrate.nodes)), bool)
    fixed = np.full(len(placed.stage), UNPLACED, np.int32)
    problem = Problem(world, placed.dag, placed.stage, fixed, allowed)
    return Evaluator(problem, STATUS).evaluate(placed.node).one()


def test_requests_take_as_long_as_core_predicts_for_the_load_that_comes() -> None:
    town = Town(picture(pods=PLACED, manifest=dag(rate=300.0)))
    town.traffic(300.0, 5.0)
    town.answers.clear()
    town.traffic(300.0, 60.0)
    town.timers.advance(2.0)
    expected = predicted(town.made.scene(), 300.0)
    found = town.latencies()
    assert len(found) > 17_000
    assert found.mean() == pytest.approx(expected.mean, rel=0.05)
    assert np.percentile(found, 95) == pytest.approx(expected.percentile, rel=0.1)


def test_the_same_answers_in_the_same_virtual_time() -> None:
    one, other = Town(picture(pods=PLACED)), Town(picture(pods=PLACED))
    for each in (one, other):
        each.traffic(50.0, 20.0)
        each.timers.advance(2.0)
    assert one.answers == other.answers
    assert len(one.answers) > 800


def test_the_measured_load_counts_and_not_the_declared_demand() -> None:
    town = Town(picture(pods=PLACED, manifest=dag(rate=500.0)))
    town.traffic(5.0, 60.0)
    quiet = town.latencies().mean()
    town.answers.clear()
    town.traffic(3_000.0, 10.0)  # three quarters of the node that renders
    line = town.plane.lines[KEY]
    assert line.rate == pytest.approx(3_000.0, rel=0.1)
    assert town.latencies().mean() > 1.15 * quiet
    town.timers.advance(20.0)
    assert line.rate == 0.0
    assert not town.plane.rho.any()


def test_a_burst_leaves_a_queue_behind_that_drains() -> None:
    town = Town(picture(pods=PLACED))
    town.traffic(20.0, 20.0)
    before = town.latencies().mean()
    town.traffic(10_000.0, 2.0)  # the node that renders can do 4,000
    assert town.plane.rho.max() > 1.5
    assert town.plane.backlog.max() > 0.5
    town.answers.clear()
    town.timers.advance(0.5)
    town.ask()
    town.timers.advance(2.0)
    after, _ = town.answers[-1]
    assert after > 10 * before
    town.timers.advance(30.0)
    assert not town.plane.backlog.any()


def test_what_waits_longer_than_a_second_is_given_up() -> None:
    town = Town(picture(pods=PLACED))
    town.traffic(6_000.0, 6.0)
    town.timers.advance(2.0)
    late = [(taken, text) for taken, text in town.answers if " 504 " in text]
    assert len(late) > 1_000
    assert all(taken == pytest.approx(1.0) for taken, _ in late)
    assert '"outcome": "lost"' in late[0][1]
    assert max(taken for taken, _ in town.answers) <= 1.0 + 1e-9


def test_requests_to_a_dead_node_are_lost_until_the_replica_is_elsewhere(town: Town) -> None:
    town.traffic(50.0, 5.0)
    town.timers.advance(1.5)
    assert town.status() == {"200": len(town.answers)}
    town.made.lease_changed("n2", lease())
    town.change()
    town.answers.clear()
    town.traffic(50.0, 5.0)
    town.timers.advance(1.5)
    assert town.status() == {"504": len(town.answers)}
    town.made.pod_changed(None, pod("render", "n3", name="render-1"))
    town.change()
    town.answers.clear()
    town.traffic(50.0, 20.0)
    town.timers.advance(1.5)
    lost = town.status()["504"] / len(town.answers)
    assert lost == pytest.approx(0.5, abs=0.08)  # the Service still sends half of them to the dead one
    assert all(("render=n2/" in text) == (" 504 " in text) for _, text in town.answers)
    town.made.pod_changed(PLACED[1], None)
    town.change()
    town.answers.clear()
    town.traffic(50.0, 5.0)
    town.timers.advance(1.5)
    assert town.status() == {"200": len(town.answers)}
    assert all("edgewright-placement: 3\r\n" in text for _, text in town.answers)
    assert all("edgewright-route: decode=n1/decode-0;render=n3/render-1\r\n" in t for _, t in town.answers)


def test_the_delay_in_the_header_is_the_delay(town: Town) -> None:
    town.traffic(20.0, 5.0)
    town.timers.advance(2.0)
    for taken, text in town.answers:
        header = next(line for line in text.split("\r\n") if line.startswith("edgewright-delay-ms: "))
        assert float(header.split()[1]) / 1e3 == pytest.approx(taken, abs=1e-6)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (b"/city/nothing", "no ServiceDAG 'nothing' in namespace 'city'"),
        (b"/city/", "must be /NAMESPACE/NAME"),
        (b"nonsense/a/b", "must be /NAMESPACE/NAME"),
        (b"/\xff\xfe/<script>", "no ServiceDAG '<script>'"),
    ],
)
def test_an_unknown_dag_is_said_at_once(town: Town, path: bytes, word: str) -> None:
    town.ask(path)
    ((taken, text),) = town.answers
    assert taken == 0.0
    assert text.startswith("HTTP/1.1 404 Not Found\r\n")
    assert word in text
    assert (
        town.metrics()['edgewright_requests_total{namespace="city",servicedag="overlay",outcome="failed"}']
        == 0
    )


def test_more_path_and_a_query_do_not_matter(town: Town) -> None:
    for path in (PATH + b"/frames/7", PATH + b"?user=3"):
        town.ask(path)
    town.timers.advance(2.0)
    assert town.status() == {"200": 2}


def test_a_dag_that_is_not_placed_says_why() -> None:
    town = Town(picture(pods=PLACED[:1]))
    town.ask()
    ((taken, text),) = town.answers
    assert taken == 0.0
    assert text.startswith("HTTP/1.1 503 Service Unavailable\r\n")
    assert "ServiceDAG city/overlay is not served: 1 of 2 microservices have no ready replica" in text
    found = town.metrics()
    labels = 'namespace="city",servicedag="overlay"'
    assert found[f'edgewright_requests_total{{{labels},outcome="failed"}}'] == 1
    assert found[f"edgewright_request_duration_seconds_count{{{labels}}}"] == 0


def test_metrics_count_every_request_and_every_transfer_once(town: Town) -> None:
    town.traffic(80.0, 10.0)
    town.timers.advance(2.0)
    asked, labels = len(town.answers), 'namespace="city",servicedag="overlay"'
    for _ in range(2):  # looking does not change them
        found = town.metrics()
        assert found[f'edgewright_requests_total{{{labels},outcome="ok"}}'] == asked
        assert found[f"edgewright_request_duration_seconds_count{{{labels}}}"] == asked
        assert found[f'edgewright_request_duration_seconds_bucket{{{labels},le="+Inf"}}'] == asked
        assert found[f"edgewright_request_duration_seconds_sum{{{labels}}}"] == pytest.approx(
            town.latencies().sum()
        )
        inner = f'{labels},invocation="decode/render"'
        assert found[f"edgewright_invocation_duration_seconds_count{{{inner}}}"] == asked
        within = [value for name, value in found.items() if f"_bucket{{{inner}" in name]
        assert within == sorted(within)
        assert found["edgewright_gateway_lateness_seconds_count"] == asked
    # A transfer is a part of the request.
    whole = found[f"edgewright_request_duration_seconds_sum{{{labels}}}"]
    assert 0.0 < found[f"edgewright_invocation_duration_seconds_sum{{{inner}}}"] < whole


def test_the_number_of_series_is_bounded() -> None:
    made = picture(pods=PLACED)
    for i in range(MOST_DAGS + 5):
        made.dag_changed(("flood", f"dag-{i:04d}"), dag())
    found = Town(made).metrics()
    labels = {name.split("{")[1] for name in found if name.startswith("edgewright_requests_total")}
    assert len(labels) == 2 * MOST_DAGS
    assert found["edgewright_gateway_series_left_out"] == 6


def test_a_dag_that_went_leaves_no_series(town: Town) -> None:
    town.traffic(20.0, 2.0)
    town.made.dag_changed(KEY, None)
    town.change()
    town.timers.advance(2.0)  # what is under way still ends
    assert not any("overlay" in name for name in town.metrics())
    town.answers.clear()
    town.ask()
    assert town.status() == {"404": 1}
