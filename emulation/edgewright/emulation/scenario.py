"""Scenario files: which sites a testbed has, in how many regions, and what their hardware may be."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from edgewright.emulation import eua

FOLDER = Path(__file__).parent / "scenarios"


class ScenarioError(Exception):
    """A scenario cannot be found or read; the message names the file, the field and the value."""


class Model(BaseModel):
    """Frozen, camelCase in files, and strict about unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Range(Model):
    """From `low` to `high`, both included; written as a list of the two."""

    low: Positive
    high: Positive

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


class Sites(Model):
    """Which sites of the data become edge nodes."""

    count: int = Field(ge=1, le=5000)
    choose: Literal["all", "central", "around"] = "all"
    """`all` sites; the `count` most `central` ones; or `count` synthetic ones scattered `around` the real."""
    scatter_metres: Positive = 120.0
    """Standard deviation of a synthetic site's distance to its real one, east and north."""


class Backhaul(Model):
    """A class of access link: how fast, and how much latency its sites have."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    share: Share
    """Share of the sites that have it."""
    gbps: Range
    latency_ms: Range
    """Access latency of a site, end to end: of the computation, the radio and the backhaul together."""


class Radio(Model):
    """A band that sites may have."""

    band: Literal["sub6", "mmw", "thz"]
    share: Share
    mbps: int = Field(ge=1)
    """What the band adds to the cell's capacity that replicas can reserve."""


class Hardware(Model):
    """What a node of a tier may have; each is drawn per site with the scenario's seed."""

    cpu: Range
    memory_gb: Range
    gbps: Range | None = None
    """Backhaul of controllers and the core; edge sites have theirs from their class."""
    gpu: Count = 0
    npu: Count = 0
    gpu_share: Share = 1.0
    """Share of the nodes that have the GPUs."""
    npu_share: Share = 1.0
    pods: int = Field(default=110, ge=1)


class Neighbours(Model):
    """Direct links between near sites of a region."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    metres: Positive
    """Up to this distance."""
    gbps: Positive
    switch_ms: Positive
    """Delay of switching; propagation in fibre is added."""


class Scenario(Model):
    """A city for the testbed."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$")
    description: str
    seed: int = Field(ge=0)
    sites: Sites
    regions: int = Field(ge=1, le=20)
    zones: int = Field(default=3, ge=1, le=26)
    """Zones in each region."""
    edge: Hardware
    controller: Hardware
    core: Hardware
    backhaul: tuple[Backhaul, ...] = Field(min_length=1)
    latency_split: tuple[Share, Share, Share] = (0.1, 0.5, 0.4)
    """How a site's latency divides into computation, radio and backhaul."""
    radio: tuple[Radio, ...]
    neighbours: tuple[Neighbours, ...]
    neighbour_links: int = Field(default=3, ge=0, le=16)
    """Links of a site to its nearest ones."""
    controller_latency_ms: Positive = 0.3
    """Between two controllers, without propagation."""
    core_latency_ms: Positive = 4.0
    """Between a controller and the core: the core is a data centre outside the city."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        shares = sum(kind.share for kind in self.backhaul)
        if abs(shares - 1) > 1e-9:
            raise ValueError(f"backhaul: the shares add up to {shares:g}, they must add up to 1")
        if abs(sum(self.latency_split) - 1) > 1e-9:
            raise ValueError(f"latencySplit: {self.latency_split} must add up to 1")
        real = len(eua.sites())
        if self.sites.choose != "around" and self.sites.count > real:
            raise ValueError(
                f"sites.count: there are {real} real sites, not {self.sites.count}; "
                "`choose: around` makes more"
            )
        if self.sites.count < self.regions:
            raise ValueError(
                f"regions: {self.regions} regions need as many sites, there are {self.sites.count}"
            )
        return self

    @property
    def nodes(self) -> int:
        """How many nodes it has: sites, one controller per region and the core."""
        return self.sites.count + self.regions + 1

    def resized(self, nodes: int | None = None, regions: int | None = None) -> "Scenario":
        """The same with so many nodes in all, scattered around the real sites; ScenarioError if too few."""
        regions = regions or self.regions
        count = self.sites.count if nodes is None else nodes - regions - 1
        if count < regions:
            raise ScenarioError(
                f"{nodes} nodes in {regions} regions leave {count} edge sites: at least {2 * regions + 1} "
                "nodes are needed (a site and a controller per region, and the core)"
            )
        sites = self.sites
        if count != sites.count:
            sites = sites.model_copy(update={"count": count, "choose": "around"})
        return Scenario.model_validate(
            self.model_copy(update={"sites": sites, "regions": regions}).model_dump()
        )


def known() -> dict[str, Path]:
    """Scenarios that come with Edgewright: name to file."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"), key=lambda file: file.stem)}


def load(name: str) -> Scenario:
    """The scenario of that name, or in the file of that path; ScenarioError if it is missing or wrong."""
    path = known().get(name)
    if path is None:
        path = Path(name)
        if not path.is_file():
            raise ScenarioError(
                f"no scenario {name!r}: there are {', '.join(known())}, or give the path to a scenario file"
            )
    try:
        return Scenario.model_validate(_read(path))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'scenario'}: {item['msg']}"
            + (f" (found {item['input']!r})" if not isinstance(item["input"], dict) else "")
            for item in error.errors()
        )
        raise ScenarioError(f"scenario file {path}: {wrong}") from error


def _read(path: Path) -> dict[str, object]:
    """The fields of a file, those of its `base` beneath."""
    try:
        fields = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"scenario file {path} cannot be read as YAML: {error}") from error
    if not isinstance(fields, dict):
        raise ScenarioError(f"scenario file {path} holds {type(fields).__name__}, not a mapping of fields")
    base = fields.pop("base", None)
    if base is None:
        return fields
    if base not in known() or "base" in yaml.safe_load(known()[base].read_text()):
        complete = [name for name, file in known().items() if "base" not in yaml.safe_load(file.read_text())]
        raise ScenarioError(f"scenario file {path}: base {base!r} must be one of {', '.join(complete)}")
    return {**_read(known()[base]), **fields}
