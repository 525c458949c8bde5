"""Builds the city of a scenario: nodes with their hardware, regions with their zones, and links."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from edgewright.core.radio import BANDS, noise_rise
from edgewright.core.substrate import LABEL_SLICE, IntArray, Link, Node, Substrate
from edgewright.core.units import GBPS, GIB, MBPS, MS
from edgewright.emulation import backhaul as wires
from edgewright.emulation.draws import of_site
from edgewright.emulation.fields import Range, ScenarioError
from edgewright.emulation.geography import FloatArray, Frame, Labels, divide
from edgewright.emulation.scenario import Backhaul, Hardware, Scenario, Slice
from edgewright.emulation.sites import ground


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands, for people and for exporters."""

    title: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Region:
    """The nodes that one EdgeController governs; its name is also its namespace's."""

    name: str
    controller: str
    nodes: tuple[str, ...]
    """The controller first, then the edge nodes."""


@dataclass(frozen=True)
class City:
    """A scenario made concrete; the same scenario always gives the same city."""

    scenario: Scenario
    frame: Frame
    nodes: tuple[Node, ...]
    """Core, controllers, edge nodes."""
    places: dict[str, Place]
    links: tuple[Link, ...]
    regions: tuple[Region, ...]
    users: tuple[tuple[float, float], ...] = ()
    """Where people are, metres in the frame."""

    @property
    def core(self) -> Node:
        """The core site, which all regions share."""
        return self.nodes[0]

    @cached_property
    def members(self) -> tuple[IntArray, ...]:
        """Indices of each region's nodes in `nodes`."""
        number = {node.name: row for row, node in enumerate(self.nodes)}
        return tuple(np.array([number[name] for name in region.nodes], np.int32) for region in self.regions)

    @cached_property
    def substrate(self) -> Substrate:
        """Nodes and links as arrays; ScenarioError if some pair of nodes has no path."""
        # Testbeds do without: numba takes a quarter of a second to import, and memory.
        from edgewright.core.routes import compile_substrate  # noqa: PLC0415

        substrate = compile_substrate(self.nodes, self.links)
        apart = np.argwhere(~np.isfinite(substrate.path_delay))
        if len(apart):
            a, b = (self.nodes[int(row)].name for row in apart[0])
            raise ScenarioError(
                f"city {self.scenario.name} is disconnected: there is no path from {a} to {b}"
            )
        return substrate


def build(scenario: Scenario) -> City:
    """The city of a scenario; ScenarioError where its data or its fields allow none."""
    frame, sites, users = ground(scenario)
    points = np.array([frame.metres(site.latitude, site.longitude) for site in sites])
    region = divide(points, scenario.regions, scenario.seed)
    zone = _zones(points, region, scenario)
    names = [f"{scenario.name}-{number + 1}" for number in range(scenario.regions)]

    edge, delay, places = [], [], {}
    for i, site in enumerate(sites):
        node, backhaul = _edge(scenario, site.id, _pair(points[i]), names[region[i]], zone[i])
        edge.append(node)
        delay.append(backhaul)
        places[node.name] = Place(site.title, site.latitude, site.longitude)

    edge = _interfering(edge, points, scenario.interference)

    middle = _pair(points.mean(axis=0))
    core = _centre(scenario, "core", "core", middle, "", scenario.name)
    places[core.name] = Place("Core site", *frame.degrees(*middle))
    controllers = []
    for number, name in enumerate(names):
        x, y = _pair(points[region == number].mean(axis=0))
        label = f"{name}-{string.ascii_lowercase[0]}"
        controllers.append(_centre(scenario, f"{name}-controller", "controller", (x, y), name, label))
        places[f"{name}-controller"] = Place(f"Controller of {name}", *frame.degrees(x, y))
    regions = tuple(
        Region(name, controller.name, (controller.name, *(n.name for n in edge if n.region == name)))
        for name, controller in zip(names, controllers, strict=True)
    )
    links = (
        *wires.trunks(scenario, core, controllers),
        *wires.access(edge, delay, dict(zip(names, controllers, strict=True))),
        *wires.neighbours(scenario, edge, points, region),
    )
    return City(scenario, frame, (core, *controllers, *edge), places, links, regions, users)


def _zones(points: FloatArray, region: Labels, scenario: Scenario) -> list[str]:
    """Zone of each site: `<region>-a`, `-b`, ..., compact parts of its region."""
    zones = [""] * len(points)
    for number in range(scenario.regions):
        members = np.flatnonzero(region == number)
        parts = divide(points[members], min(scenario.zones, len(members)), scenario.seed)
        for site, part in zip(members, parts, strict=True):
            zones[site] = f"{scenario.name}-{number + 1}-{string.ascii_lowercase[part]}"
    return zones


def _whole(rng: np.random.Generator, given: Range) -> int:
    return int(rng.integers(round(given.low), round(given.high), endpoint=True))


def _capacity(rng: np.random.Generator, hardware: Hardware, radio: float) -> tuple[float, ...]:
    """Capacities in the order of `edgewright.core.service.RESOURCES`: what of the hardware DAGs may take."""
    cpu, memory = _whole(rng, hardware.cpu), _whole(rng, hardware.memory_gb)
    gpu = hardware.gpu if rng.random() < hardware.gpu_share else 0
    npu = hardware.npu if rng.random() < hardware.npu_share else 0
    if not cpu * memory:
        raise ScenarioError(
            f"hardware of {hardware.cpu.low:g}-{hardware.cpu.high:g} cpu and {hardware.memory_gb.low:g}-"
            f"{hardware.memory_gb.high:g} memoryGb leaves a node without capacity: give at least 1 of each"
        )
    whole = (cpu, memory * GIB, gpu, npu)
    return *(float(amount * hardware.available) for amount in whole), radio, float(hardware.pods)


def _interfering(edge: list[Node], points: FloatArray, activity: float) -> list[Node]:
    """The nodes with what the masts around each add to the noise in its cell, band by band."""
    if activity == 0:
        return edge
    raised = []
    for i, node in enumerate(edge):
        distance = np.hypot(*(points - points[i]).T)
        rise = {}
        for band in sorted(node.radio):
            others = [j for j, other in enumerate(edge) if j != i and band in other.radio]
            rise[band] = round(noise_rise(BANDS[band], distance[others], activity), 2)
        raised.append(replace(node, interference=rise))
    return raised


def _edge(
    scenario: Scenario, site: str, point: tuple[float, float], region: str, zone: str
) -> tuple[Node, tuple[float, float, str]]:
    """An edge node and its access link's (bit/s, seconds, class)."""
    rng = of_site(scenario, site)
    kind = _backhaul(scenario.backhaul, rng.random())
    gbps = rng.uniform(kind.gbps.low, kind.gbps.high)
    total = rng.uniform(kind.latency_ms.low, kind.latency_ms.high)
    latency = tuple(round(share * total, 3) for share in scenario.latency_split)
    bands = [radio for radio in scenario.radio if rng.random() < radio.share]
    node = Node(
        name=f"edge-{site}",
        capacity=_capacity(rng, scenario.edge, sum(radio.mbps for radio in bands) * MBPS),
        tier="edge",
        region=region,
        zone=zone,
        location=point,
        radio=frozenset(radio.band for radio in bands),
        latency=(latency[0] * MS, latency[1] * MS, latency[2] * MS),
        labels=_slice(scenario.slices, rng.random()),
    )
    return node, (round(gbps, 2) * GBPS, latency[2] * MS, kind.name)


def _backhaul(kinds: tuple[Backhaul, ...], draw: float) -> Backhaul:
    for kind in kinds:
        draw -= kind.share
        if draw < 0:
            return kind
    return kinds[-1]


def _slice(slices: Sequence[Slice], draw: float) -> dict[str, str]:
    """The label of a site that is a slice's own."""
    for each in slices:
        draw -= each.nodes
        if draw < 0:
            return {LABEL_SLICE: each.name}
    return {}


def _centre(
    scenario: Scenario,
    name: str,
    tier: Literal["core", "controller"],
    point: tuple[float, float],
    region: str,
    zone: str,
) -> Node:
    hardware = scenario.core if tier == "core" else scenario.controller
    return Node(
        name=name,
        capacity=_capacity(of_site(scenario, name), hardware, 0.0),
        tier=tier,
        region=region,
        zone=zone,
        location=point,
        latency=(0.1 * MS, 0.0, 0.0),
    )


def _pair(point: FloatArray) -> tuple[float, float]:
    return round(float(point[0]), 1), round(float(point[1]), 1)
