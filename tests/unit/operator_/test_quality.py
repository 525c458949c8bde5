"""QoSMet: by observed requests where there are enough, else by the prediction, and it says which."""

from typing import Any

import pytest

from edgewright.kube.conditions import Reason
from edgewright.operator.dag import Dag
from edgewright.operator.measurement import Measurement
from edgewright.operator.observed import Desired, Now, Observed
from edgewright.operator.quality import qos_met
from edgewright.operator.status import assess, significant

PREDICTED = {
    "predicted": {"latencyMs": 8, "p95Ms": 12, "jitterMs": 2, "syncSkewMs": 1, "successProbability": 0.99}
}
INFINITE = float("inf")


def measured(*counts: float, bounds: tuple[float, ...] = (0.01, 0.02, 0.05), **fields: Any) -> Measurement:
    """Requests per bucket up to 10, 20 and 50 ms, and beyond."""
    values = {"requests": sum(counts), "window": 120.0, "at": "t", "mean": 0.01, "success": 1.0, **fields}
    return Measurement(bounds=(*bounds, INFINITE), counts=counts, **values)


FAST, SLOW = measured(100, 0, 0, 0), measured(0, 0, 100, 0)


@pytest.mark.parametrize(
    ("qos", "status", "seen", "asked", "expected"),
    [
        ({}, PREDICTED, FAST, True, ("True", "NoLimits", "no limit")),
        ({"maxLatencyMs": 20}, {}, None, False, ("Unknown", "NotPlaced", "no placement")),
        (
            {"maxLatencyMs": 20},
            PREDICTED,
            None,
            False,
            ("True", "WithinLimits", "Predicted: latency (p95) 12 ms of 20 ms."),
        ),
        (
            {"maxLatencyMs": 20},
            PREDICTED,
            None,
            True,
            ("True", "WithinLimits", "Predicted (too little was observed lately): "),
        ),
        (
            {"maxLatencyMs": 20},
            PREDICTED,
            FAST,
            True,
            ("True", "WithinLimits", "Observed: latency (p95) 9.5 ms of 20 ms."),
        ),
        ({"maxLatencyMs": 20}, {}, FAST, True, ("True", "WithinLimits", "Observed: ")),
        (
            {"maxLatencyMs": 20},
            PREDICTED,
            SLOW,
            True,
            (
                "False",
                "LimitExceeded",
                "Observed: latency (p95) 48.5 ms exceeds spec.qos.maxLatencyMs 20 ms.",
            ),
        ),
        (
            {"maxLatencyMs": 10},
            PREDICTED,
            None,
            False,
            ("False", "LimitExceeded", "Predicted: latency (p95) 12 ms exceeds"),
        ),
        (
            {"maxLatencyMs": 20, "maxSyncSkewMs": 5},
            PREDICTED,
            FAST,
            True,
            ("True", "WithinLimits", "of 20 ms. Predicted: sync skew 1 ms of 5 ms."),
        ),
        (
            {"maxSyncSkewMs": 0.5},
            PREDICTED,
            FAST,
            True,
            ("False", "LimitExceeded", "Predicted: sync skew 1 ms exceeds"),
        ),
        (
            {"maxJitterMs": 1},
            PREDICTED,
            FAST,
            True,
            ("False", "LimitExceeded", "Observed: jitter 2.887 ms exceeds"),
        ),
        (
            {"minSuccessProbability": 0.995},
            PREDICTED,
            FAST,
            True,
            ("True", "WithinLimits", "Observed: success probability 1 of"),
        ),
        (
            {"minSuccessProbability": 0.9},
            PREDICTED,
            measured(success=0.5, mean=None),
            True,
            ("False", "LimitExceeded", "Observed: success probability 0.5 is below"),
        ),
        (
            {"minSuccessProbability": 0.9},
            PREDICTED,
            measured(50, 0, 0, 0, success=None),
            True,
            ("True", "WithinLimits", "Predicted: success probability 0.99"),
        ),
    ],
)
def test_the_verdict_says_what_it_rests_on(
    make_dag: Any,
    qos: dict[str, Any],
    status: dict[str, Any],
    seen: Measurement | None,
    asked: bool,
    expected: tuple[str, Reason, str],
) -> None:
    verdict = qos_met(make_dag("a", qos=qos, status=status), seen, asked=asked)
    assert (verdict.status, verdict.reason) == expected[:2]
    assert expected[2] in verdict.message


def test_a_latency_beyond_the_largest_bucket_exceeds_a_limit_below_it(make_dag: Any) -> None:
    beyond = measured(0, 0, 0, 100)
    broken = qos_met(make_dag("a", qos={"maxLatencyMs": 40}, status=PREDICTED), beyond)
    assert (broken.status, broken.reason) == ("False", Reason.LIMIT_EXCEEDED)
    assert "Observed" in broken.message
    unknown = qos_met(make_dag("a", qos={"maxLatencyMs": 900}, status=PREDICTED), beyond)
    assert unknown.message.startswith("Predicted: latency"), "the buckets cannot tell, so the model does"


def status_of(dag: Dag, seen: Measurement | None) -> dict[str, Any]:
    observed = Observed(asked=True, measured=seen)
    return assess(observed, Desired(dag, counts={"a": 1}), (), Now(0.0, "t")).status


def test_the_status_tells_what_was_observed_and_drops_it_when_stale(make_dag: Any) -> None:
    dag = make_dag("a", qos={"maxLatencyMs": 20}, status=PREDICTED)
    first = status_of(dag, FAST)
    assert first["observed"]["p95Ms"] == 9.5
    assert "observed" not in status_of(dag, None)
    assert significant(first, status_of(dag, None))


def test_a_small_move_of_what_was_observed_is_not_worth_a_write(make_dag: Any) -> None:
    dag = make_dag("a", qos={"maxLatencyMs": 20}, status=PREDICTED)
    first = status_of(dag, FAST)
    assert not significant(first, status_of(dag, measured(100, 0, 0, 0, at="later", mean=0.0102)))
    assert significant(first, status_of(dag, measured(100, 0, 0, 0, mean=0.011)))
