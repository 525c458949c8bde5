"""Each experiment at its smallest: rows are finite, the same again, and make a table and figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgewright.emulation.experiments import Scale, experiments
from edgewright.emulation.experiments.experiment import HELD_OUT
from edgewright.emulation.experiments.lineup import ready
from edgewright.emulation.experiments.scoring import Outcome, place_all, score
from edgewright.emulation.experiments.setting import Shape, cells, city, draw_dag, make_setting, truth
from edgewright.emulation.experiments.timeline import _handed_over, burst, fail, per_period, survive

TINY: dict[str, dict[str, Any]] = {
    "fidelity": {"pairs": 2},
    "optimality-gap": {"sizes": ((4, 8),), "instances": 1, "reference": 0.5, "budgets": (0.05,)},
    "simulator-speed": {"nodes": (24,), "cities": 2, "steps": 8, "dags": 4},
    "arrival-rate": {"rates": (100.0,), "requests": 400, "budgets": (0.05,)},
    "complexity": {"cases": ((6, 2),), "requests": 400, "budgets": (0.05,)},
    "resilience": {"failures": (0.1,), "bursts": (1.5,), "rate": 20.0, "requests": 400, "budgets": (0.05,)},
    "utilisation": {"hours": (20.0,), "requests": 400, "budgets": (0.05,)},
    "fairness": {"crowding": (0.4,), "requests": 400, "budgets": (0.05,)},
}


def tiny(name: str) -> Any:
    config = experiments[name].scales[Scale.SMALL]
    policies = ("random", "heuristic") if config.policies else ()
    return replace(config, seeds=1, policies=policies, **TINY[name])


@pytest.mark.parametrize("name", sorted(experiments))
def test_an_experiment_gives_the_same_rows_again_and_a_table_and_figures(name: str) -> None:
    experiment, config = experiments[name], tiny(name)
    units = experiment.units(config)
    rows = [{**vars(unit), **row} for unit in units for row in experiment.run(config, unit)]
    again = [{**vars(units[-1]), **row} for row in experiment.run(config, units[-1])]
    for first, second in zip(rows[-len(again) :], again, strict=True):
        for column in set(first) - set(experiment.clocked):
            assert first[column] == second[column] or first[column] != first[column], column
    frame = pd.DataFrame(rows)
    table = experiment.comparison(frame, config)
    assert table.lines
    assert not any("nan" in cell for line in table.lines for cell in line if cell not in config.policies)
    figures = experiment.figures(frame, config)
    assert figures
    for figure in figures.values():
        assert figure.axes[0].has_data()


def test_an_instance_counts_once_however_many_policies_and_times_meet_it() -> None:
    experiment = experiments["optimality-gap"]
    config = replace(tiny("optimality-gap"), sizes=((3, 6), (4, 8)), budgets=(0.02, 0.05))
    rows = [
        {**vars(unit), **row} for unit in experiment.units(config) for row in experiment.run(config, unit)
    ]
    notes = experiment.comparison(pd.DataFrame(rows), config).notes
    assert "of 2 instances" in notes[0]


def small_setting() -> Any:
    built = city("metro", 24, 2)
    stream = np.random.default_rng(1)
    dags = [
        (r, draw_dag(stream, f"dag-{r}-{i}", Shape(5, 1, 20, 0.1), cells(built, r)))
        for r in range(2)
        for i in range(3)
    ]
    return make_setting(built, dags)


def test_the_truth_is_off_by_as_much_as_is_said_and_the_same_for_all() -> None:
    setting = small_setting()
    true, again = truth(setting, HELD_OUT), truth(setting, HELD_OUT)
    assert true == again
    ratio = np.array([t.demand.rate / d.demand.rate for t, d in zip(true, setting.dags, strict=True)])
    np.testing.assert_allclose(np.abs(ratio - 1), 0.3)


def test_placed_dags_stay_in_their_region_and_leave_room() -> None:
    setting = small_setting()
    outcome = place_all(ready("random"), setting, seconds=0.1, seed=1)
    for d, one in enumerate(outcome.placed):
        assert one is not None
        assert setting.allowed[d, one.node].all()


def test_what_is_not_placed_violates_and_has_no_latency() -> None:
    setting = small_setting()
    outcome = place_all(ready("heuristic"), setting, seconds=0.1, seed=1)
    without = Outcome((None, *outcome.placed[1:]), outcome.seconds)
    true = truth(setting, 1)
    found = score(setting, without, true, requests=500, seed=1)
    assert found.violation[0] == 1
    assert not len(found.latency[0])
    rates = np.array([dag.demand.rate for dag in true])
    assert found.total_violation == pytest.approx(float(rates @ found.violation / rates.sum()))
    nothing = score(setting, Outcome((None,) * 6, outcome.seconds), true, requests=500, seed=1)
    assert nothing.total_violation == 1


def test_agents_replace_what_failed_nodes_took_one_dag_a_period() -> None:
    setting = small_setting()
    start = place_all(ready("heuristic"), setting, seconds=0.1, seed=1)
    down = np.zeros(len(setting.substrate.nodes), bool)
    taken = np.concatenate([one.node for one in start.placed if one is not None])
    down[np.unique(taken)[:3]] = True
    before, *periods = survive(
        ready("heuristic"), setting, truth(setting, 1), start, down, seconds=0.1, requests=400, seed=1
    )
    hit = [d for d, one in enumerate(start.placed) if one is not None and down[one.node].any()]
    assert before.pending == 0
    assert periods[0].pending == len(hit) > 0
    assert periods[0].violation >= periods[-1].violation
    assert periods[-1].pending == 0
    drops = -np.diff([p.pending for p in periods])
    assert drops.max() <= 2, "one decision of each of two agents"


def test_users_of_a_failed_cell_go_over_to_the_nearest_living_one() -> None:
    setting = small_setting()
    index, nodes = setting.substrate.index, setting.substrate.nodes
    down = np.zeros(len(nodes), bool)
    assert _handed_over(setting, setting.dags, down) == setting.dags
    gone = index[setting.dags[0].ingress.node]
    down[gone] = True
    for before, after in zip(setting.dags, _handed_over(setting, setting.dags, down), strict=True):
        if index[before.ingress.node] != gone:
            assert after == before
            continue
        far = [np.hypot(*np.subtract(n.location, nodes[gone].location)) for n in nodes if n.radio]
        near = nodes[index[after.ingress.node]].location
        assert sorted(far)[1] == np.hypot(*np.subtract(near, nodes[gone].location)) > 0


def test_dags_without_a_place_count_in_a_burst_too() -> None:
    setting = small_setting()
    start = place_all(ready("heuristic"), setting, seconds=0.1, seed=1)
    true = truth(setting, 1)
    without = Outcome((None, *start.placed[1:]), start.seconds)
    share = true[0].demand.rate / sum(dag.demand.rate for dag in true)
    for whole, part in zip(
        burst(setting, true, start, 1.5, 1), burst(setting, true, without, 1.5, 1), strict=True
    ):
        assert (whole.pending, part.pending) == (0, 1)
        assert -1e-9 <= part.violation - share <= whole.violation + 1e-9
        assert part.cost >= 10 * share
    nothing = Outcome((None,) * len(true), start.seconds)
    assert {(p.violation, p.pending) for p in burst(setting, true, nothing, 1.5, 1)} == {(1.0, len(true))}


def test_larger_failures_contain_smaller_ones() -> None:
    setting = small_setting()
    small, large = fail(setting, 0.05, 3), fail(setting, 0.25, 3)
    assert 0 < small.sum() < large.sum()
    assert (large | ~small).all()


def test_periods_average_the_requests_born_in_them() -> None:
    born, ratio = [np.array([1.0, 12.0]), np.array([2.0])], [np.array([1.0, 5.0]), np.array([3.0])]
    np.testing.assert_allclose(per_period(born, ratio)[:3], [2.0, 5.0, np.nan])
