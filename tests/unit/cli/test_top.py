"""Rows of `top`: the limit against what is predicted and what is observed."""

from typing import Any

import pytest

from edgewright.cli.top import dag_row, dag_table


def dag(name: str, predicted: float | None, observed: float | None, limit: float | None) -> dict[str, Any]:
    status: dict[str, Any] = {"summary": {"placed": "2/2", "ready": "Available"}}
    status |= {} if predicted is None else {"predicted": {"p95Ms": predicted}}
    status |= {} if observed is None else {"observed": {"p95Ms": observed}}
    qos = {} if limit is None else {"maxLatencyMs": limit, "percentile": 99}
    spec = {"demand": {"requestsPerSecond": 5}, "qos": qos}
    return {"metadata": {"namespace": "ns", "name": name}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("predicted", "observed", "limit", "used"),
    [(5, None, 20, 0.25), (5, 10, 20, 0.5), (10, 5, 20, 0.5), (None, None, 20, None), (5, 5, None, None)],
)
def test_the_worse_of_prediction_and_observation_counts(
    predicted: float | None, observed: float | None, limit: float | None, used: float | None
) -> None:
    assert dag_row(dag("shop", predicted, observed, limit))["used"] == used


def test_observed_has_a_column_as_soon_as_anything_is_observed() -> None:
    rows = [dag_row(dag("a", 5, None, 20)), dag_row(dag("b", 5, 7.25, 20))]
    assert "OBSERVED" not in dag_table(rows[:1], "ns").header
    table = dag_table(rows, "ns")
    assert [row[table.header.index("OBSERVED")] for row in table.rows] == ["-", "7.25"]
    assert "NAMESPACE" not in table.header
    assert "NAMESPACE" in dag_table(rows, None).header


def test_a_dag_that_the_operator_has_not_seen_is_shown_too() -> None:
    fresh = dag("new", None, None, 20)
    del fresh["status"]
    [row] = dag_table([dag_row(fresh)], "ns").rows
    assert list(row) == ["new", "-", "20 p99", "-", "-", "5", "Unknown"]
