"""The wires of a city: trunks or a backbone between controllers, access links, links between near sites."""

import numpy as np

from edgewright.core.substrate import Link, Node
from edgewright.core.units import GBPS, MS
from edgewright.emulation.draws import of_site
from edgewright.emulation.fields import Range, ScenarioError
from edgewright.emulation.geography import FloatArray, Labels
from edgewright.emulation.scenario import Backbone, Scenario

FIBRE_SECONDS_PER_METRE = 5e-9
"""Light in glass: 200,000 km/s."""
DETOUR = 1.5
"""A cable is this much longer than the straight line."""


def trunks(scenario: Scenario, core: Node, controllers: list[Node]) -> list[Link]:
    """Each controller to the core, and controllers among each other, as fast as the slower end."""
    hardware = scenario.controller.gbps or Range(low=20, high=100)
    gbps = {
        c.name: of_site(scenario, f"{c.name} trunk").uniform(hardware.low, hardware.high) for c in controllers
    }
    rate = {name: round(value) * GBPS for name, value in gbps.items()}
    links = [
        Link(c.name, core.name, rate[c.name], scenario.core_latency_ms * MS, "core") for c in controllers
    ]
    if scenario.backbone is not None:
        return [*links, *_backbone(scenario, scenario.backbone, controllers, rate)]
    for i, a in enumerate(controllers):
        for b in controllers[i + 1 :]:
            delay = scenario.controller_latency_ms * MS + _propagation(a.location, b.location)
            links.append(
                Link(a.name, b.name, min(rate[a.name], rate[b.name]), _rounded(delay), "aggregation")
            )
    return links


def _backbone(
    scenario: Scenario, wanted: Backbone, controllers: list[Node], rate: dict[str, float]
) -> list[Link]:
    """Switches of a topology laid over the controllers' extent, and each controller at its nearest switch."""
    names, points, edges = _topology(wanted.topology)
    sites = np.array([c.location for c in controllers])
    low, high = sites.min(axis=0), sites.max(axis=0)
    span = np.maximum(points.max(axis=0) - points.min(axis=0), 1e-9)
    placed = low + (points - points.min(axis=0)) / span * (high - low)
    links = []
    for a, b in edges:
        draw = of_site(scenario, f"{names[a]} {names[b]}")
        gbps = round(draw.uniform(wanted.gbps.low, wanted.gbps.high))
        delay = draw.uniform(wanted.switch_ms.low, wanted.switch_ms.high) * MS + _propagation(
            _pair(placed[a]), _pair(placed[b])
        )
        links.append(Link(names[a], names[b], gbps * GBPS, _rounded(delay), "backbone"))
    for controller, site in zip(controllers, sites, strict=True):
        near = int(np.argmin(np.hypot(*(placed - site).T)))
        delay = scenario.controller_latency_ms * MS + _propagation(_pair(site), _pair(placed[near]))
        links.append(
            Link(controller.name, names[near], rate[controller.name], _rounded(delay), "aggregation")
        )
    return links


def _topology(key: str) -> tuple[list[str], FloatArray, list[tuple[int, int]]]:
    """Names, positions (n, 2) and edges of a topology; ScenarioError if there is none, or it falls apart."""
    try:
        import topohub  # noqa: PLC0415
    except ImportError as error:
        raise ScenarioError(
            "backbone.topology needs the package topohub: pip install 'edgewright[simulation]'"
        ) from error
    try:
        found = topohub.get(key)
    except (KeyError, OSError) as error:
        raise ScenarioError(f"backbone.topology: topohub has no {key!r}; see https://topohub.org") from error
    rows = {node["id"]: row for row, node in enumerate(found["nodes"])}
    ends = [(rows[edge["source"]], rows[edge["target"]]) for edge in found["edges"]]
    edges = sorted({(min(pair), max(pair)) for pair in ends if pair[0] != pair[1]})
    group = list(range(len(rows)))
    for _ in rows:
        for a, b in edges:
            group[a] = group[b] = min(group[a], group[b])
    if set(group) != {0}:
        raise ScenarioError(f"backbone.topology: {key!r} is disconnected; choose another one")
    points = np.array([node["pos"] for node in found["nodes"]], dtype=np.float64)
    return [f"switch-{row}" for row in range(len(rows))], points, edges


def access(
    edge: list[Node], backhaul: list[tuple[float, float, str]], controllers: dict[str, Node]
) -> list[Link]:
    """Each edge node to its region's controller, by its backhaul class."""
    return [
        Link(
            node.name,
            centre.name,
            rate,
            _rounded(delay + _propagation(node.location, centre.location)),
            kind,
        )
        for node, (rate, delay, kind) in zip(edge, backhaul, strict=True)
        for centre in (controllers[node.region],)
    ]


def neighbours(scenario: Scenario, edge: list[Node], points: FloatArray, region: Labels) -> list[Link]:
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
            delay = _rounded(kind.switch_ms * MS + _propagation(a.location, b.location))
            links[a.name, b.name] = Link(a.name, b.name, kind.gbps * GBPS, delay, kind.name)
    return list(links.values())


def _propagation(a: tuple[float, float] | None, b: tuple[float, float] | None) -> float:
    """Seconds in the cable between two places."""
    (ax, ay), (bx, by) = a or (0.0, 0.0), b or (0.0, 0.0)
    return float(np.hypot(ax - bx, ay - by)) * DETOUR * FIBRE_SECONDS_PER_METRE


def _pair(point: FloatArray) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _rounded(seconds: float) -> float:
    """To whole microseconds, as EdgeTopology objects have them."""
    return round(seconds / MS, 3) * MS
