"""Scenario files: which sites a city has, in how many regions, their hardware, and what is asked of them."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from edgewright.emulation import eua
from edgewright.emulation.demand.settings import DemandSettings
from edgewright.emulation.fields import (
    Count,
    Model,
    Name,
    Positive,
    Range,
    ScenarioError,
    Share,
    add_up,
    words,
)

__all__ = ["Scenario", "ScenarioError", "known", "load"]

FOLDER = Path(__file__).parent / "scenarios"


class Columns(Model):
    """Names of a CSV's columns, where they are not among the usual ones."""

    latitude: str | None = None
    longitude: str | None = None


class Sites(Model):
    """Which sites of the data become edge nodes."""

    count: int = Field(ge=1, le=5000)
    choose: Literal["all", "central", "around", "extended", "clustered"] = "all"
    """`all` sites; the `count` most `central` ones; `count` synthetic ones scattered `around` the real;
    the real ones `extended` by synthetic ones; or the centres of `count` clusters of them."""
    scatter_metres: float = Field(default=120.0, gt=0, le=10_000)
    """Standard deviation of a synthetic site's distance to its real one, east and north."""
    file: str | None = None
    """CSV of sites instead of the EUA dataset's, such as OpenCelliD's; relative to the scenario file."""
    columns: Columns = Columns()
    bounds: tuple[float, float, float, float] | None = None
    """Of `file`, keep what is between south, west, north and east, in degrees."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.file is None and (self.bounds is not None or self.columns != Columns()):
            raise ValueError("sites: `bounds` and `columns` are for the sites of a `file`")
        if self.bounds is not None and not (
            -90 <= self.bounds[0] < self.bounds[2] <= 90 and -180 <= self.bounds[1] < self.bounds[3] <= 180
        ):
            raise ValueError(f"sites.bounds {self.bounds}: give south, west, north and east in degrees")
        return self


class Backhaul(Model):
    """A class of access link: how fast, and how much latency its sites have."""

    name: Name
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
    available: float = Field(default=1.0, gt=0, le=1)
    """Share of the capacity that DAGs may take."""


class Neighbours(Model):
    """Direct links between near sites of a region."""

    name: Name
    metres: Positive
    """Up to this distance."""
    gbps: Positive
    switch_ms: Positive
    """Delay of switching; propagation in fibre is added."""


class Backbone(Model):
    """Aggregation switches and their links, as in a topology of the package `topohub`."""

    topology: str = Field(pattern=r"^[a-z]+/[A-Za-z0-9_./-]+$")
    """Such as `gabriel/25/0`; it is laid over the extent of the city's sites."""
    gbps: Range = Range(low=20.0, high=100.0)
    switch_ms: Range = Range(low=0.1, high=0.3)


class Slice(Model):
    """A tenant with nodes that serve nobody else's DAGs; its own may go to nodes of no slice too."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    nodes: Share
    """Share of the edge sites that are its own."""
    dags: Share
    """Share of the DAGs that are its own."""


class Scenario(Model):
    """A city for the testbed and for the simulators."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$")
    description: str
    seed: int = Field(ge=0, lt=2**63)
    sites: Sites
    stretch: float = Field(default=1.0, ge=1, le=100)
    """Every distance of the data times this: 1 urban, 4 suburban, 10 rural."""
    regions: int = Field(ge=1, le=100)
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
    backbone: Backbone | None = None
    """Instead of direct links between the controllers."""
    interference: Share = 0.0
    """Share of the time in which the cells around a cell send."""
    slices: tuple[Slice, ...] = ()
    """What they leave of sites and DAGs belongs to no slice."""
    demand: DemandSettings = DemandSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        add_up("backhaul", (kind.share for kind in self.backhaul))
        add_up("latencySplit", self.latency_split)
        for field in ("nodes", "dags"):
            total = sum(getattr(each, field) for each in self.slices)
            if total > 1 + 1e-9:
                raise ValueError(f"slices: the shares of {field} add up to {total:g}, at most to 1")
        if len({each.name for each in self.slices}) < len(self.slices):
            raise ValueError("slices: their names must differ")
        real = len(eua.sites())
        chosen = self.sites.choose in ("all", "central", "clustered")
        if self.sites.file is None and chosen and self.sites.count > real:
            raise ValueError(
                f"sites.count: there are {real} real sites, not {self.sites.count}; "
                "`choose: extended` or `choose: around` makes more"
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
    fields = _read(path)
    for section, key in (("sites", "file"), ("demand", "workload")):
        _locate(fields.get(section), key, path.parent)
    demand = fields.get("demand")
    if isinstance(demand, dict) and isinstance(demand.get("mobility"), list):
        for mover in demand["mobility"]:
            _locate(mover, "file", path.parent)
    try:
        return Scenario.model_validate(fields)
    except ValidationError as error:
        raise ScenarioError(f"scenario file {path}: {words(error)}") from error


def _locate(section: Any, key: str, folder: Path) -> None:
    """Make the path of a file absolute that lies beside the scenario's."""
    if isinstance(section, dict) and isinstance(section.get(key), str):
        file = folder / section[key]
        if file.is_file():
            section[key] = str(file.resolve())


def _read(path: Path) -> dict[str, Any]:
    """The fields of a file, those of its `base` beneath; sections are merged field by field."""
    try:
        fields = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"scenario file {path} cannot be read as YAML: {error}") from error
    if not isinstance(fields, dict):
        raise ScenarioError(f"scenario file {path} holds {type(fields).__name__}, not a mapping of fields")
    base = fields.pop("base", None)
    if base is None:
        return fields
    complete = [name for name, file in known().items() if "base" not in yaml.safe_load(file.read_text())]
    if base not in complete:
        raise ScenarioError(f"scenario file {path}: base {base!r} must be one of {', '.join(complete)}")
    return _merged(_read(known()[base]), fields)


def _merged(base: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(base[key], value)
        for key, value in fields.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **fields, **both}
