"""Scenario files are typed, complete, and refused with words that help."""

from pathlib import Path

import pytest
import yaml

from edgewright.emulation import scenario
from edgewright.emulation.scenario import ScenarioError

MELBOURNE = yaml.safe_load(scenario.known()["melbourne"].read_text())


@pytest.mark.parametrize(
    ("name", "sites", "regions", "nodes"),
    [
        ("melbourne", 125, 4, 130),
        ("melbourne-small", 21, 2, 24),
        ("grid-200", 195, 4, 200),
        ("grid-1000", 995, 4, 1000),
        ("metro", 200, 12, 213),
        ("metro-suburban", 200, 12, 213),
        ("metro-rural", 200, 12, 213),
    ],
)
def test_what_comes_with_edgewright(name: str, sites: int, regions: int, nodes: int) -> None:
    found = scenario.load(name)
    assert (found.name, found.sites.count, found.regions, found.nodes) == (name, sites, regions, nodes)


def test_every_scenario_file_is_listed_above() -> None:
    assert set(scenario.known()) == {
        "melbourne",
        "melbourne-small",
        "grid-200",
        "grid-1000",
        "metro",
        "metro-suburban",
        "metro-rural",
    }


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match=r"no scenario 'sydney'.*melbourne, melbourne-small"):
        scenario.load("sydney")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "base: melbourne\nname: mine\ndescription: nine sites\nsites: {count: 9, choose: central}\n"
    )
    found = scenario.load(str(file))
    assert (found.name, found.nodes, found.edge.cpu.high) == ("mine", 14, 10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": 0}, "regions"),
        ({"colour": "red"}, "colour"),
        ({"sites": {"count": 126}}, "there are 125 real sites, not 126"),
        ({"sites": {"count": 2, "choose": "central"}}, "4 regions need as many sites"),
        ({"latencySplit": [0.5, 0.5, 0.5]}, "latencySplit"),
        ({"edge": {"cpu": [10, 6], "memoryGb": [8, 16]}}, "low 10 is above high 6"),
        ({"backhaul": [{"name": "a", "share": 0.5, "gbps": [1, 2], "latencyMs": [1, 2]}]}, "add up to 0.5"),
        ({"name": "Melbourne"}, "name"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({**MELBOURNE, **change}))
    with pytest.raises(ScenarioError, match=words) as refused:
        scenario.load(str(file))
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "base: nowhere\n", ""])
def test_what_is_no_scenario_at_all(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=r"wrong\.yaml"):
        scenario.load(str(file))


def test_resizing_counts_controllers_and_the_core() -> None:
    found = scenario.load("melbourne").resized(nodes=50, regions=3)
    assert (found.nodes, found.regions, found.sites.count, found.sites.choose) == (50, 3, 46, "around")
    with pytest.raises(ScenarioError, match="at least 9 nodes"):
        scenario.load("melbourne").resized(nodes=8)
