"""The detector against simulated clocks: it must find dead nodes quickly and never accuse a living one."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agents.node_loss import Detector, Flapping, Verdict


@dataclass
class Fleet:
    """Nodes that renew their Leases, an API server that may be away, and the detector that watches.

    `delay` gives the interval before a node's next renewal, `away` whether the server answers at a time.
    """

    nodes: int
    interval: float
    seed: int = 0
    delay: Callable[[random.Random, float], float] = lambda rng, interval: interval * rng.uniform(1.0, 1.04)
    away: Callable[[float], bool] = lambda now: False
    refused: bool = True
    """Whether a server that is away refuses connections (else it hangs, and nobody is told)."""
    skew: float = 0.0
    detector: Detector = field(default_factory=Detector)
    cut: dict[str, float] = field(default_factory=dict)
    taken_over: bool = False
    """Whether the cut writes the Lease once, as another holder."""
    accused: dict[str, float] = field(default_factory=dict)
    suspended: int = 0

    def run(self, seconds: float) -> "Fleet":
        rng = random.Random(self.seed)
        names = [f"node-{i}" for i in range(self.nodes)]
        clocks = {name: rng.uniform(-self.skew, self.skew) for name in names}
        events: list[tuple[float, str]] = [(rng.uniform(0, self.interval), name) for name in names]
        events.append((0.0, "probe"))
        heapq.heapify(events)
        for name in names:
            self.detector.seen(name, "listed", 0.0)
        while events and events[0][0] < seconds:
            now, who = heapq.heappop(events)
            if who == "probe":
                self._probe(now, names)
                heapq.heappush(events, (now + self.detector.probe_period, "probe"))
            elif now < self.cut.get(who, float("inf")):
                if self.away(now):
                    heapq.heappush(events, (now + min(1.0, 0.1 * self.interval), who))
                    continue
                self.detector.seen(who, f"{now + clocks[who]:.6f}", now)
                heapq.heappush(events, (now + self.delay(rng, self.interval), who))
            elif self.taken_over:
                self.detector.seen(who, "taken over", now)
        return self

    def _probe(self, now: float, names: list[str]) -> None:
        if self.away(now):
            if self.refused:
                self.detector.broken()
            return
        self.detector.proven(now)
        verdict = self.detector.judge(names)
        self.suspended += verdict.suspended
        if not verdict.suspended:
            for node in verdict.silent:
                self.accused.setdefault(node, now)

    @property
    def false(self) -> set[str]:
        return {node for node, at in self.accused.items() if at < self.cut.get(node, float("inf"))}


def late_renewals(share: float, intervals: float) -> Callable[[random.Random, float], float]:
    def delay(rng: random.Random, interval: float) -> float:
        late = rng.random() < share
        return interval * (intervals if late else rng.uniform(1.0, 1.04))

    return delay


@pytest.mark.parametrize("interval", [1.0, 10.0])
@given(seed=st.integers(0, 10_000), refused=st.booleans(), start=st.floats(0, 120), length=st.floats(1, 45))
@settings(max_examples=25, deadline=None)
def test_an_api_outage_evicts_nobody(
    interval: float, seed: int, refused: bool, start: float, length: float
) -> None:
    fleet = Fleet(40, interval, seed, away=lambda now: start <= now < start + length, refused=refused)
    assert fleet.run(start + length + 60).accused == {}


@pytest.mark.parametrize("interval", [1.0, 10.0])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_fifth_of_renewals_delayed_to_1_8_intervals_evicts_nobody(interval: float, seed: int) -> None:
    fleet = Fleet(40, interval, seed, delay=late_renewals(0.2, 1.8))
    assert fleet.run(40 * interval).accused == {}


@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.25))
@settings(max_examples=15, deadline=None)
def test_a_machine_that_starves_after_a_loss_evicts_only_the_dead(seed: int, share: float) -> None:
    """From the cut on every renewal comes late, many of them by more than two intervals."""
    at, nodes = 15.0, 80
    fleet = Fleet(nodes, 1.0, seed, cut={f"node-{i}": at for i in range(int(share * nodes))})
    clock = {"now": 0.0}

    def starved(rng: random.Random, interval: float) -> float:
        return interval * (rng.uniform(1.2, 2.6) if clock["now"] > at + 2.0 else rng.uniform(1.0, 1.04))

    def away(now: float) -> bool:
        clock["now"] = now
        return False

    fleet.delay, fleet.away = starved, away
    fleet.run(at + 15.0)
    assert fleet.false == set()
    assert set(fleet.accused) == set(fleet.cut)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_wrong_verdict_is_a_lesson(seed: int) -> None:
    """One renewal in ten comes 3.5 intervals late, too few at once to look like congestion."""
    at = 15.0
    fleet = Fleet(40, 1.0, seed)
    clock = {"now": 0.0}

    def limping(rng: random.Random, interval: float) -> float:
        late = clock["now"] > at and rng.random() < 0.1
        return interval * (3.5 if late else rng.uniform(1.0, 1.04))

    def away(now: float) -> bool:
        clock["now"] = now
        return False

    fleet.delay, fleet.away = limping, away
    fleet.run(at + 40.0)
    assert len(fleet.accused) <= 0.65 * fleet.nodes  # without the lesson it is nine in ten


@given(seed=st.integers(0, 10_000), skew=st.floats(0, 60))
@settings(max_examples=15, deadline=None)
def test_clock_skew_evicts_nobody(seed: int, skew: float) -> None:
    assert Fleet(40, 10.0, seed, skew=skew).run(300).accused == {}


@pytest.mark.parametrize(
    ("interval", "limit", "least", "most"),
    [(1.0, 4.0, 0.01, 0.28), (10.0, 23.0, 0.01, 0.28), (1.0, 6.0, 0.3, 0.5), (10.0, 45.0, 0.3, 0.5)],
)
@given(seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=15, deadline=None)
def test_dead_nodes_are_found_in_time_and_only_they(
    interval: float, limit: float, least: float, most: float, seed: int, data: st.DataObject
) -> None:
    share = data.draw(st.floats(least, most))
    dead = max(1, int(share * 60))
    at = 12 * interval
    fleet = Fleet(60, interval, seed, cut={f"node-{i}": at for i in range(dead)}).run(at + 6 * interval)
    assert fleet.false == set()
    assert set(fleet.accused) == set(fleet.cut)
    assert max(fleet.accused.values()) - at <= limit


@given(seed=st.integers(0, 10_000), share=st.floats(0.6, 1.0), interval=st.sampled_from([1.0, 10.0]))
@settings(max_examples=20, deadline=None)
def test_a_region_that_falls_silent_together_is_left_alone(seed: int, share: float, interval: float) -> None:
    dead = int(share * 50)
    fleet = Fleet(50, interval, seed, cut={f"node-{i}": 12 * interval for i in range(dead)})
    fleet.run(20 * interval)
    assert fleet.accused == {}
    assert fleet.suspended > 0


def test_a_lease_taken_over_once_is_a_silent_node() -> None:
    """The cut: another holder, a fresh renewTime, a long duration, and then nothing."""
    fleet = Fleet(20, 1.0, cut={"node-3": 15.0}, taken_over=True).run(22.0)
    assert set(fleet.accused) == {"node-3"}


def test_a_stalled_process_accuses_nobody() -> None:
    """Nothing is probed for 20 s because our own event loop stood still; the queued renewals come after."""
    fleet = Fleet(20, 1.0, away=lambda now: 20.0 <= now < 40.0, refused=False)
    assert fleet.run(60.0).accused == {}


def test_a_dead_node_is_found_again_by_a_new_leader_that_never_saw_it_renew() -> None:
    fleet = Fleet(20, 10.0, cut={"node-7": 0.0})
    fleet.run(80.0)
    assert set(fleet.accused) == {"node-7"}
    assert fleet.accused["node-7"] < 35.0


def test_a_node_without_a_lease_is_not_judged() -> None:
    detector = Detector()
    detector.proven(0.0)
    assert detector.judge(["unknown"]) == Verdict(frozenset(), suspended=False, late=0)


def test_a_flapping_node_is_backed_off_ever_longer_and_forgiven() -> None:
    flapping, pauses, now = Flapping(), [], 0.0
    for _ in range(5):
        flapping.lost("n", now)
        assert flapping.closed(now + 1) == {"n"}
        pauses.append(flapping.returned("n", now + 5))
        now += 6
    assert pauses == [0.0, 10.0, 20.0, 40.0, 80.0]
    assert flapping.closed(now + 100) == frozenset()
    flapping.lost("n", now + 5000)
    assert flapping.returned("n", now + 5005) == 0.0


def test_losing_a_node_twice_without_a_return_counts_once() -> None:
    flapping = Flapping()
    flapping.lost("n", 0.0)
    flapping.lost("n", 1.0)
    assert flapping.returned("n", 2.0) == 0.0
    assert flapping.next_opening(2.0) is None
