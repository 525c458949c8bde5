"""Tenants with nodes of their own: drawn in their shares, kept apart, told apart."""

import numpy as np
import pytest

from edgewright.agents import policies
from edgewright.core.substrate import LABEL_SLICE
from edgewright.emulation import city, scenario
from edgewright.emulation.demand.episode import Demand, episode, prepare
from edgewright.emulation.fluid.simulator import Fluid
from edgewright.emulation.playing import play
from edgewright.emulation.scenario import Scenario
from edgewright.emulation.testbed.objects import node

SLICES = [{"name": "gold", "nodes": 0.3, "dags": 0.4}, {"name": "tin", "nodes": 0.1, "dags": 0.1}]


def sliced(slices: list[dict[str, object]]) -> Scenario:
    fields = scenario.load("metro-small").model_dump(by_alias=True)
    return Scenario.model_validate(
        {**fields, "slices": slices, "demand": {**fields["demand"], "templates": 10}}
    )


@pytest.fixture(scope="module")
def tenants() -> Demand:
    return prepare(city.build(sliced(SLICES)), seed=3)


def owners(world: Demand) -> list[str]:
    """Whose each node is."""
    return [n.labels.get(LABEL_SLICE, "") for n in world.city.nodes]


def test_sites_and_dags_are_drawn_in_their_shares(tenants: Demand) -> None:
    sites = [n for n in tenants.city.nodes if n.tier == "edge"]
    own = [n.labels.get(LABEL_SLICE, "") for n in sites]
    assert own.count("gold") == pytest.approx(0.3 * len(sites), abs=0.15 * len(sites))
    assert all(not n.labels for n in tenants.city.nodes if n.tier != "edge")
    for region in range(2):
        dags = [d.slice for d, r in zip(tenants.pool.dags, tenants.pool.region, strict=True) if r == region]
        assert (dags.count("gold"), dags.count("tin"), dags.count("")) == (4, 1, 5)


def test_slices_change_neither_hardware_nor_the_dags_that_fit(tenants: Demand, world: Demand) -> None:
    for a, b in zip(tenants.city.nodes, world.city.nodes, strict=True):
        assert (a.name, a.capacity, a.latency) == (b.name, b.capacity, b.latency)
    assert tenants.pool.kind == world.pool.kind


def test_nobody_s_replicas_are_on_another_s_nodes(tenants: Demand) -> None:
    drawn, own = episode(tenants, seed=5, periods=12), owners(tenants)
    frames = play(tenants, drawn, policies.create("heuristic"), seed=5)
    fluid = Fluid(tenants.city.substrate, tenants.city.members, drawn.dags, drawn.region)
    fluid.reset([drawn], [5])
    for g, a in enumerate(fluid.state.head[0].tolist()):
        if a >= 0:
            slice_ = drawn.dags[drawn.template[a]].slice
            members = tenants.city.members[g]
            may = np.flatnonzero(fluid.open_nodes(0, g)[:, : len(members)].any(axis=0))
            assert {own[members[row]] for row in may} <= {"", slice_}
    kinds = {kind for frame in frames for kind in frame.kind}
    assert {kind.partition(" of ")[2] for kind in kinds} == {"gold", "tin", ""}


def test_a_testbed_s_nodes_are_labelled(tenants: Demand) -> None:
    for given, own in zip(tenants.city.nodes, owners(tenants), strict=True):
        assert node(tenants.city, given)["metadata"]["labels"].get(LABEL_SLICE, "") == own


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        (
            [{"name": "a", "nodes": 0.6, "dags": 0.1}, {"name": "b", "nodes": 0.6, "dags": 0.1}],
            "nodes add up",
        ),
        ([{"name": "a", "nodes": 0.1, "dags": 0.7}, {"name": "b", "nodes": 0.1, "dags": 0.7}], "dags add up"),
        ([{"name": "a", "nodes": 0.1, "dags": 0.1}] * 2, "names must differ"),
        ([{"name": "A b", "nodes": 0.1, "dags": 0.1}], "should match pattern"),
    ],
)
def test_slices_that_cannot_be_are_refused(slices: list[dict[str, object]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sliced(slices)
