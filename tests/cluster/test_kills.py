"""Agents, operators and the API server killed while DAGs come and go: nothing is lost, nothing is doubled.

`python -m bench.kills` does the same more often and takes the times.
"""

import pytest

from bench.kills import Victim, measure


@pytest.mark.parametrize("victim", Victim)
def test_killed_twice_it_loses_and_doubles_nothing(victim: Victim) -> None:
    found = measure(victims=[victim], repetitions=2)
    bindings = next(row for row in found.rows if row.figure == "bindings")
    assert bindings.measured.startswith("0 lost, 0 doubled of "), bindings.measured
    assert len(found.samples["kills"]) == 2
