"""What an agent says of itself, and when that is worth a write."""

from typing import Any

import pytest

from edgewright.agents.figures import FIELDS, in_use, worth_writing
from edgewright.agents.pace import Pace
from edgewright.kube.crds.edge_controller import EdgeControllerStatus
from edgewright.kube.manifests import objects

QUIET: dict[str, Any] = {**in_use("auto"), "decisionsPerSecond": 0.5, "p99DecisionMs": 10.0}


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({}, False),
        ({"decisionsPerSecond": 0.55, "p99DecisionMs": 11.0}, False),
        ({"decisionsPerSecond": 1.0}, True),
        ({"decisionsPerSecond": 0.0}, True),
        ({"p99DecisionMs": 20.0}, True),
        (in_use("exact"), True),
        ({"lastError": {"message": "m", "at": "t"}}, True),
    ],
)
def test_only_real_changes_are_written(change: dict[str, Any], worth: bool) -> None:
    assert worth_writing(QUIET, {**QUIET, **change}) is worth


def test_a_whole_number_from_the_server_equals_the_figure() -> None:
    assert not worth_writing({"decisionsPerSecond": 0}, {"decisionsPerSecond": 0.0})


def test_why_an_algorithm_is_in_use() -> None:
    assert in_use("auto")["algorithm"] == "heuristic"
    assert "auto" in in_use("auto")["algorithmReason"]
    assert in_use("exact") == {"algorithm": "exact", "algorithmReason": "spec.algorithm asks for exact"}


def test_the_policy_names_exactly_the_fields_that_agents_write() -> None:
    [policy] = [
        item
        for item in objects("admission")
        if item["metadata"]["name"] == "edgewright-agent-status"
        and item["kind"] == "ValidatingAdmissionPolicy"
    ]
    figures = next(v["expression"] for v in policy["spec"]["variables"] if v["name"] == "figures")
    assert figures == str(list(FIELDS))
    known = {field.alias for field in EdgeControllerStatus.model_fields.values()}
    assert set(FIELDS) <= known


def test_the_pace_is_that_of_the_last_minute() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.read() == (0.0, None)
    for number in range(100):
        pace.note(0.001 * (number + 1))
    assert pace.read() == pytest.approx((100 / 60, 0.1))
    now = 61.0
    assert pace.read() == pytest.approx((0.0, 0.1)), "the percentile stays what it was"
