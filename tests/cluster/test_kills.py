"""Agents and operators killed while DAGs come and go: nothing is lost, nothing is doubled.

`python -m bench.kills` does the same more often, takes the times, and restarts the API server too.
"""

from bench.kills import Victim, measure

VICTIMS = (Victim.AGENT, Victim.OPERATOR)


def test_what_is_killed_twice_loses_and_doubles_nothing() -> None:
    found = measure(victims=VICTIMS, repetitions=2, idle=0.0)
    said = {row.case: row.measured for row in found.rows if row.figure == "bindings"}
    assert len(said) == len(VICTIMS), [row.measured for row in found.rows]
    assert all(words.startswith("0 lost, 0 doubled of ") for words in said.values()), said
    assert len(found.samples["kills"]) == 2 * len(VICTIMS)
