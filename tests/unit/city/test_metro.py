"""The city of 200 servers is what [MAPPO] prints, stretched and connected as its scenario says."""

import numpy as np
import pytest
import yaml

from edgewright.core.service import CPU
from edgewright.core.units import MS
from edgewright.emulation import city, eua, scenario
from edgewright.emulation.city import City
from edgewright.emulation.demand.coverage import survey
from edgewright.emulation.fields import ScenarioError
from edgewright.emulation.scenario import Scenario


def changed(**fields: object) -> Scenario:
    given = yaml.safe_load(scenario.known()["metro"].read_text())
    return Scenario.model_validate({**given, **fields})


def test_125_real_sites_are_extended_by_75_sampled_ones(metro: City) -> None:
    edge = [node.name for node in metro.nodes if node.tier == "edge"]
    real = {f"edge-{site.id}" for site in eua.sites()}
    assert len(edge) == 200
    assert real <= set(edge)
    assert len(metro.users) == 816


def test_dags_may_take_a_part_of_controllers_and_core(metro: City) -> None:
    whole = city.build(changed(controller={**metro.scenario.controller.model_dump(), "available": 1.0}))
    for mine, full in zip(metro.nodes, whole.nodes, strict=True):
        if mine.tier == "controller":
            assert mine.capacity[CPU] == pytest.approx(0.2 * full.capacity[CPU])
            assert 32 <= full.capacity[CPU] <= 128


def test_latencies_are_as_printed(metro: City) -> None:
    for node in metro.nodes:
        if node.tier == "edge":
            compute, radio, backhaul = node.latency
            assert 1 * MS - 3e-6 <= compute + 2 * radio + backhaul <= 3 * MS + 3e-6
    for link in metro.links:
        if link.link_class != "core":
            assert 0.1 * MS <= link.delay <= 0.33 * MS


@pytest.mark.parametrize(("name", "times"), [("metro-suburban", 4), ("metro-rural", 10)])
def test_distances_are_stretched(metro: City, name: str, times: float) -> None:
    wide = city.build(scenario.load(name))
    near = {node.name: np.array(node.location) for node in metro.nodes if node.tier == "edge"}
    far = {node.name: np.array(node.location) for node in wide.nodes if node.tier == "edge"}
    a, *others = sorted(near)
    for b in others[:20]:
        before, after = np.hypot(*(near[a] - near[b])), np.hypot(*(far[a] - far[b]))
        assert after == pytest.approx(times * before, rel=2e-3, abs=1.0)


def test_neighbouring_cells_interfere_less_in_the_country(metro: City) -> None:
    rural = city.build(scenario.load("metro-rural"))
    rise = [
        np.median([node.interference["sub6"] for node in each.nodes if node.radio]) for each in (metro, rural)
    ]
    assert rise[0] > rise[1] + 10
    quiet = city.build(changed(interference=0.0))
    assert not any(node.interference for node in quiet.nodes)


def test_the_substrate_is_compiled_once_and_whole(metro: City) -> None:
    assert metro.substrate is metro.substrate
    assert np.isfinite(metro.substrate.path_delay).all()


def test_a_backbone_of_topohub_replaces_the_trunks() -> None:
    built = city.build(changed(backbone={"topology": "gabriel/25/0"}))
    kinds = [link.link_class for link in built.links]
    assert kinds.count("backbone") == 40
    assert kinds.count("aggregation") == 12
    assert np.isfinite(built.substrate.path_delay).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"backbone": {"topology": "gabriel/none"}}, "topohub has no 'gabriel/none'"),
        ({"edge": {"cpu": [0.1, 0.2], "memoryGb": [8, 16]}}, "without capacity"),
        ({"radio": []}, "city metro has no cell"),
    ],
)
def test_impossible_cities_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        survey(city.build(changed(**fields)))


def test_the_middle_of_a_city_has_its_own_users_only(metro: City) -> None:
    small = city.build(scenario.load("metro-small"))
    sites = np.array([node.location for node in small.nodes if node.tier == "edge"])
    users = np.array(small.users)
    away = np.hypot(*(users[:, None] - sites[None, :]).transpose(2, 0, 1)).min(axis=1)
    assert 100 < len(users) < len(metro.users)
    assert away.max() <= 250.0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"stretch": 0.5}, "stretch"),
        ({"stretch": float("nan")}, "stretch"),
        ({"interference": 1.5}, "interference"),
        ({"neighbours": [{"name": "a", "metres": -5, "gbps": 1, "switchMs": 1}]}, "neighbours.0.metres"),
        ({"demand": {"requestsPerSecond": [0, 10]}}, "demand.requestsPerSecond.low"),
        ({"demand": {"requestsPerDag": 0.001}}, "DAGs at a time in a region: at most 1,000"),
        ({"demand": {"lifeMinutes": 0.001}}, "demand.lifeMinutes"),
        ({"edge": {"cpu": [6, 1e30], "memoryGb": [8, 16]}}, "edge.cpu.high"),
        ({"demand": {"mobility": [{"name": "a", "share": 0.5, "model": "static"}]}}, "add up to 0.5"),
        ({"demand": {"mobility": [{"name": "a", "share": 1, "model": "trace"}]}}, "`file` goes with"),
        ({"demand": {"mobility": [{"name": "a", "share": 1, "model": "waypoint"}]}}, "metresPerSecond"),
        ({"sites": {"count": 5, "bounds": [-38, 144, -37, 145]}}, "are for the sites of a `file`"),
    ],
)
def test_fields_out_of_range_are_named(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object], words: str
) -> None:
    given = yaml.safe_load(scenario.known()["metro"].read_text())
    file = tmp_path_factory.mktemp("scenario") / "wrong.yaml"
    file.write_text(yaml.safe_dump({**given, **fields}))
    with pytest.raises(ScenarioError, match=words):
        scenario.load(str(file))
