"""Gap rows: tidy, reproducible, and intervals that contain the true gap."""

import math

import pytest

from edgewright.emulation.gaps import Gap, gaps

POLICIES = ("random", "kube", "heft", "heuristic", "exact")


@pytest.fixture(scope="module")
def rows() -> list[Gap]:
    return gaps(POLICIES, [(5, 6), (4, 5)], range(4), 5.0)


def test_one_row_per_policy_size_and_seed_and_one_of_the_reference(rows: list[Gap]) -> None:
    keys = {(r["policy"], r["stages"], r["nodes"], r["seed"]) for r in rows}
    assert len(keys) == len(rows) == (len(POLICIES) + 1) * 2 * 4


def test_nobody_beats_the_bound_and_gaps_are_ordered(rows: list[Gap]) -> None:
    assert any(row["placed"] for row in rows)
    for row in rows:
        if row["placed"]:
            assert row["bound"] <= row["best"] <= row["objective"]
            assert 0 <= row["gap_low"] <= row["gap_high"]
            assert not row["reason"]
        else:
            assert math.isnan(row["gap_low"])
            assert row["reason"]


def test_where_exact_ends_its_gap_is_nothing(rows: list[Gap]) -> None:
    for row in rows:
        if row["policy"] in ("exact", "reference") and row["placed"]:
            assert row["gap_high"] == pytest.approx(0, abs=1e-6)


def test_the_same_arguments_give_the_same_rows(rows: list[Gap]) -> None:
    again = gaps(POLICIES, [(5, 6), (4, 5)], range(4), 5.0)

    def timeless(row: Gap) -> dict[str, object]:
        return {key: repr(value) for key, value in row.items() if key != "cpu_ms"}

    assert [timeless(row) for row in again] == [timeless(row) for row in rows]


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="choose one of"):
        gaps(["greedy"], [(4, 5)], [0], 1.0)
