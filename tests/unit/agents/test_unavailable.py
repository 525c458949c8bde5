"""An algorithm whose library is not installed: the heuristic decides, and the condition says so."""

import sys
from typing import Any

import pytest
from tests.unit.agents.builders import DAG, NAMESPACE, controller, dag, node

from edgewright.agents.pace import Pace
from edgewright.agents.placing import Placer
from edgewright.agents.region import Region
from edgewright.agents.thinking import Thinking
from edgewright.agents.turns import Turns
from edgewright.agents.verdict import Facts, judge
from edgewright.kube.conditions import Reason


@pytest.mark.parametrize("there", [True, False])
async def test_a_dry_run_by_milp(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there:
        monkeypatch.setitem(sys.modules, "highspy", None)
    region, thinking = Region((NAMESPACE, "ec"), 0.0), Thinking()
    for name in ("n1", "n2"):
        region.node_changed(name, node(name))
    region.grant_changed(controller("n1", "n2"))
    asked = dag()
    asked.spec["placementPolicy"] = {"algorithm": "milp", "dryRun": True}
    region.dag_changed(DAG, asked)
    no_api: Any = None
    placer = Placer(
        no_api,
        region,
        Turns(),
        thinking,
        lambda: 100.0,
        lambda key: None,
        pace=Pace(lambda: 100.0),
        failed=lambda message: None,
        leading=lambda: True,
    )
    try:
        await placer.decide(DAG)
    finally:
        thinking.close()
    standing, record = placer.standing(DAG), region.dags[DAG]
    assert standing.algorithm == ("milp" if there else "heuristic")
    assert record.dag is not None
    verdict = judge(Facts(record.dag, [], standing, {}, False, (), (), False, 100.0))
    assert verdict is not None
    assert verdict.reason is Reason.DRY_RUN
    assert ("Placed by heuristic instead: milp needs the library highspy" in verdict.message) is not there
