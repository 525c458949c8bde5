"""Status is written when it says something new, and seldom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator_.verdicts import NOW, PLACED, desired, status_of

from edgewright.operator.actions import Hold, WriteStatus
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Now, Observed
from edgewright.operator.reconcile import PROGRESS_SECONDS, reconcile

MakeDag = Callable[..., Dag]
LONG_AGO = NOW.monotonic - PROGRESS_SECONDS


def test_small_moves_of_a_prediction_are_not_written(
    make_dag: MakeDag, running: Callable[..., Observed]
) -> None:
    def dag(latency: float, stored: Any = ()) -> Dag:
        status = {"conditions": [*stored, PLACED], "predicted": {"p95Ms": latency}}
        return make_dag("a", qos={"maxLatencyMs": 20}, status=status)

    first = status_of(reconcile(running(dag(10.0)), desired(dag(10.0)), NOW))
    for latency, expected in ((10.3, False), (12.0, True)):
        again = dag(latency, first["conditions"])
        again = replace(again, status={**first, **again.status})
        actions = reconcile(running(again, status_held=LONG_AGO), desired(again), NOW)
        assert any(isinstance(action, WriteStatus) for action in actions) is expected


def test_at_most_once_a_second(make_dag: MakeDag) -> None:
    observed = Observed(status_written=NOW.monotonic - 0.4)
    actions = reconcile(observed, desired(make_dag("a")), NOW)
    assert not any(isinstance(action, WriteStatus) for action in actions)
    assert [a.seconds for a in actions if isinstance(a, Hold)] == [pytest.approx(0.6)]


def test_a_transition_time_moves_only_with_the_status(make_dag: MakeDag) -> None:
    first = status_of(reconcile(Observed(), desired(make_dag("a")), NOW))
    dag = make_dag("a", status=first, generation=2)
    second = status_of(reconcile(Observed(), desired(dag, agent=False), Now(2000.0, "2026-11-21T09:00:00Z")))
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert set(times.values()) == {NOW.stamp}
    assert {c["observedGeneration"] for c in second["conditions"]} == {2}


def test_steps_on_the_way_to_ready_are_gathered(make_dag: MakeDag) -> None:
    waiting = status_of(reconcile(Observed(), desired(make_dag("a")), NOW))
    dag = make_dag("a", status={**waiting, "conditions": [*waiting["conditions"], PLACED]})
    [held] = [a for a in reconcile(Observed(), desired(dag), NOW) if isinstance(a, Hold)]
    assert held.seconds == PROGRESS_SECONDS
    written = status_of(reconcile(Observed(status_held=LONG_AGO), desired(dag), NOW))
    assert written["summary"]["ready"] == "ReplicasNotReady"


@pytest.mark.parametrize("reason", ["NoFeasiblePlacement", "NodeLost"])
def test_trouble_is_told_at_once(make_dag: MakeDag, reason: str) -> None:
    waiting = status_of(reconcile(Observed(), desired(make_dag("a")), NOW))
    trouble = {**PLACED, "status": "False", "reason": reason, "message": "why"}
    dag = make_dag("a", status={**waiting, "conditions": [*waiting["conditions"], trouble]})
    assert status_of(reconcile(Observed(), desired(dag), NOW))["summary"]["ready"] == reason


def test_ready_is_told_at_once(make_dag: MakeDag, running: Callable[..., Observed]) -> None:
    waiting = status_of(reconcile(Observed(), desired(make_dag("a")), NOW))
    dag = make_dag("a", status={**waiting, "conditions": [*waiting["conditions"], PLACED]})
    assert status_of(reconcile(running(dag), desired(dag), NOW))["phase"] == "Running"
