"""What the fields of scenario and workload files are made of: strict, frozen, refused with words."""

import csv
import zlib
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

UNREADABLE = (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error)
"""What reading a CSV raises that is missing, cut off, or none."""


class ScenarioError(Exception):
    """A scenario or workload cannot be found, read or built; the message names file, field and value."""


class Model(BaseModel):
    """Frozen, camelCase in files, strict about unknown fields, and without NaN or infinity."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
    )


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class Range(Model):
    """From `low` to `high`, both included; written as a list of the two."""

    low: Positive
    high: Positive = Field(le=1e9)

    @model_validator(mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        if isinstance(value, list) and len(value) == 2:
            return {"low": value[0], "high": value[1]}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        return self

    @property
    def middle(self) -> float:
        """Halfway between the two."""
        return (self.low + self.high) / 2


def add_up(field: str, shares: Iterable[float]) -> None:
    """Raises ValueError unless `shares` add up to 1."""
    total = sum(shares)
    if abs(total - 1) > 1e-9:
        raise ValueError(f"{field}: the shares add up to {total:g}, they must add up to 1")


def words(error: ValidationError) -> str:
    """What is wrong, field by field, with what was found."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}{_found(item['input'])}"
        for item in error.errors()
    )


def _found(value: Any) -> str:
    return "" if isinstance(value, dict) else f" (found {value!r})"
