"""Custom resources that are older or newer than the operator."""

import copy
from typing import Any

import pytest

from edgewright.kube.crds.generate import KINDS, Kind, definition
from edgewright.operator.installed import missing_fields

EDGE_CONTROLLER = next(kind for kind in KINDS if kind.kind == "EdgeController")


def properties(crd: dict[str, Any], part: str) -> dict[str, Any]:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"][part]["properties"]
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_our_own_definitions_lack_nothing(kind: Kind) -> None:
    assert missing_fields(kind, definition(kind)) == set()


def test_an_older_definition_lacks_what_came_later() -> None:
    older = copy.deepcopy(definition(EDGE_CONTROLLER))
    del properties(older, "spec")["resources"]
    del properties(older, "status")["lastError"]
    assert missing_fields(EDGE_CONTROLLER, older) == {"spec.resources", "status.lastError"}


def test_a_newer_definition_lacks_nothing() -> None:
    newer = copy.deepcopy(definition(EDGE_CONTROLLER))
    properties(newer, "spec")["checkpoint"] = {"type": "object", "properties": {}}
    assert missing_fields(EDGE_CONTROLLER, newer) == set()
