"""Kubelets that refuse pods: nodes close for a shape, replicas are counted through their replacements."""

import pytest

from edgewright.agents.groups import Replica
from edgewright.agents.rejections import LIMIT, RETRY, Rejections, refused

OWNER = ("n/d", "a")
REQUEST = (1.0, 1e9, 0.0, 0.0, 0.0, 1.0)


def pod(uid: str, created: int) -> Replica:
    return Replica(uid, uid, "a", f"{created:04d}", REQUEST)


@pytest.mark.parametrize(
    ("phase", "reason", "expected"),
    [
        ("Failed", "OutOfcpu", True),
        ("Failed", "OutOfedgewright.dev/gpu", True),
        ("Failed", "UnexpectedAdmissionError", True),
        ("Failed", "DeadlineExceeded", False),
        ("Failed", "", False),
        ("Running", "OutOfcpu", False),
    ],
)
def test_what_counts_as_a_refusal(phase: str, reason: str, expected: bool) -> None:
    assert refused(phase, reason) is expected


def test_a_node_closes_for_a_shape_ever_longer() -> None:
    rejections = Rejections()
    now = 0.0
    for pause in (10.0, 20.0, 40.0):
        rejections.note("p", OWNER, REQUEST, "node", now)
        assert rejections.closed_for(OWNER, REQUEST, now + pause - 0.1) == {"node"}
        assert rejections.closed_for(OWNER, REQUEST, now + pause + 0.1) == frozenset()
        now += 100.0
    smaller = (0.5, *REQUEST[1:])
    rejections.note("p", OWNER, REQUEST, "node", now)
    assert rejections.closed_for(OWNER, smaller, now) == frozenset()
    assert rejections.closed_for(("n/d", "b"), REQUEST, now) == frozenset()


def test_three_refusals_of_one_replica_stop_it_for_a_while() -> None:
    rejections = Rejections()
    for time in range(LIMIT):
        uid = f"p{time}"
        rejections.inherit(OWNER, [pod("sibling", 0), pod(uid, time + 1)], float(time))
        assert not rejections.stopped(uid, float(time))
        rejections.note(uid, OWNER, REQUEST, f"node-{time}", float(time))
    rejections.inherit(OWNER, [pod("last", 9)], 9.0)
    assert rejections.stopped("last", 9.0)
    assert not rejections.stopped("sibling", 9.0)
    assert not rejections.stopped("last", 9.0 + RETRY + 1.0)


def test_a_new_spec_starts_afresh() -> None:
    rejections = Rejections()
    for time in range(LIMIT):
        rejections.inherit(OWNER, [pod(f"p{time}", time)], 0.0)
        rejections.note(f"p{time}", OWNER, REQUEST, "node", 0.0)
    rejections.reset("n/d")
    rejections.inherit(OWNER, [pod("new", 9)], 0.0)
    assert not rejections.stopped("new", 0.0)
    assert rejections.closed_for(OWNER, REQUEST, 0.0) == frozenset()
    assert rejections.next_opening(0.0) is None


def test_a_changed_service_dag_frees_its_own_replicas_and_no_others() -> None:
    rejections, other = Rejections(), ("n/other", OWNER[1])
    for owner in (OWNER, other):
        for refusal in range(LIMIT):
            rejections.note(f"{owner}{refusal}", owner, REQUEST, "node", 0.0)
            rejections.inherit(owner, [pod(f"{owner}{refusal + 1}", refusal)], 0.0)
    mine, theirs = f"{OWNER}{LIMIT}", f"{other}{LIMIT}"
    assert rejections.stopped(mine, 1.0)
    rejections.reset("n/d")
    assert not rejections.stopped(mine, 1.0)
    assert rejections.stopped(theirs, 1.0)


def test_a_minute_of_readiness_forgives_the_replica_but_a_moment_does_not() -> None:
    for ran, count in ((5.0, 2), (90.0, 1)):
        rejections = Rejections()
        rejections.note("p", OWNER, REQUEST, "node", 0.0)
        rejections.inherit(OWNER, [pod("q", 1)], 1.0)
        rejections.ready("q", 2.0)
        assert rejections.note("q", OWNER, REQUEST, "node", 2.0 + ran) == count


def test_a_node_that_was_sound_for_long_starts_with_the_short_pause_again() -> None:
    rejections = Rejections()
    for now in (0.0, 20.0, 2000.0):
        rejections.note("p", OWNER, REQUEST, "node", now)
    assert rejections.closed_for(OWNER, REQUEST, 2000.0 + 9.9) == {"node"}
    assert rejections.closed_for(OWNER, REQUEST, 2000.0 + 10.1) == frozenset()
