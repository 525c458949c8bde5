"""The cities are what [MAPPO] Table 2 and 'Environment setup' describe, on real sites."""

from itertools import pairwise

import numpy as np
import pytest

from edgewright.core.routes import compile_substrate
from edgewright.core.service import CPU, MEMORY, RADIO
from edgewright.core.units import GBPS, GIB, MBPS, MS
from edgewright.emulation import eua, scenario
from edgewright.emulation.city import City, build


@pytest.fixture(scope="module", params=["melbourne", "melbourne-small", "grid-200"])
def city(request: pytest.FixtureRequest) -> City:
    return build(scenario.load(request.param))


@pytest.fixture(scope="module")
def melbourne() -> City:
    return build(scenario.load("melbourne"))


@pytest.fixture(scope="module")
def small() -> City:
    return build(scenario.load("melbourne-small"))


def edge(city: City) -> list[str]:
    return [node.name for node in city.nodes if node.tier == "edge"]


def test_melbourne_is_every_real_site_in_four_regions(melbourne: City) -> None:
    assert len(edge(melbourne)) == 125
    assert set(edge(melbourne)) == {f"edge-{site.id}" for site in eua.sites()}
    assert [region.name for region in melbourne.regions] == [f"melbourne-{n}" for n in (1, 2, 3, 4)]
    assert len(melbourne.nodes) == 125 + 4 + 1


def test_the_small_one_is_24_nodes_of_the_same_sites_in_two_regions(melbourne: City, small: City) -> None:
    assert (len(small.nodes), len(small.regions)) == (24, 2)
    big = {node.name: node for node in melbourne.nodes}
    for node in small.nodes:
        if node.tier == "edge":
            same = big[node.name]
            assert (node.capacity, node.latency, node.location, node.radio) == (
                same.capacity,
                same.latency,
                same.location,
                same.radio,
            )


def test_hardware_is_in_the_papers_ranges(city: City) -> None:
    for node in city.nodes:
        if node.tier == "edge":
            assert 6 <= node.capacity[CPU] <= 10
            assert 8 * GIB <= node.capacity[MEMORY] <= 16 * GIB
            assert 1 * MS - 2e-6 <= sum(node.latency) <= 3 * MS + 2e-6
            assert node.radio
            assert node.capacity[RADIO] >= 2000 * MBPS
        elif node.tier == "controller":
            assert 32 <= node.capacity[CPU] <= 128
            assert 64 * GIB <= node.capacity[MEMORY] <= 256 * GIB
    for link in city.links:
        if link.link_class in ("fibre", "microwave"):
            assert 1 * GBPS <= link.bandwidth <= 2 * GBPS
        if link.link_class == "core":
            assert 20 * GBPS <= link.bandwidth <= 100 * GBPS


def test_capacities_differ_from_site_to_site(melbourne: City) -> None:
    assert len({node.capacity for node in melbourne.nodes if node.tier == "edge"}) > 50


def test_every_node_is_in_exactly_one_region_except_the_core(city: City) -> None:
    members = [name for region in city.regions for name in region.nodes]
    assert len(members) == len(set(members))
    assert set(members) == {node.name for node in city.nodes} - {"core"}
    for region in city.regions:
        assert all(n.region == region.name for n in city.nodes if n.name in region.nodes)


def test_regions_are_of_about_the_same_size_and_lie_from_west_to_east(city: City) -> None:
    sizes = [len(region.nodes) - 1 for region in city.regions]
    average = sum(sizes) / len(sizes)
    assert max(sizes) <= np.ceil(average * 1.12)
    x = {node.name: (node.location or (0, 0))[0] for node in city.nodes}
    middles = [np.mean([x[name] for name in region.nodes[1:]]) for region in city.regions]
    assert all(west <= east for west, east in pairwise(middles))


def test_every_pair_of_nodes_is_connected(city: City) -> None:
    substrate = compile_substrate(city.nodes, city.links)
    assert np.isfinite(substrate.path_delay).all()
    assert (substrate.path_bandwidth > 0).all()
    assert substrate.path_delay.max() < 20 * MS


def test_a_region_is_connected_without_the_others(city: City) -> None:
    for region in city.regions:
        own = {*region.nodes, "core"}
        links = [link for link in city.links if {link.source, link.target} <= own]
        nodes = [node for node in city.nodes if node.name in own]
        assert np.isfinite(compile_substrate(nodes, links).path_delay).all()


def test_neighbours_stay_in_their_region(city: City) -> None:
    region = {node.name: node.region for node in city.nodes}
    for link in city.links:
        if link.link_class in ("street", "district", "metro"):
            assert region[link.source] == region[link.target]


def test_positions_are_metres_from_the_south_west_corner(city: City) -> None:
    for node in city.nodes:
        assert node.location is not None
        x, y = node.location
        assert x >= 0
        assert y >= 0
        place = city.places[node.name]
        assert city.frame.metres(place.latitude, place.longitude) == pytest.approx((x, y), abs=0.2)
    for latitude, longitude in eua.users():
        assert min(city.frame.metres(latitude, longitude)) >= 0


def test_a_scenario_always_gives_the_same_city(city: City) -> None:
    again = build(city.scenario)
    assert again == city


def test_zones_are_parts_of_regions(city: City) -> None:
    for node in city.nodes:
        if node.tier == "edge":
            assert node.zone.startswith(f"{node.region}-")
    zones = {node.zone for node in city.nodes if node.tier == "edge"}
    assert len(zones) == 3 * len(city.regions)
