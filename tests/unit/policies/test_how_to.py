"""The how-to page's policy, in one file, is what it says: importable by path and usable everywhere."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.agents.builders import DAG, NAMESPACE, controller, dag, node, pod

from edgewright.agents.policies import load
from edgewright.agents.questions import question
from edgewright.agents.region import Region
from edgewright.agents.snapshot import look
from edgewright.agents.thinking import Thinking
from edgewright.core.feasibility import check
from edgewright.emulation.instances import make_problem

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-policy.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's two policies, saved where Python finds them."""
    for name, block in (("nearest", BLOCKS[0]), ("calm", BLOCKS[2])):
        (tmp_path / f"{name}.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("nearest", "calm"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("written")
def test_the_pages_policy_places_what_core_accepts() -> None:
    policy = load("nearest:Nearest")
    assert policy.name == "nearest"
    decisions = [
        (problem, policy.place(problem, seconds=1))
        for problem in (make_problem(seed, stages=5, nodes=8) for seed in range(8))
    ]
    placed = [(problem, decision) for problem, decision in decisions if decision.feasible]
    assert placed
    assert all(check(problem, decision.assign) == () for problem, decision in placed)
    assert all(decision.violations for _, decision in decisions if not decision.feasible)


@pytest.mark.usefixtures("written")
def test_the_pages_comparison_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(BLOCKS[1], str(PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert sum(line.startswith("nearest:Nearest ") for line in lines) == 3
    assert sum(line.startswith("reference ") for line in lines) == 3


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nearest:Farthest", ValueError, "Farthest"),
        ("nowhere:Nearest", ValueError, "importable"),
        ("pathlib:Path", TypeError, "place"),
        ("nearest", KeyError, "choose one of"),
    ],
)
def test_what_is_no_policy_is_refused(name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        load(name)


@pytest.mark.usefixtures("written")
async def test_the_page_s_observing_policy_acts_on_what_the_agent_sees() -> None:
    region, busy = Region((NAMESPACE, "ec"), 0.0), (NAMESPACE, "busy")
    region.grant_changed(controller("n1", "n2"))
    for name in ("n1", "n2"):
        region.node_changed(name, node(name))
    for key in (DAG, busy):
        region.dag_changed(key, dag(key[1]))
    for name in ("a-0", "b-0"):
        region.pod_changed(None, pod(name), 0.0)
    record, thinking = region.dags[DAG], Thinking("calm:Calm")
    try:
        await thinking.warm_up()
        assert await thinking.observes("calm:Calm")
        for loaded, calm in (("n1", 1), ("n2", 0)):
            for name in ("a-1", "b-1"):
                region.pod_changed(None, pod(name, loaded, dag_name="busy"), 0.0)
            built = question(region, record, region.replicas(record, 0.0), 0.0)
            assert built is not None
            sight = look(region, record, built[0], 0.0)
            decision = await thinking.run(thinking.place, built[0], "calm:Calm", 1.0, sight)
            assert decision.policy == "calm"
            assert decision.assign.tolist() == [calm, calm]
    finally:
        thinking.close()
