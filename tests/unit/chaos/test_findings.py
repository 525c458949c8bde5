"""What a report says of a recording."""

from typing import Any

import pytest

from edgewright.emulation.chaos import findings, page
from edgewright.emulation.chaos.recording import DagSample, Injection, PodLife, Recording, Sample

ENVIRONMENT = {"target": "testbed <x>", "at": "2026-01-01T00:00:00+00:00"}


def dag(ready: int, *, desired: int = 4, violated: bool = False, predicted: float = 0.5) -> DagSample:
    return DagSample(desired, ready, ready, ready >= desired and not violated, violated, predicted)


def sample(
    at: float, ready: int = 4, *, silent: list[str] | None = None, answers: bool = True, **rest: Any
) -> Sample:
    return Sample(at, {"ns/a": dag(ready, **rest)}, 10, 10, silent or [], answers)


def injection(began: float, ended: float | None = None, fault: str = "node-cut") -> Injection:
    return Injection(f"{fault}-{began}", fault, f"cut <b>edge-{began:g}</b>", began, began + 0.1, ended)


def journal(
    *, before: bool = True, after: bool = True, status: str = "completed", **rest: Any
) -> dict[str, Any]:
    def state(met: bool) -> dict[str, Any]:
        probe = {"activity": {"name": "missing"}, "status": "succeeded", "output": "ns/a worker (3 of 4)"}
        return {"steady_state_met": met, "probes": [probe]}

    return {
        "experiment": {"title": "Nodes <fail>"},
        "status": status,
        "steady_states": {"before": state(before), "after": state(after) if before else None},
        "run": [],
        "rollbacks": [],
        **rest,
    }


def judged(recording: Recording, given: dict[str, Any] | None = None, **rest: Any) -> findings.Report:
    arguments = {"healed": [], "limits": [], "environment": ENVIRONMENT, **rest}
    return findings.report(given or journal(), recording, **arguments)


def test_recovery_is_from_the_injection_until_nothing_is_missing() -> None:
    recording = Recording(
        "", [sample(0), sample(10.2, 2), sample(14, 3), sample(17.5, 4)], {}, [injection(10, 30)]
    )
    found = judged(recording).injections[0]
    assert found.disturbed
    assert found.recovery == pytest.approx(7.5)
    assert found.lasted == pytest.approx(20)


def test_an_injection_that_nobody_felt_has_no_recovery_to_wait_for() -> None:
    found = judged(Recording("", [sample(0), sample(40)], {}, [injection(10)])).injections[0]
    assert (found.disturbed, found.recovery, found.lasted) == (False, 0.0, None)


def test_what_never_recovers_is_said_to_be_lost_and_fails() -> None:
    report = judged(Recording("", [sample(0), sample(11, 3), sample(60, 3)], {}, [injection(10)]))
    assert report.injections[0].recovery is None
    assert report.lost == ["1 of 4 replicas of ns/a"]
    assert report.verdict == "failed"


def test_a_dag_that_is_gone_is_lost() -> None:
    gone = Sample(20, {}, 10, 10, [])
    assert judged(Recording("", [sample(0), gone], {}, [])).lost == ["ServiceDAG ns/a"]


def test_the_recovery_of_the_first_of_two_injections_may_come_after_the_second() -> None:
    samples = [sample(0), sample(11, 3), sample(21, 2), sample(31, 4)]
    first, second = judged(Recording("", samples, {}, [injection(10, 18), injection(20)])).injections
    assert [first.recovery, second.recovery] == pytest.approx([21, 11])


def test_a_silent_leader_or_api_server_is_a_disturbance() -> None:
    samples = [
        sample(0),
        sample(11, silent=["ns/edgewright-agent"]),
        sample(15),
        sample(21, answers=False),
        sample(24),
    ]
    report = judged(Recording("", samples, {}, [injection(10, 18), injection(20)]))
    assert [each.recovery for each in report.injections] == [pytest.approx(5), pytest.approx(4)]
    assert report.api_away_seconds == pytest.approx(3)


def test_missing_replicas_and_broken_limits_are_counted_over_time() -> None:
    samples = [
        sample(0),
        sample(10, 2),
        sample(12, 3),
        sample(14),
        sample(15, violated=True, predicted=1.3),
        sample(18),
    ]
    report = judged(Recording("", samples, {}, [injection(10, 20)]))
    assert report.missing_replica_seconds == pytest.approx(2 * 2 + 1 * 2)
    found = report.injections[0]
    assert found.violated_seconds == pytest.approx(3)
    assert (found.latency_before, found.latency_worst) == (0.5, 1.3)


def test_limits_that_do_not_hold_once_healed_are_a_remark_and_not_the_verdict() -> None:
    report = judged(Recording("", [sample(0)], {}, []), limits=["ns/a (p95)"])
    assert report.verdict == "passed"
    assert any("ns/a (p95)" in each for each in report.remarks)


def test_replaced_replicas_and_their_slowest_binding() -> None:
    pods = {
        "1": PodLife("a-1", "ns/a", "a", 0, "n1", ["n1"], 1, 2, leaving=11),
        "2": PodLife("a-2", "ns/a", "a", 0, "n2", ["n2"], 1, 2),
        "3": PodLife("a-3", "ns/a", "a", 12, "n3", ["n3"], 15.5, 16),
    }
    found = judged(Recording("", [sample(0), sample(20)], pods, [injection(10)])).injections[0]
    assert (found.replaced, found.slowest_bind) == (1, 3.5)


def test_a_replica_bound_twice_fails() -> None:
    pods = {"1": PodLife("a-1", "ns/a", "a", 0, "n2", ["n1", "n2"], 1, 2)}
    report = judged(Recording("", [sample(0)], pods, []))
    assert report.doubled == ["ns/a a-1 (n1, n2)"]
    assert report.verdict == "failed"


@pytest.mark.parametrize(
    ("given", "verdict", "reason"),
    [
        (journal(), "passed", None),
        (journal(before=False), "failed", "before the method: missing: ns/a worker (3 of 4)"),
        (journal(after=False), "failed", "after the method: missing: ns/a worker (3 of 4)"),
        (journal(status="interrupted"), "interrupted", None),
        (
            journal(run=[{"activity": {"name": "cut"}, "status": "failed", "exception": ["Error: no node"]}]),
            "failed",
            "cut: Error: no node",
        ),
    ],
)
def test_the_verdict(given: dict[str, Any], verdict: str, reason: str | None) -> None:
    report = judged(Recording("", [sample(0)], {}, []), given)
    assert report.verdict == verdict
    assert reason is None or reason in report.reasons


def test_a_cluster_that_is_not_whole_once_healed_fails() -> None:
    report = judged(Recording("", [sample(0)], {}, []), healed=["not Ready: ns/a"])
    assert report.verdict == "failed"
    assert report.hypothesis["healed"] == "not Ready: ns/a"


def test_the_page_stands_alone_and_takes_no_text_for_markup() -> None:
    recording = Recording("", [sample(0), sample(11, 3), sample(15)], {}, [injection(10, 14)])
    text = page.render(judged(recording), recording)
    assert "<svg" in text
    assert "<b>edge" not in text
    assert "Nodes &lt;fail&gt;" in text
    assert "src=" not in text
    assert "<link" not in text
