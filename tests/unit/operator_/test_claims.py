"""Who governs what when EdgeControllers overlap."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgewright.operator.claims import Region, Share, claim, governor

NODES = {
    "edge-1": {"region": "a"},
    "edge-2": {"region": "a", "tier": "edge"},
    "edge-3": {"region": "b", "tier": "edge"},
    "core-0": {"tier": "core"},
}


def region(name: str, created: str = "2026-01-01T00:00:00Z", **fields: Any) -> Region:
    return Region(key=(f"ns-{name}", name), created=created, **{"selector": {"region": name}, **fields})


def test_each_region_gets_the_nodes_it_selects_and_its_own_namespace() -> None:
    claims = claim([region("a"), region("b")], NODES)
    assert claims["ns-a", "a"].nodes == ["edge-1", "edge-2"]
    assert claims["ns-b", "b"].nodes == ["edge-3"]
    assert governor(claims, "ns-b") == ("ns-b", "b")
    assert governor(claims, "default") is None


def test_the_older_claim_wins_and_both_learn_of_it() -> None:
    old = region("b", created="2025-01-01T00:00:00Z", selector={"tier": "edge"})
    claims = claim([region("a"), old], NODES)
    assert claims[old.key].nodes == ["edge-2", "edge-3"]
    assert claims["ns-a", "a"].nodes == ["edge-1"]
    assert claims["ns-a", "a"].lost_nodes == {"edge-2": old.key}
    assert claims[old.key].contested_nodes == {"edge-2": ("ns-a", "a")}


def test_equal_ages_are_decided_by_name() -> None:
    claims = claim([region("z", selector={"region": "a"}), region("a")], NODES)
    assert claims["ns-a", "a"].nodes == ["edge-1", "edge-2"]
    assert claims["ns-z", "z"].nodes == []


def test_shares_add_up_to_at_most_the_whole_node() -> None:
    share = (Share({"tier": "core"}, 0.5),)
    regions = [
        region(name, created=f"2026-01-0{i}T00:00:00Z", shares=share) for i, name in enumerate("xyz", 1)
    ]
    claims = claim(regions, NODES)
    assert claims["ns-x", "x"].shared == {"core-0": 0.5}
    assert claims["ns-y", "y"].shared == {"core-0": 0.5}
    assert claims["ns-z", "z"].shared == {}
    assert claims["ns-z", "z"].refused_shares == {"core-0": 1.5}


def test_ten_tenths_are_a_whole() -> None:
    regions = [region(f"r{i}", shares=(Share({"tier": "core"}, 0.1),)) for i in range(10)]
    assert all(claim.shared == {"core-0": 0.1} for claim in claim(regions, NODES).values())


def test_a_second_edge_controller_in_a_namespace_gets_nothing() -> None:
    first = Region(("ns", "a"), "2026-01-01T00:00:00Z", {"region": "a"})
    second = Region(("ns", "b"), "2026-01-02T00:00:00Z", {"region": "b"}, namespaces=("other",))
    claims = claim([second, first], NODES)
    assert claims[second.key].rival == first.key
    assert claims[second.key].nodes == []
    assert governor(claims, "other") is None


def test_a_namespace_that_two_name_belongs_to_the_older() -> None:
    old = region("a", namespaces=("tenant",))
    young = region("b", created="2026-02-01T00:00:00Z", namespaces=("tenant", "mine"))
    claims = claim([young, old], NODES)
    assert governor(claims, "tenant") == old.key
    assert governor(claims, "mine") == young.key
    assert claims[young.key].lost_namespaces == {"tenant": old.key}


def test_an_empty_selector_claims_no_node() -> None:
    assert claim([region("a", selector={})], NODES)["ns-a", "a"].nodes == []


REGIONS = st.lists(
    st.builds(
        Region,
        key=st.tuples(st.sampled_from("pqr"), st.sampled_from("ab")),
        created=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        selector=st.dictionaries(
            st.sampled_from(["region", "tier"]), st.sampled_from(["a", "b", "edge", "core"])
        ),
        shares=st.lists(
            st.builds(Share, st.just({"tier": "core"}), st.sampled_from([0.1, 0.3, 0.5, 1.0])), max_size=2
        ).map(tuple),
        namespaces=st.lists(st.sampled_from("pqr"), max_size=2, unique=True).map(tuple),
    ),
    max_size=5,
    unique_by=lambda region: region.key,
)


@given(REGIONS)
def test_no_capacity_and_no_namespace_is_given_twice(regions: list[Region]) -> None:
    claims = claim(regions, NODES)
    for node in NODES:
        given_out = sum(1.0 if node in c.owned else c.shared.get(node, 0.0) for c in claims.values())
        assert given_out <= 1 + 1e-9
    for namespace in "pqr":
        assert sum(namespace in c.namespaces for c in claims.values()) <= 1
    assert claims == claim(reversed(regions), NODES)
