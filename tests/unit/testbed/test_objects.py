"""A city's Kubernetes objects are legal, complete, and say what the city says."""

import pytest

from edgewright.core.service import CPU, MEMORY, RADIO
from edgewright.core.units import GIB, MBPS
from edgewright.emulation import scenario
from edgewright.emulation.city import City, build
from edgewright.emulation.testbed import objects
from edgewright.kube import names
from edgewright.kube.crds.edge_controller import EdgeController
from edgewright.kube.crds.edge_topology import EdgeTopology
from edgewright.kube.quantities import parse


@pytest.fixture(scope="module", params=["melbourne", "melbourne-small", "grid-1000"])
def city(request: pytest.FixtureRequest) -> City:
    return build(scenario.load(request.param))


def test_nodes_offer_what_the_city_says(city: City) -> None:
    for node in city.nodes:
        made = objects.node(city, node)
        offered = {name: parse(quantity) for name, quantity in made["status"]["allocatable"].items()}
        assert offered["cpu"] == node.capacity[CPU]
        assert offered["memory"] == pytest.approx(node.capacity[MEMORY], rel=1e-6)
        assert offered.get(names.RESOURCE_RADIO, 0.0) * MBPS == node.capacity[RADIO]
        x, y = made["metadata"]["annotations"][names.ANNOTATION_LOCATION].split(",")
        assert node.location == pytest.approx((float(x), float(y)), abs=0.5)


def test_only_edge_nodes_are_tainted_and_have_a_radio(city: City) -> None:
    for node in city.nodes:
        made = objects.node(city, node)
        taints = [taint["key"] for taint in made["spec"]["taints"]]
        assert (taints == [names.TAINT_EDGE]) == (node.tier == "edge")
        assert (names.LABEL_RADIO in made["metadata"]["labels"]) == (node.tier == "edge")


def test_only_the_core_has_no_region(city: City) -> None:
    without = [
        node.name
        for node in city.nodes
        if names.LABEL_REGION not in objects.node(city, node)["metadata"]["labels"]
    ]
    assert without == ["core"]


def test_label_values_are_legal(city: City) -> None:
    for node in city.nodes:
        for value in objects.node(city, node)["metadata"]["labels"].values():
            assert len(value) <= 63


def test_edge_controllers_are_legal_and_share_at_most_everything(city: City) -> None:
    made = [objects.edge_controller(city, region) for region in city.regions]
    specs = [EdgeController.model_validate({"spec": item["spec"]}).spec for item in made]
    assert sum(spec.shared[0].fraction for spec in specs) <= 1
    assert [item["metadata"]["namespace"] for item in made] == [region.name for region in city.regions]
    trunks = {(link.source, link.target) for shared in specs[0].shared for link in shared.links}
    assert trunks == {(link.source, link.target) for link in city.links if link.link_class == "aggregation"}


def test_all_links_are_in_legal_topologies(city: City) -> None:
    made = objects.edge_topologies(city)
    specs = [EdgeTopology.model_validate({"spec": item["spec"]}).spec for item in made]
    assert sum(len(spec.links) for spec in specs) == len(city.links)
    assert len({item["metadata"]["name"] for item in made}) == len(made)
    link = specs[0].links[0]
    assert link.bandwidth_mbps * MBPS == city.links[0].bandwidth
    assert link.delay_ms == pytest.approx(city.links[0].delay * 1000)


def test_memory_is_whole(city: City) -> None:
    assert all(node.capacity[MEMORY] % GIB == 0 for node in city.nodes)
