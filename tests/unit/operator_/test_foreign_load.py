"""Foreign load follows the pods, whatever the order of events, and is written in bounded chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.kube.objects import Container, ContainerResources, Metadata, Pod, PodSpec, PodStatus
from edgewright.operator.claims import Claim
from edgewright.operator.foreign_load import CHUNK, Ledger, RegionLoad, requested_elsewhere


def pod(name: str, namespace: str, node: str = "", cpu: str = "500m", phase: str = "Running") -> Pod:
    resources = ContainerResources(requests={"cpu": cpu, "memory": "64Mi", "edgewright.dev/radio-mbps": "10"})
    return Pod(
        metadata=Metadata(name=name, namespace=namespace, uid=name),
        spec=PodSpec(containers=[Container("main", resources)], node_name=node),
        status=PodStatus(phase=phase),
    )


def test_only_bound_pods_that_still_run_weigh_something() -> None:
    ledger = Ledger()
    ledger.move(None, pod("a", "x"))
    ledger.move(None, pod("b", "x", "n1", phase="Succeeded"))
    assert not ledger.sums
    ledger.move(pod("a", "x"), pod("a", "x", "n1"))
    assert ledger.foreign("n1", set()) == (0.5, 64 * 2**20, 0, 0, 10, 1)
    assert ledger.foreign("n1", {"x"}) == (0,) * 6
    ledger.move(pod("a", "x", "n1"), None)
    assert not ledger.sums


PODS = st.builds(
    pod,
    name=st.sampled_from("abcd"),
    namespace=st.sampled_from("xy"),
    node=st.sampled_from(["", "n1", "n2"]),
    cpu=st.sampled_from(["100m", "300m", "1"]),
    phase=st.sampled_from(["Running", "Failed"]),
)


@given(st.lists(st.tuples(PODS, st.booleans()), max_size=40))
def test_the_ledger_equals_a_recount(events: list[tuple[Pod, bool]]) -> None:
    ledger = Ledger()
    present: dict[tuple[str, str], Pod] = {}
    for new, deleted in events:
        key = new.metadata.key
        old = present.pop(key, None)
        ledger.move(old, None if deleted else new)
        if not deleted:
            present[key] = new
    recount = Ledger()
    for last in present.values():
        recount.move(None, last)
    for node in ("n1", "n2"):
        assert ledger.foreign(node, set()) == recount.foreign(node, set())
        assert ledger.foreign(node, {"x"}) == recount.foreign(node, {"x"})


def test_a_shared_node_counts_the_fraction_of_ungoverned_pods_only() -> None:
    ledger = Ledger()
    for namespace in ("mine", "neighbour", "stranger"):
        ledger.move(None, pod(namespace, namespace, "core"))
        ledger.move(None, pod(f"{namespace}-e", namespace, "edge"))
    claim = Claim(owned={"edge"}, shared={"core": 0.5}, namespaces={"mine"})
    load = RegionLoad(("mine", "ec"))
    load.update(ledger, claim, frozenset({"mine", "neighbour"}), ["core", "edge"])
    assert load.members(0)["core"][0] == 0.25
    assert load.members(0)["edge"][0] == 1.0


def test_every_region_is_told_of_the_others() -> None:
    ledger = Ledger()
    for node in ("a1", "b1", "b2"):
        ledger.move(None, pod(node, "x", node, cpu="1"))
    claims = {("a", "ec"): Claim(owned={"a1", "a2"}), ("b", "ec"): Claim(owned={"b1", "b2", "unseen"})}
    cores = {"a1": 2.0, "a2": 4.0, "b1": 4.0, "b2": 10.0, "somebody's": 1.0}
    told = requested_elsewhere(ledger, claims, cores)
    assert told == {("a", "ec"): pytest.approx((0.25 + 0.1) / 2), ("b", "ec"): pytest.approx(0.25)}
    assert requested_elsewhere(ledger, {("a", "ec"): claims["a", "ec"]}, cores) == {("a", "ec"): 0.0}
    load = RegionLoad(("a", "ec"))
    assert load.body(0, "t", 0.17512345)["spec"]["requestedElsewhere"] == 0.1751
    assert "requestedElsewhere" not in load.body(1, "t", 0.175)["spec"]


def test_chunks_stay_small_and_stable_and_vanish_when_empty() -> None:
    ledger, nodes = Ledger(), [f"n{i:04}" for i in range(2 * CHUNK + 10)]
    for node in nodes:
        ledger.move(None, pod(node, "other", node))
    claim = Claim(owned=set(nodes), namespaces={"mine"})
    load = RegionLoad(("mine", "ec"))
    load.update(ledger, claim, frozenset({"mine"}), nodes)
    assert [len(load.members(chunk)) for chunk in range(3)] == [CHUNK, CHUNK, 10]
    load.dirty.clear()
    load.update(ledger, claim, frozenset({"mine"}), nodes)
    assert not load.dirty
    ledger.move(pod(nodes[0], "other", nodes[0]), None)
    load.update(ledger, claim, frozenset({"mine"}), nodes[:1])
    assert load.dirty == {0}
    for node in nodes[2 * CHUNK :]:
        ledger.move(pod(node, "other", node), None)
    load.update(ledger, claim, frozenset({"mine"}), nodes[2 * CHUNK :])
    assert load.empty(2)
    assert not load.empty(0)


def test_a_node_that_left_the_region_is_no_longer_reported() -> None:
    ledger = Ledger()
    ledger.move(None, pod("a", "other", "n1"))
    load = RegionLoad(("mine", "ec"))
    load.update(ledger, Claim(owned={"n1"}), frozenset(), ["n1"])
    load.update(ledger, Claim(), frozenset(), ["n1"])
    assert load.members(0) == {}
