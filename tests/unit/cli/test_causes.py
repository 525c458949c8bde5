"""Why pods are pending: every constraint has a remedy, and the nearest cause is told first."""

from typing import Any

from edgewright.cli.causes import Facts
from edgewright.cli.holders import Holder
from edgewright.cli.pending import Entry, entries
from edgewright.cli.remedies import CONSTRAINTS
from edgewright.core.problem import Constraint
from edgewright.kube import names

ALIVE = Holder("someone", 1.0, 15.0)


def pod(name: str, microservice: str = "a", **spec: Any) -> dict[str, Any]:
    labels = {names.LABEL_DAG: "shop", names.LABEL_MICROSERVICE: microservice}
    return {
        "metadata": {"namespace": "ns", "name": name, "uid": name, "labels": labels},
        "spec": {"schedulerName": names.SCHEDULER, **spec},
        "status": {"phase": "Pending"},
    }


def dag(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ns", "name": "shop", "generation": 1},
        "spec": {"microservices": [{"name": "a"}, {"name": "b", "replicas": {"min": 2}}]},
        "status": {"observedGeneration": 1, **status},
    }


def told(*pods: dict[str, Any], **facts: Any) -> list[Entry]:
    """What is said of these pods of the DAG `shop` in a namespace that is governed."""
    controller = {"metadata": {"namespace": "ns", "name": "ec"}}
    given = {
        "pods": pods,
        "dags": [dag()],
        "deployments": [],
        "events": [],
        "governors": {"ns": controller},
        "agents": {"ns": ALIVE},
        "operator": ALIVE,
        **facts,
    }
    made = Facts(**given)
    return entries(made, pods, [])


def reasons(*pods: dict[str, Any], **facts: Any) -> list[str]:
    [entry] = told(*pods, **facts)
    return [cause.reason for cause in entry.causes]


def test_every_constraint_has_a_remedy() -> None:
    assert set(CONSTRAINTS) == {constraint.value for constraint in Constraint}


def test_nothing_in_the_way_is_said_as_such() -> None:
    assert reasons(pod("a-0")) == ["WaitingForAgent"]


def test_a_gate_comes_before_all_that_is_wrong_with_the_dag() -> None:
    unplaced = [{"constraint": "cpu", "microservice": "a", "message": "too little"}]
    gated = pod("a-0", schedulingGates=[{"name": "later"}])
    assert reasons(gated, dags=[dag(unplaced=unplaced)]) == ["SchedulingGated"]


def test_pods_of_one_group_share_the_cause_of_one_of_them() -> None:
    unplaced = [{"constraint": "gpu", "microservice": "b", "message": "no gpu"}]
    [entry] = told(pod("a-0"), pod("b-0", "b"), dags=[dag(unplaced=unplaced)])
    assert entry.pods == ("a-0", "b-0")
    assert [cause.message for cause in entry.causes] == ["no gpu"]


def test_a_dead_agent_is_named_beside_what_it_last_said() -> None:
    unplaced = [{"constraint": "cpu", "microservice": "a", "message": "too little"}]
    dead = {"ns": Holder("someone", 60.0, 15.0)}
    assert reasons(pod("a-0"), dags=[dag(unplaced=unplaced)], agents=dead) == ["AgentMissing", "cpu"]


def test_a_dead_operator_explains_everything() -> None:
    assert reasons(pod("a-0"), operator=Holder(""))[0] == "NoOperator"


def test_what_may_not_be_read_is_not_guessed() -> None:
    assert reasons(pod("a-0"), governors=None, deployments=None, events=None, agents={}, operator=None) == [
        "WaitingForAgent"
    ]


def test_the_last_warning_speaks_where_nothing_else_does() -> None:
    event = {"type": "Warning", "message": "odd", "involvedObject": {"uid": "a-0"}, "lastTimestamp": "2026"}
    [entry] = told(pod("a-0"), events=[event])
    assert entry.causes[0].message == "odd"


def test_pods_that_do_not_exist_are_counted() -> None:
    made = Facts([pod("b-0", "b")], [dag()], [], [], {"ns": {"metadata": {}}}, {}, ALIVE)
    [entry] = entries(made, [], [dag()])
    assert (entry.pods, entry.missing) == ((), 2)
    assert entry.causes[0].reason == "NoPods"
