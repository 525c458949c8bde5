"""The how-to page's policy, in one file, is what it says: importable by path and usable everywhere."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.agents.policies import load
from edgewright.core.feasibility import check
from edgewright.emulation.instances import make_problem

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-policy.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's file, saved where Python finds it."""
    file = tmp_path / "nearest.py"
    file.write_text(BLOCKS[0])
    monkeypatch.syspath_prepend(tmp_path)
    yield file
    sys.modules.pop("nearest", None)


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
    assert len(lines) == 6
    assert sum(line.startswith("nearest:Nearest ") for line in lines) == 3


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
