"""Pydantic models as structural OpenAPI v3 schemas, the subset that CustomResourceDefinitions accept."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KEPT = {
    "type", "description", "enum", "default", "format", "pattern", "nullable",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
    "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-validations", "x-kubernetes-map-type",
}  # fmt: skip


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with references inlined, `None` defaults and unions with null dissolved.

    Raises ValueError naming the field for anything that a structural schema cannot say.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _converted(schema, schema.get("$defs", {}), model.__name__)


def _converted(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> dict[str, Any]:
    node = _resolved(node, definitions)
    if node.get("x-kubernetes-int-or-string"):
        kept = {name: value for name, value in node.items() if name in _KEPT}
        kept["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        _settle_default(kept)
        return kept
    if "anyOf" in node:
        real = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(real) != 1:
            raise ValueError(f"{path}: a union of {len(real)} types has no structural schema")
        outer = {name: value for name, value in node.items() if name != "anyOf"}
        return _converted({**_resolved(real[0], definitions), **outer}, definitions, path)
    out = {name: value for name, value in node.items() if name in _KEPT}
    unknown = (
        node.keys() - _KEPT - {"title", "properties", "items", "required", "additionalProperties", "$defs"}
    )
    if unknown:
        raise ValueError(f"{path}: {', '.join(sorted(unknown))} cannot be said in a structural schema")
    _enforce_fractional_minimum(out)
    if "properties" in node:
        out["properties"] = {
            name: _converted(child, definitions, f"{path}.{name}")
            for name, child in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _converted(node["additionalProperties"], definitions, f"{path}.*")
        out["x-kubernetes-map-type"] = "granular"
    if "items" in node:
        out["items"] = _converted(node["items"], definitions, f"{path}[]")
    if node.get("required"):
        out["required"] = sorted(node["required"])
    _settle_default(out)
    return out


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return dict(node)
    target = _resolved(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    rules = [*target.get("x-kubernetes-validations", []), *node.get("x-kubernetes-validations", [])]
    merged = {**target, **{name: value for name, value in node.items() if name != "$ref"}}
    return {**merged, **({"x-kubernetes-validations": rules} if rules else {})}


def _enforce_fractional_minimum(out: dict[str, Any]) -> None:
    """Say a minimum such as 0.001 in CEL too: the API server compares whole numbers with its integer part."""
    low = out.get("minimum")
    if out.get("type") == "number" and low is not None and low != int(low):
        text = f"{low:.10f}".rstrip("0")
        made = {"rule": f"self >= {text}", "message": f"should be greater than or equal to {text}"}
        out["x-kubernetes-validations"] = [*out.get("x-kubernetes-validations", []), made]


def _settle_default(out: dict[str, Any]) -> None:
    """Keep defaults that say something: those of an object's fields, no empty texts, lists and maps."""
    default = out.pop("default", None)
    if isinstance(default, Mapping):
        fields = out.get("properties", {})
        filled = {name: child["default"] for name, child in fields.items() if "default" in child}
        if filled:
            out["default"] = filled
    elif default not in (None, "", []):
        out["default"] = default


def each_field(schema: Mapping[str, Any], path: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    """Every field below `schema` with its dotted path, in the order written."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, child in schema.get("properties", {}).items():
        found += [(f"{path}.{name}".lstrip("."), child), *each_field(child, f"{path}.{name}")]
    if "items" in schema:
        found += each_field(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        found += each_field(schema["additionalProperties"], f"{path}.*")
    return found
