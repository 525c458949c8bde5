"""Workload files: classes of services, their mix, and the ranges that their DAGs are drawn from."""

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from edgewright.emulation.fields import Model, Name, Positive, Range, ScenarioError, Share, add_up, words

FOLDER = Path(__file__).parent


class ServiceClass(Model):
    """A class of services; its ranges are [MAPPO] Table 2's where a field says nothing else."""

    name: Name
    share: Share
    """Of the DAGs."""
    service_class: Literal["immersive", "massive", "twin"]
    microservices: tuple[int, int]
    """Fewest and most in a DAG."""
    limit_ms: Range
    """Of the 95th percentile."""
    cpu: Range
    """Cores that a replica requests; it may use the whole node."""
    memory_gb: Range
    request_weight: Positive = 1.0
    """How many requests a DAG of this class gets, relative to the others."""
    work: Range = Range(low=50, high=800)
    """Million instructions of a request, of all its stages together."""
    utilisation: Range = Range(low=0.3, high=0.7)
    """What of its requested CPU a replica uses in the busiest hour."""
    payload_kb: float = Field(default=1500.0, ge=0)
    """From the user to the first microservice, on average."""
    response_kb: float = Field(default=100.0, ge=0)
    """Back to the user."""
    inner: Range = Range(low=0.02, high=0.10)
    """Of the payload, what an invocation carries; and all that users in another region send."""
    calls: Share = 0.3
    """Share of the DAGs whose microservices call each other and wait (`requestResponse`)."""
    max_replicas: int = Field(default=3, ge=1, le=16)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.microservices
        if not 1 <= low <= high <= 100:
            raise ValueError(
                f"microservices {[low, high]}: give two numbers from 1 to 100, the smaller first"
            )
        for field, most in (("utilisation", 0.95), ("inner", 1.0)):
            if getattr(self, field).high > most:
                raise ValueError(f"{field}: {getattr(self, field).high:g} is above {most:g}")
        return self


class Workload(Model):
    """A mix of classes."""

    name: Name
    description: str
    classes: tuple[ServiceClass, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        add_up("classes", (each.share for each in self.classes))
        names = [each.name for each in self.classes]
        if len(set(names)) < len(names):
            raise ValueError(f"classes: the names {', '.join(names)} must differ")
        return self


def known() -> dict[str, Path]:
    """Workloads that come with Edgewright: name to file."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"), key=lambda file: file.stem)}


def load(name: str) -> Workload:
    """The workload of that name, or in the file of that path; ScenarioError if it is missing or wrong."""
    path = known().get(name, Path(name))
    if not path.is_file():
        raise ScenarioError(
            f"no workload {name!r}: there are {', '.join(known())}, or give the path to a workload file"
        )
    try:
        return Workload.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"workload file {path} cannot be read as YAML: {error}") from error
    except ValidationError as error:
        raise ScenarioError(f"workload file {path}: {words(error)}") from error
