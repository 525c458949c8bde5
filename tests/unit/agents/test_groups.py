"""Which pods are placed together: the initial gang, what it waits for, and everything that comes later."""

import pytest

from edgewright.agents.groups import Replica, minimum_bound, plan_groups, replica_numbers
from edgewright.core.service import Demand, Microservice, ServiceDag

REQUEST = (0.1, 1e8, 0.0, 0.0, 0.0, 1.0)


def make_dag(**minima: int) -> ServiceDag:
    return ServiceDag(
        namespace="n",
        name="d",
        microservices=tuple(
            Microservice(name, REQUEST, 1e6, min_replicas=least, max_replicas=max(least, 5))
            for name, least in minima.items()
        ),
        invocations=(),
        demand=Demand(1.0, 1.0),
    )


def pod(name: str, node: str = "", created: int = 0, *, held: bool = False) -> Replica:
    """`a-1` is a pod of microservice `a`."""
    return Replica(f"uid-{name}", name, name.partition("-")[0], f"{created:04d}", REQUEST, node, held=held)


PODS = {name: pod(name) for name in ("a-0", "a-1", "a-2", "b-0", "b-1")}


@pytest.mark.parametrize(
    ("minima", "pods", "completed", "groups", "missing"),
    [
        pytest.param({"a": 1, "b": 1}, [], False, [], {"a": 1, "b": 1}, id="no pod yet"),
        pytest.param({"a": 1, "b": 1}, ["a-0"], False, [], {"b": 1}, id="b is missing"),
        pytest.param({"a": 2, "b": 1}, ["a-0", "b-0"], False, [], {"a": 1}, id="quota shows one a of two"),
        pytest.param({"a": 1, "b": 1}, ["a-0", "b-0"], False, [["a-0", "b-0"]], {}, id="complete"),
        pytest.param(
            {"a": 1, "b": 1}, ["a-0", "a-1", "b-0"], False, [["a-0", "b-0"], ["a-1"]], {}, id="elastic later"
        ),
        pytest.param({"a": 1, "b": 1}, ["a-0", "b-0"], True, [["a-0", "b-0"]], {}, id="all lost: a new gang"),
        pytest.param({"a": 1, "x": 0}, ["a-0"], False, [["a-0"]], {}, id="a minimum of 0 waits for nothing"),
        pytest.param({"a": 1}, ["a-0", "b-0"], False, [["a-0"]], {}, id="a removed microservice is ignored"),
    ],
)
def test_nothing_bound(
    minima: dict[str, int],
    pods: list[str],
    completed: bool,
    groups: list[list[str]],
    missing: dict[str, int],
) -> None:
    plan = plan_groups(make_dag(**minima), [PODS[name] for name in pods], completed=completed)
    assert [[replica.name for replica in group] for group in plan.groups] == groups
    assert plan.missing == missing
    assert plan.initial == bool(groups)
    assert not plan.partial


def test_later_pods_are_one_group_beside_the_bound_ones() -> None:
    dag = make_dag(a=1, b=1)
    replicas = [pod("a-0", "n1"), pod("b-0", "n2"), pod("a-1", created=2), pod("b-1", created=1)]
    plan = plan_groups(dag, replicas, completed=True)
    assert [[r.name for r in group] for group in plan.groups] == [["b-1", "a-1"]]
    assert not plan.initial
    assert not plan.partial


def test_a_surge_pod_needs_no_siblings() -> None:
    dag = make_dag(a=2, b=1)
    replicas = [pod("a-0", "n1"), pod("a-1", "n2"), pod("b-0", "n2"), pod("a-9", created=9)]
    assert [r.name for r in plan_groups(dag, replicas, completed=True).groups[0]] == ["a-9"]


def test_a_gang_bound_in_part_is_marked_until_it_was_complete_once() -> None:
    dag = make_dag(a=1, b=1)
    replicas = [pod("a-0", "n1"), pod("b-0")]
    assert plan_groups(dag, replicas, completed=False).partial
    assert not plan_groups(dag, replicas, completed=True).partial
    assert not plan_groups(dag, [pod("a-0", "n1"), pod("b-0", "n1")], completed=False).partial


def test_held_pods_are_not_placed() -> None:
    dag = make_dag(a=1)
    assert plan_groups(dag, [pod("a-0", held=True)], completed=False).missing == {"a": 1}
    replicas = [pod("a-0", "n1"), pod("a-1", held=True)]
    assert plan_groups(dag, replicas, completed=True).groups == ()


def test_the_oldest_pods_form_the_gang() -> None:
    replicas = [pod("a-2", created=3), pod("a-1", created=1), pod("a-0", created=2)]
    plan = plan_groups(make_dag(a=1), replicas, completed=False)
    assert [[r.name for r in group] for group in plan.groups] == [["a-1"], ["a-0", "a-2"]]


def test_numbers_and_minima() -> None:
    replicas = [pod("a-0", "n", 2), pod("a-1", "n", 1), pod("b-0")]
    assert replica_numbers(replicas) == {"uid-a-1": 0, "uid-a-0": 1, "uid-b-0": 0}
    assert minimum_bound(make_dag(a=2), replicas)
    assert not minimum_bound(make_dag(a=1, b=1), replicas)
