"""What a report says of the requests that users sent meanwhile."""

from pathlib import Path

import pytest
from tests.unit.chaos.test_findings import journal, judged

from edgewright.emulation.chaos import page, users
from edgewright.emulation.chaos.answers import over_time, phases
from edgewright.emulation.chaos.recording import USERS, Asked, DagSample, Injection, Recording, Sample

LIMIT = 20.0
"""Milliseconds."""


def recording(*asked: Asked) -> Recording:
    """Users ask from 5 to 50 s, a burst comes at 10 and goes at 30."""
    dags = {"ns/a": DagSample(1, 1, 1, True, False, limit=LIMIT), "ns/free": DagSample(1, 1, 1, True, False)}
    return Recording(
        "",
        [Sample(0.0, dags, 1, 1, []), Sample(50.0, dags, 1, 1, [])],
        {},
        [
            Injection("u", USERS, "users ask as declared", 5.0, 5.0, 50.0),
            Injection("b", "traffic-burst", "twice as often", 10.0, 10.0, 30.0),
        ],
        list(asked),
    )


def asked(at: float, milliseconds: float | None, dag: str = "ns/a", late: float = 0.0) -> Asked:
    return Asked(at, dag, late, None if milliseconds is None else milliseconds / 1e3)


def test_requests_are_told_before_during_and_after() -> None:
    found = phases(
        recording(
            *(asked(5.0 + i / 2, 10.0) for i in range(10)),
            *(asked(10.0 + i / 5, 30.0 if i % 2 else 10.0) for i in range(90)),
            *(asked(29.0, None) for _ in range(10)),
            asked(31.0, 10.0),
            asked(31.0, 900.0, "ns/free"),
        )
    )
    assert [each.what for each in found] == [
        "users ask as declared",
        "twice as often",
        "users ask as declared",
    ]
    before, during, after = found
    assert (before.requests, before.per_second, before.lost, before.over) == (10, 2.0, 0, 0)
    assert (during.requests, during.per_second, during.lost, during.over) == (100, 5.0, 10, 45)
    assert (before.p95, during.p50, during.p95) == pytest.approx((0.5, 1.0, 1.5))
    assert (after.requests, after.over, after.p95) == (2, 0, 0.5), "without a limit nothing is late"


def test_nobody_asked_and_nothing_is_told() -> None:
    assert phases(recording()) == []
    assert "Requests of users" not in page.render(judged(recording()), recording())


def test_the_page_has_the_requests() -> None:
    made = recording(asked(6.0, 10.0), asked(12.0, None))
    text = page.render(judged(made, journal()), made)
    assert "<h2>Requests of users</h2>" in text
    assert "Of 2 requests 1 were lost." in text
    assert "requests per second" in text
    assert over_time(made) == {"ns/a": [(8.0, 0.5)]}


def test_a_load_that_left_late_is_remarked() -> None:
    assert judged(recording(asked(6.0, 10.0))).remarks == []
    [said] = judged(recording(asked(6.0, 10.0, late=0.5))).remarks
    assert "more than 500 ms late" in said


def test_requests_are_read_on_the_clock_of_the_recording(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("/ns/a,107.5,0.001,0.0100,1\n/ns/a,108.5,0.001,1.0001,0\n")
    other.write_text("/ns/b,106.5,0.000,0.0200,1\n")
    found = users.read([str(one), str(other)], 100.0)
    assert [(each.at, each.dag, each.seconds) for each in found] == [
        (6.5, "ns/b", 0.02),
        (7.5, "ns/a", 0.01),
        (8.5, "ns/a", None),
    ]
    assert list(tmp_path.iterdir()) == []
