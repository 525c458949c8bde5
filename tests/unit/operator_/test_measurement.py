"""What is made of Prometheus' answers: latencies from buckets, and nothing from nonsense."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.kube.metrics import REQUESTS
from edgewright.operator.measurement import ENOUGH, Measurement, NonsenseError, moved, question, read

KEY = ("city", "overlay")
AT = "2026-11-21T12:00:00Z"


def sample(value: object, **labels: str) -> dict[str, Any]:
    return {
        "metric": {"namespace": KEY[0], "servicedag": KEY[1], **labels},
        "value": [1.0, value if isinstance(value, str) else str(value)],
    }


def answer(*samples: dict[str, Any]) -> bytes:
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": list(samples)}}
    ).encode()


def histogram(latencies: list[float]) -> list[dict[str, Any]]:
    bounds = [*REQUESTS, math.inf]
    counted = [
        sample(
            sum(x <= bound for x in latencies), part="bucket", le="+Inf" if math.isinf(bound) else str(bound)
        )
        for bound in bounds
    ]
    return [*counted, sample(sum(latencies), part="sum")]


def measured(latencies: list[float], *more: dict[str, Any]) -> Measurement:
    return read(answer(*histogram(latencies), *more), {KEY}, AT, 120.0)[KEY]


@given(st.lists(st.floats(0.002, 9.0), min_size=ENOUGH, max_size=200), st.sampled_from([50.0, 95.0, 99.0]))
def test_percentile_mean_and_jitter_are_within_a_bucket_of_the_truth(
    latencies: list[float], percent: float
) -> None:
    found = measured(latencies)
    true = float(np.percentile(latencies, percent, method="inverted_cdf"))
    value = found.percentile(percent)
    assert value is not None
    assert true / 1.27 <= value <= true * 1.27
    assert found.mean == pytest.approx(np.mean(latencies))
    assert found.jitter == pytest.approx(np.std(latencies), abs=0.3 * max(latencies))


def test_latency_is_told_in_the_words_of_the_status() -> None:
    status = measured(
        [0.0101] * 90 + [0.0202] * 10,
        sample(98, part="outcome", outcome="ok"),
        sample(2, part="outcome", outcome="failed"),
    ).status(50, 0.015)
    assert status["at"] == AT
    assert status["latencyMs"] == pytest.approx(11.11)
    assert 10 < status["p95Ms"] < 12.6
    assert status["successProbability"] == 0.98
    assert status["violationProbability"] == 0.1
    assert status["requestsPerSecond"] == pytest.approx(100 / 120, rel=1e-3)
    assert 1 < status["jitterMs"] < 5


def test_all_requests_failed() -> None:
    found = read(answer(sample(50, part="outcome", outcome="failed")), {KEY}, AT, 120.0)[KEY]
    assert found.status(95, 0.1) == {
        "successProbability": 0.0,
        "requestsPerSecond": pytest.approx(50 / 120, rel=1e-3),
        "at": AT,
    }


@given(st.lists(st.floats(0.002, 9.0), min_size=ENOUGH, max_size=200), st.floats(0.0, 20.0))
def test_the_share_above_a_limit_is_within_a_bucket_of_the_truth(
    latencies: list[float], limit: float
) -> None:
    found = measured(latencies).above(limit)
    assert found is not None
    share = {factor: float(np.mean(np.array(latencies) > limit * factor)) for factor in (1.27, 1 / 1.27)}
    assert share[1.27] - 1e-9 <= found <= share[1 / 1.27] + 1e-9


def test_slower_than_the_largest_bucket_is_not_given_a_number() -> None:
    found = measured([20.0] * 50)
    assert found.percentile(95) == math.inf
    assert found.jitter is None
    assert "p95Ms" not in found.status(95)


def test_too_few_requests_and_strangers_are_passed_over() -> None:
    assert read(answer(*histogram([0.01] * (ENOUGH - 1))), {KEY}, AT, 120.0) == {}
    assert read(answer(*histogram([0.01] * ENOUGH)), {("city", "other")}, AT, 120.0) == {}
    assert set(read(answer(*histogram([0.01] * ENOUGH)), {KEY}, AT, 120.0)) == {KEY}


def test_a_label_flood_leaves_only_what_is_known() -> None:
    flood = [sample(99, part="outcome", outcome="ok", servicedag=f"x-{number}") for number in range(20_000)]
    assert set(read(answer(*flood, *histogram([0.01] * 50)), {KEY}, AT, 120.0)) == {KEY}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Sign in</html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"status":"error","error":"query timed out"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"le":3},"value":[1,"2"]}]}}',
    ],
)
def test_what_is_no_answer_is_nonsense(content: bytes) -> None:
    with pytest.raises(NonsenseError):
        read(content, {KEY}, AT, 120.0)


@pytest.mark.parametrize(
    "bad",
    [
        sample("NaN", part="sum"),
        sample("+Inf", part="sum"),
        sample(-1, part="bucket", le="0.5"),
        sample("many", part="sum"),
        sample(1, part="bucket", le="high"),
        sample(1, part="bucket", le="NaN"),
        sample(1, part="bucket"),
        sample(1, part="else"),
        sample(1),
    ],
)
def test_nonsense_about_one_servicedag_leaves_out_that_one_alone(bad: dict[str, Any]) -> None:
    other = [
        {**entry, "metric": {**entry["metric"], "servicedag": "sound"}} for entry in histogram([0.01] * 50)
    ]
    found = read(answer(*histogram([0.01] * 50), bad, *other), {KEY, ("city", "sound")}, AT, 120.0)
    assert set(found) == {("city", "sound")}


def test_buckets_without_an_infinite_one_are_nonsense() -> None:
    assert read(answer(sample(99, part="bucket", le="0.1"), sample(5, part="sum")), {KEY}, AT, 120.0) == {}


def test_counts_that_were_scraped_while_they_moved_do_no_harm() -> None:
    found = read(
        answer(
            sample(50, part="bucket", le="0.1"),
            sample(49.5, part="bucket", le="0.2"),
            sample(60, part="bucket", le="+Inf"),
            sample(3, part="sum"),
        ),
        {KEY},
        AT,
        120.0,
    )[KEY]
    assert list(found.counts) == [50, 0, 10]
    assert found.requests == 60


def test_what_moves_by_five_percent_is_told() -> None:
    before = {"latencyMs": 10.0, "at": AT}
    assert not moved(before, {"latencyMs": 10.4, "at": "2026-11-21T12:00:30Z"})
    assert moved(before, {"latencyMs": 10.6, "at": AT})
    assert moved(before, {"latencyMs": 10.0, "p95Ms": 12.0, "at": AT})
    share = {**before, "violationProbability": 0.001}
    assert not moved(share, {**share, "violationProbability": 0.04})
    assert moved(share, {**share, "violationProbability": 0.06})
    assert moved(None, before)
    assert moved(before, None)
    assert not moved(None, None)
    assert not moved({}, None)


def test_all_servicedags_are_asked_about_at_once() -> None:
    asked = question(120)
    assert asked.count("[120s]") == 3
    assert "namespace=" not in asked
