"""Which nodes a fault strikes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.emulation.chaos import draw, links
from edgewright.emulation.chaos.draw import Fleet
from edgewright.emulation.chaos.errors import ChaosError

NODES = [f"edge-{i}" for i in range(20)]
FLEET = Fleet(
    zones={**{name: f"zone-{i % 4}" for i, name in enumerate(NODES)}, "core": ""},
    edge=NODES,
    carriers={"edge-3", "edge-7", "edge-11", "core"},
)


@given(st.floats(min_value=0.1, max_value=100), st.integers(0, 1000))
def test_a_share_is_of_all_edge_nodes_and_strikes_those_that_carry_replicas_first(
    percent: float, seed: int
) -> None:
    struck = draw.choose(FLEET, percent=percent, seed=seed)
    assert len(struck) == max(1, round(20 * percent / 100))
    assert len(set(struck)) == len(struck)
    assert set(struck) <= set(NODES), "the core site is never drawn"
    carrying = {"edge-3", "edge-7", "edge-11"}
    assert set(struck) <= carrying or carrying <= set(struck)


def test_the_same_seed_draws_the_same_nodes_and_another_one_others() -> None:
    draws = {tuple(draw.choose(FLEET, count=2, seed=seed)) for seed in range(20)}
    assert draw.choose(FLEET, count=2, seed=5) == draw.choose(FLEET, count=2, seed=5)
    assert len(draws) > 1


def test_names_go_before_a_zone_and_a_zone_before_a_count() -> None:
    assert draw.choose(FLEET, nodes="edge-2, edge-1", zone="zone-0", count=5) == ["edge-1", "edge-2"]
    zone = draw.choose(FLEET, zone="zone-1", count=1)
    assert zone == sorted(name for name in NODES if FLEET.zones[name] == "zone-1")


def test_a_drawn_zone_is_one_that_carries_replicas() -> None:
    only = Fleet(FLEET.zones, FLEET.edge, {"edge-6"})
    for seed in range(10):
        assert "edge-6" in draw.choose(only, zone=draw.DRAWN, seed=seed)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"nodes": "edge-1,egde-2"}, "egde-2"),
        ({"zone": "zone-9"}, "zone-9"),
        ({"count": 21}, "count is 21"),
        ({"count": -1}, "count is -1"),
        ({"percent": 0}, "percent is 0"),
        ({"percent": 101}, "percent is 101"),
        ({}, "percent is 0"),
    ],
)
def test_what_cannot_be_struck_is_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ChaosError, match=named):
        draw.choose(FLEET, **arguments)  # type: ignore[arg-type]


LINKS = {
    "a--b": {"source": "a", "target": "b"},
    "b--c": {"source": "b", "target": "c"},
    "a--core": {"source": "a", "target": "core"},
}


@pytest.mark.parametrize(
    ("given", "struck"),
    [
        ("a--b", ["a--b"]),
        ("b--a", ["a--b"]),
        ("b", ["a--b", "b--c"]),
        ("b--c, core", ["a--core", "b--c"]),
    ],
)
def test_links_are_named_by_their_ends_or_by_a_node(given: str, struck: list[str]) -> None:
    assert links.named(LINKS, given) == struck


@pytest.mark.parametrize("given", ["a--c", "d", "a--b,x"])
def test_links_that_do_not_exist_are_named(given: str) -> None:
    with pytest.raises(ChaosError, match="no link"):
        links.named(LINKS, given)
