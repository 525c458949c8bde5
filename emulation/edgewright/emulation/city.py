"""Builds the city of a scenario: nodes with their hardware, regions with their zones, and links."""

import string
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgewright.core.substrate import Link, Node
from edgewright.core.units import GBPS, GIB, MBPS, MS
from edgewright.emulation import eua
from edgewright.emulation.geography import FloatArray, Frame, IntArray, divide
from edgewright.emulation.scenario import Backhaul, Hardware, Range, Scenario, Sites

FIBRE_SECONDS_PER_METRE = 5e-9
"""Light in glass: 200,000 km/s."""
DETOUR = 1.5
"""A cable is this much longer than the straight line."""


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


@dataclass(frozen=True, slots=True)
class City:
    """A scenario made concrete; the same scenario always gives the same city."""

    scenario: Scenario
    frame: Frame
    nodes: tuple[Node, ...]
    """Core, controllers, edge nodes."""
    places: dict[str, Place]
    links: tuple[Link, ...]
    regions: tuple[Region, ...]

    @property
    def core(self) -> Node:
        """The core site, which all regions share."""
        return self.nodes[0]


def build(scenario: Scenario) -> City:
    """The city of a scenario."""
    sites = _choose(scenario.sites, scenario.seed)
    extent = [(site.latitude, site.longitude) for site in (*eua.sites(), *sites)]
    frame = Frame.around([*extent, *eua.users()])
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
        *_trunks(scenario, core, controllers),
        *_access(edge, delay, dict(zip(names, controllers, strict=True))),
        *_neighbours(scenario, edge, points, region),
    )
    return City(scenario, frame, (core, *controllers, *edge), places, links, regions)


def _choose(wanted: Sites, seed: int) -> list[eua.Site]:
    real = eua.sites()
    if wanted.choose == "around":
        rng = np.random.default_rng([seed, wanted.count])
        frame = Frame.around([(site.latitude, site.longitude) for site in real])
        made = []
        for number in range(wanted.count):
            near = real[int(rng.integers(len(real)))]
            x, y = frame.metres(near.latitude, near.longitude)
            latitude, longitude = frame.degrees(*(np.array((x, y)) + rng.normal(0, wanted.scatter_metres, 2)))
            made.append(
                eua.Site(f"s{number:04d}", f"near {near.title}", round(latitude, 6), round(longitude, 6))
            )
        return made
    degrees = np.array([(site.latitude, site.longitude) for site in real])
    frame = Frame.around([(site.latitude, site.longitude) for site in real])
    metres = np.array([frame.metres(*pair) for pair in degrees])
    order = np.argsort(((metres - metres.mean(axis=0)) ** 2).sum(axis=1), kind="stable")
    return [real[i] for i in sorted(order[: wanted.count])]


def _zones(points: FloatArray, region: IntArray, scenario: Scenario) -> list[str]:
    """Zone of each site: `<region>-a`, `-b`, ..., compact parts of its region."""
    zones = [""] * len(points)
    for number in range(scenario.regions):
        members = np.flatnonzero(region == number)
        parts = divide(points[members], min(scenario.zones, len(members)), scenario.seed)
        for site, part in zip(members, parts, strict=True):
            zones[site] = f"{scenario.name}-{number + 1}-{string.ascii_lowercase[part]}"
    return zones


def _rng(scenario: Scenario, site: str) -> np.random.Generator:
    """A site's own random numbers: adding a site leaves the others as they are."""
    return np.random.default_rng([scenario.seed, zlib.crc32(site.encode())])


def _whole(rng: np.random.Generator, given: Range) -> int:
    return int(rng.integers(round(given.low), round(given.high), endpoint=True))


def _capacity(rng: np.random.Generator, hardware: Hardware, radio: float) -> tuple[float, ...]:
    """Capacities in the order of `edgewright.core.service.RESOURCES`."""
    cpu, memory = _whole(rng, hardware.cpu), _whole(rng, hardware.memory_gb)
    gpu = hardware.gpu if rng.random() < hardware.gpu_share else 0
    npu = hardware.npu if rng.random() < hardware.npu_share else 0
    return float(cpu), memory * GIB, float(gpu), float(npu), radio, float(hardware.pods)


def _edge(
    scenario: Scenario, site: str, point: tuple[float, float], region: str, zone: str
) -> tuple[Node, tuple[float, float, str]]:
    """An edge node and its access link's (bit/s, seconds, class)."""
    rng = _rng(scenario, site)
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
    )
    return node, (round(gbps, 2) * GBPS, latency[2] * MS, kind.name)


def _backhaul(kinds: tuple[Backhaul, ...], draw: float) -> Backhaul:
    for kind in kinds:
        draw -= kind.share
        if draw < 0:
            return kind
    return kinds[-1]


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
        capacity=_capacity(_rng(scenario, name), hardware, 0.0),
        tier=tier,
        region=region,
        zone=zone,
        location=point,
        latency=(0.1 * MS, 0.0, 0.0),
    )


def _trunks(scenario: Scenario, core: Node, controllers: list[Node]) -> list[Link]:
    """Each controller to the core, and controllers among each other, as fast as the slower end."""
    hardware = scenario.controller.gbps or Range(low=20, high=100)
    gbps = {
        c.name: _rng(scenario, f"{c.name} trunk").uniform(hardware.low, hardware.high) for c in controllers
    }
    rate = {name: round(value) * GBPS for name, value in gbps.items()}
    links = [
        Link(c.name, core.name, rate[c.name], scenario.core_latency_ms * MS, "core") for c in controllers
    ]
    for i, a in enumerate(controllers):
        for b in controllers[i + 1 :]:
            delay = scenario.controller_latency_ms * MS + _propagation(a, b)
            links.append(
                Link(a.name, b.name, min(rate[a.name], rate[b.name]), _rounded(delay), "aggregation")
            )
    return links


def _access(
    edge: list[Node], backhaul: list[tuple[float, float, str]], controllers: dict[str, Node]
) -> list[Link]:
    """Each edge node to its region's controller, by its backhaul class."""
    return [
        Link(node.name, centre.name, rate, _rounded(delay + _propagation(node, centre)), kind)
        for node, (rate, delay, kind) in zip(edge, backhaul, strict=True)
        for centre in (controllers[node.region],)
    ]


def _neighbours(scenario: Scenario, edge: list[Node], points: FloatArray, region: IntArray) -> list[Link]:
    """Each edge node to its nearest ones of the region, by distance class."""
    links = {}
    for i, node in enumerate(edge):
        distance = np.hypot(*(points - points[i]).T)
        distance[(region != region[i])] = np.inf
        distance[i] = np.inf
        for j in np.argsort(distance, kind="stable")[: scenario.neighbour_links]:
            kind = next((k for k in scenario.neighbours if distance[j] <= k.metres), None)
            if kind is None:
                continue
            a, b = sorted((node, edge[j]), key=lambda end: end.name)
            delay = _rounded(kind.switch_ms * MS + _propagation(a, b))
            links[a.name, b.name] = Link(a.name, b.name, kind.gbps * GBPS, delay, kind.name)
    return list(links.values())


def _propagation(a: Node, b: Node) -> float:
    """Seconds in the cable between two nodes."""
    (ax, ay), (bx, by) = a.location or (0.0, 0.0), b.location or (0.0, 0.0)
    return float(np.hypot(ax - bx, ay - by)) * DETOUR * FIBRE_SECONDS_PER_METRE


def _pair(point: FloatArray) -> tuple[float, float]:
    return round(float(point[0]), 1), round(float(point[1]), 1)


def _rounded(seconds: float) -> float:
    """To whole microseconds, as EdgeTopology objects have them."""
    return round(seconds / MS, 3) * MS
