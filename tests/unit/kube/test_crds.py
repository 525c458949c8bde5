from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from edgewright.kube import manifests
from edgewright.kube.crds.generate import KINDS, Kind, definition, files
from edgewright.kube.crds.schema import each_field

Field = tuple[str, Mapping[str, Any]]


def schema(kind: Kind) -> dict[str, Any]:
    version: dict[str, Any] = definition(kind)["spec"]["versions"][0]
    root: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return root


FIELDS = [
    pytest.param((f"{kind.kind}.{path}", field), id=f"{kind.kind}.{path}")
    for kind in KINDS
    for path, field in each_field(schema(kind))
    if path not in {"apiVersion", "kind", "metadata"}
]


def test_the_files_are_what_the_models_say() -> None:
    folder = manifests.folder() / "crds"
    written = {
        file.name: file.read_text() for file in folder.glob("*.yaml") if file.name != "kustomization.yaml"
    }
    assert written == files(), "run `python -m edgewright.kube.crds` and commit manifests/crds"


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_described_and_bounded(field: Field) -> None:
    path, said = field
    inner = path.endswith(("[]", ".*"))
    if not inner:
        assert said.get("description"), f"{path} has no description"
        assert said["description"][0].isalpha()
        assert said["description"].endswith("."), f"{path}: a description is a sentence"
    if said.get("x-kubernetes-int-or-string") or said.get("type") == "string":
        assert "maxLength" in said or "enum" in said, f"{path} has no maxLength"
    if said.get("type") == "array":
        assert "maxItems" in said, f"{path} has no maxItems"
        assert said.get("x-kubernetes-list-type"), f"{path} does not say how its list is merged"
    if "additionalProperties" in said:
        assert "maxProperties" in said, f"{path} has no maxProperties"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_schema_is_structural(kind: Kind) -> None:
    text = yaml.safe_dump(schema(kind))
    assert "$ref" not in text
    assert "allOf" not in text
    assert "oldSelf" not in text
    for path, field in each_field(schema(kind)):
        if "anyOf" in field:
            assert field.get("x-kubernetes-int-or-string"), f"{path} is a union"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_rules_say_how_to_mend_what_breaks_them(kind: Kind) -> None:
    nodes = [schema(kind), *(field for _, field in each_field(schema(kind)))]
    for node in nodes:
        for rule in node.get("x-kubernetes-validations", []):
            assert len(rule["message"]) > 20, rule
            assert not rule["message"].startswith("failed"), rule


def test_nobody_finds_planner_fields_that_do_nothing() -> None:
    names = {path.rsplit(".", 1)[-1] for kind in KINDS for path, _ in each_field(schema(kind))}
    assert not names & {"checkpoint", "reward", "planner", "controlPeriodMs"}
