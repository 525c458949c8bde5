"""Agents, operators and the API server killed while DAGs come and go: nothing is lost, nothing is doubled.

`python -m bench.kills` does the same more often and takes the times.
"""

from bench.kills import Victim, measure


def test_what_is_killed_twice_loses_and_doubles_nothing() -> None:
    found = measure(repetitions=2, idle=0.0)
    said = {row.case: row.measured for row in found.rows if row.figure == "bindings"}
    assert len(said) == len(Victim)
    assert all(words.startswith("0 lost, 0 doubled of ") for words in said.values()), said
    assert len(found.samples["kills"]) == 2 * len(Victim)
