"""What an EdgeController's status says, and which rights its agent gets."""

from typing import Any

import pytest

from edgewright.kube.conditions import Reason
from edgewright.kube.names import ROLE_AGENT_NODES
from edgewright.operator.claims import Claim
from edgewright.operator.observed import Now
from edgewright.operator.regions import Controller, Trouble, refused, rights, static_subjects, status

NOW = Now(1.0, "2026-11-21T08:00:00Z")


@pytest.fixture
def controller() -> Controller:
    return Controller.read(
        {
            "metadata": {"namespace": "home", "name": "ec", "uid": "u", "generation": 3},
            "spec": {"nodeSelector": {"region": "a"}, "namespaces": ["home", "guest"]},
        }
    )


def conditions(made: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in made["conditions"]}


@pytest.mark.parametrize(
    ("claim", "agent", "expected"),
    [
        (Claim(owned={"n"}), True, {"Ready": ("True", "AgentReady"), "Degraded": ("False", "AsExpected")}),
        (Claim(owned={"n"}), False, {"Ready": ("False", "AgentMissing")}),
        (Claim(), True, {"Ready": ("False", "NoNodes")}),
        (Claim(owned={"n"}, lost_nodes={"m": ("x", "y")}), True, {"Degraded": ("True", "NodeClaimed")}),
        (Claim(owned={"n"}, contested_nodes={"n": ("x", "y")}), True, {"Degraded": ("True", "NodeClaimed")}),
        (Claim(owned={"n"}, refused_shares={"core": 1.5}), True, {"Degraded": ("True", "SharesExceeded")}),
        (Claim(rival=("home", "old")), True, {"Accepted": ("False", "NamespaceClaimed")}),
    ],
)
def test_each_claim_has_its_conditions(
    claim: Claim, agent: bool, expected: dict[str, tuple[str, str]], controller: Controller
) -> None:
    said = conditions(status(controller, claim, agent=agent, now=NOW))
    assert {kind: said[kind] for kind in expected} == expected


def test_many_nodes_are_named_briefly(controller: Controller) -> None:
    lost = {f"n{i:03}": ("x", "y") for i in range(40)}
    [said] = [
        entry["message"]
        for entry in status(controller, Claim(owned={"n"}, lost_nodes=lost), agent=True, now=NOW)[
            "conditions"
        ]
        if entry["type"] == "Degraded"
    ]
    assert "n000" in said
    assert "35 more" in said
    assert "x/y" in said


def test_every_governed_namespace_gets_the_grant_of_nodes_before_the_role(controller: Controller) -> None:
    made = rights(controller, Claim(owned={"n"}, namespaces={"home", "guest"}))
    kinds = [(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]) for body in made]
    assert kinds == [
        ("RoleBinding", "home", "edgewright-agent-home"),
        ("Role", "guest", ROLE_AGENT_NODES),
        ("RoleBinding", "guest", ROLE_AGENT_NODES),
        ("RoleBinding", "guest", "edgewright-agent"),
        ("Role", "home", ROLE_AGENT_NODES),
        ("RoleBinding", "home", ROLE_AGENT_NODES),
        ("RoleBinding", "home", "edgewright-agent"),
        ("ServiceAccount", "home", "edgewright-agent"),
    ]
    for body in made:
        owners = body["metadata"].get("ownerReferences")
        assert bool(owners) == (body["kind"] == "ServiceAccount"), "owner references never cross namespaces"


def test_an_agent_that_governs_only_guests_still_has_its_lease_at_home(controller: Controller) -> None:
    made = rights(controller, Claim(owned={"n"}, namespaces={"guest"}))
    at_home = [
        (body["kind"], body["metadata"]["name"]) for body in made if body["metadata"]["namespace"] == "home"
    ]
    assert at_home == [("RoleBinding", "edgewright-agent-home"), ("ServiceAccount", "edgewright-agent")]


FAILING = Trouble(Reason.AGENT_FAILING, "1 of 2 agent pods: no node takes it")


@pytest.mark.parametrize(
    ("trouble", "agent", "expected"),
    [
        (FAILING, False, {"Ready": ("False", "AgentFailing"), "Degraded": ("True", "AgentFailing")}),
        (FAILING, True, {"Ready": ("True", "AgentReady"), "Degraded": ("True", "AgentFailing")}),
        (
            refused("Deployment edgewright-agent", "forbidden"),
            False,
            {"Accepted": ("False", "ObjectRefused"), "Ready": ("False", "ObjectRefused")},
        ),
        (
            Trouble(Reason.NAME_CONFLICT, "belongs to someone else", written=False),
            True,
            {"Accepted": ("False", "NameConflict"), "Ready": ("True", "AgentReady")},
        ),
    ],
)
def test_what_keeps_agents_from_running_is_said(
    trouble: Trouble, agent: bool, expected: dict[str, Any], controller: Controller
) -> None:
    made = status(controller, Claim(owned={"n"}), agent=agent, trouble=trouble, now=NOW)
    said = conditions(made)
    assert {kind: said[kind] for kind in expected} == expected
    assert any(trouble.message in entry["message"] for entry in made["conditions"])


def test_the_static_bindings_name_every_agent_once(controller: Controller) -> None:
    assert static_subjects([controller, controller]) == [
        {"kind": "ServiceAccount", "name": "edgewright-agent", "namespace": "home"}
    ]
