"""What every custom-resource model is built from: the base class, bounded types, rules and list kinds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

from edgewright.kube import quantities

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A DNS label."""
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
"""A DNS subdomain, as names of Kubernetes objects are."""


class Wire(BaseModel):
    """A JSON object with camelCase names; unknown fields of newer versions are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, allow_inf_nan=False
    )


def rule(expression: str, message: str, *, path: str = "") -> dict[str, str]:
    """A CEL rule, the message that says how to mend what breaks it, and the field to point at."""
    made = {"rule": expression, "message": message}
    if path:
        made["fieldPath"] = path
    return made


def rules(*made: dict[str, str]) -> dict[str, Any]:
    """`json_schema_extra` with CEL rules."""
    return {"x-kubernetes-validations": list(made)}


def keyed(*names: str) -> dict[str, Any]:
    """`json_schema_extra` of a list whose items are told apart by the fields `names`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(names)}


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
"""`json_schema_extra` of a list that one writer replaces as a whole."""
SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""`json_schema_extra` of a list of distinct scalars."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=LABEL_PATTERN)]
"""A DNS label of at most 40 characters."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
"""A DNS label."""
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""Name of a Kubernetes object."""
Text = Annotated[str, StringConstraints(max_length=1024)]
Algorithm = Literal[
    "auto",
    "heuristic",
    "exact",
    "milp",
    "genetic",
    "heft",
    "network-aware",
    "kube",
    "best-fit",
    "random",
]
"""What may choose the nodes: the registry of edgewright.agents.policies."""
Time = Annotated[
    str,
    StringConstraints(max_length=40),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
]
"""RFC 3339."""
Quantity = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": quantities.PATTERN,
            "maxLength": 24,
        }
    ),
]
"""A Kubernetes quantity such as 500m, 2 or 1.5Gi."""
Port = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 15,
        }
    ),
]
"""A port number or the name of a container port."""
LabelValue = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
Selector = Annotated[
    dict[str, LabelValue],
    Field(
        max_length=8,
        json_schema_extra=rules(
            rule(
                "self.all(key, size(key) <= 127)",
                "a label key is longer than 127 characters; use a shorter one",
            )
        ),
    ),
]
"""Label names and the values they must have."""


def between(field: str, low: str, high: str, why: str) -> dict[str, str]:
    """CEL rule that a quantity `field`, if present, lies between two quantities."""
    value = f"quantity(string(self.{field}))"
    return rule(
        f"!has(self.{field}) || (isQuantity(string(self.{field})) &&"
        f" {value}.compareTo(quantity('{low}')) >= 0"
        f" && {value}.compareTo(quantity('{high}')) <= 0)",
        f"{field} must be a quantity between {low} and {high}: {why}",
        path=f".{field}",
    )


class Toleration(Wire):
    """A toleration of node taints."""

    key: str = Field(
        default="", max_length=127, description="Taint key; empty with operator Exists matches every taint."
    )
    operator: Literal["Equal", "Exists"] = Field(
        default="Equal", description="Equal compares the value, Exists ignores it."
    )
    value: str = Field(default="", max_length=63, description="Taint value that Equal compares with.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        default="", description="Taint effect to match; empty matches all."
    )


class Condition(Wire):
    """One observation about the object, as in the Kubernetes API conventions."""

    type: str = Field(max_length=64, description="What the condition speaks about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(max_length=64, description="One word of the closed set of reasons.")
    message: str = Field(default="", max_length=1024, description="What happened and what to do, for people.")
    observed_generation: int = Field(default=0, ge=0, description="The metadata.generation that was judged.")
    last_transition_time: Time = Field(description="When the status last changed.")


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=16,
        json_schema_extra=keyed("type"),
        description="Observations about the object, one of each type.",
    ),
]
