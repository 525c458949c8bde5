"""A map of a city: sites by tier, links by class, users, hot spots and regions; as a picture or as a page."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.spatial import ConvexHull, QhullError

from edgewright.core.substrate import FloatArray, Node
from edgewright.emulation.city import City

KM = 1000.0
REGION_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#999999")
"""Okabe and Ito's: told apart also by people who confuse colours."""
LINKS = {
    "core": ("#7f7f7f", 0.7, ":"),
    "aggregation": ("#4d4d4d", 0.7, "--"),
    "backbone": ("#4d4d4d", 1.2, "-"),
    "fibre": ("#0072b2", 0.5, "-"),
    "microwave": ("#d55e00", 0.5, "-"),
}
"""Colour, width and style of a class of links; all others are links between neighbours."""
VENUE = "#d55e00"
NEIGHBOURS = ("#333333", 0.9, "-")


def draw(city: City, venues: FloatArray, file: str) -> None:
    """Write the map to `file`, a .png, .svg or .pdf; OSError if it cannot be."""
    figure = Figure(figsize=(13, 9.5), layout="constrained")
    axes = figure.subplots()
    place = places(city)
    regions(axes, city, place)
    _links(axes, city, place)
    users = np.array(city.users).reshape(-1, 2) / KM
    axes.plot(*users.T, ".", color="0.45", markersize=2.0, alpha=0.6, zorder=1, label=f"{len(users)} users")
    if len(venues):
        radius = city.scenario.demand.venues.metres / KM
        for x, y in venues / KM:
            axes.add_patch(Circle((x, y), radius, fill=False, color=VENUE, linewidth=1.5, zorder=5))
        # In a wide city the circle is a dot; the mark is not.
        axes.plot(*venues.T / KM, "P", color=VENUE, markersize=9, zorder=5, label="hot spot, venue")
    _nodes(axes, city, place)
    axes.set(xlabel="km east", ylabel="km north", aspect="equal", title=_title(city))
    axes.margins(0.02)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.savefig(file, dpi=130)


def write_page(city: City, venues: FloatArray, file: str) -> None:
    """Write the map as one HTML file that needs nothing else: nodes and links tell about themselves."""
    import plotly.graph_objects as go  # noqa: PLC0415 (half a second that pictures do not need)

    place = places(city)
    page = go.Figure()
    for kind in dict.fromkeys(_kind(link.link_class) for link in city.links):
        ends = [
            _ends(place, link.source, link.target) for link in city.links if _kind(link.link_class) == kind
        ]
        x, y = (
            [value for end in ends if end for value in (end[0][axis], end[1][axis], None)] for axis in (0, 1)
        )
        colour, width, _ = LINKS.get(kind, NEIGHBOURS)
        line = {"color": colour, "width": 1.5 * width}
        page.add_scatter(x=x, y=y, mode="lines", name=f"{kind} links", line=line, hoverinfo="skip")
    users = np.array(city.users).reshape(-1, 2) / KM
    spot = {"color": "#777777", "size": 3}
    page.add_scatter(
        x=users[:, 0], y=users[:, 1], mode="markers", name="users", marker=spot, hoverinfo="skip"
    )
    mark = {"color": VENUE, "size": 12, "symbol": "cross"}
    x, y = venues.T / KM
    page.add_scatter(x=x, y=y, mode="markers", name="hot spots", marker=mark, hoverinfo="skip")
    for tier, size, symbol in (("edge", 9, "circle"), ("controller", 16, "square"), ("core", 24, "star")):
        nodes = [node for node in city.nodes if node.tier == tier]
        x, y = np.array([place[node.name] for node in nodes]).T
        page.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=tier,
            text=[_told(city, node) for node in nodes],
            hoverinfo="text",
            marker={"size": size, "symbol": symbol, "color": [_colour(city, node) for node in nodes]}
            | {"line": {"color": "black", "width": 1}},
        )
    page.update_layout(title=_title(city), template="plotly_white", hovermode="closest")
    page.update_yaxes(scaleanchor="x", title="km north")
    page.update_xaxes(title="km east")
    page.write_html(file, include_plotlyjs=True)


def places(city: City) -> dict[str, tuple[float, float]]:
    """Kilometres east and north of every node; the core site is drawn apart, north of the city."""
    place = {
        node.name: (node.location[0] / KM, node.location[1] / KM) for node in city.nodes if node.location
    }
    low, high = (pick(np.array(list(place.values())), axis=0) for pick in (np.min, np.max))
    place[city.core.name] = (float(low[0] + high[0]) / 2, float(high[1] + 0.08 * (high[1] - low[1])))
    return place


def _ends(
    place: dict[str, tuple[float, float]], source: str, target: str
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Where a link begins and ends; None where one end is a switch, which has no place on the map."""
    return (place[source], place[target]) if source in place and target in place else None


def _kind(link_class: str) -> str:
    return link_class if link_class in LINKS else "neighbour"


def _links(axes: Axes, city: City, place: dict[str, tuple[float, float]]) -> None:
    for kind in (*LINKS, "neighbour"):
        found = [link for link in city.links if _kind(link.link_class) == kind]
        lines = [end for link in found if (end := _ends(place, link.source, link.target))]
        if lines:
            colour, width, style = LINKS.get(kind, NEIGHBOURS)
            axes.add_collection(
                LineCollection(lines, colors=colour, linewidths=width, linestyles=style, alpha=0.6, zorder=2)
            )
            rate = [link.bandwidth / 1e9 for link in found]
            speed = f"{min(rate):g}-{max(rate):g}" if min(rate) < max(rate) else f"{min(rate):g}"
            axes.plot(
                [],
                [],
                color=colour,
                linewidth=2 * width,
                linestyle=style,
                label=f"{kind} links, {speed} Gbps",
            )


def regions(axes: Axes, city: City, place: dict[str, tuple[float, float]]) -> None:
    """Each region's hull, shaded, with its number."""
    for number, region in enumerate(city.regions):
        points = np.array([place[name] for name in region.nodes])
        colour = REGION_COLOURS[number % len(REGION_COLOURS)]
        try:
            hull = points[ConvexHull(points).vertices]
        except (QhullError, ValueError):
            continue  # fewer than three sites, or sites in a line, have no area to shade
        axes.fill(*hull.T, facecolor=to_rgba(colour, 0.13), edgecolor=to_rgba(colour, 0.8), zorder=0)


def _nodes(axes: Axes, city: City, place: dict[str, tuple[float, float]]) -> None:
    for tier, size, marker in (("edge", 26.0, "o"), ("controller", 130.0, "s"), ("core", 330.0, "*")):
        nodes = [node for node in city.nodes if node.tier == tier]
        points = np.array([place[node.name] for node in nodes])
        cpu = [node.capacity[0] for node in nodes]
        told = f"{min(cpu):.3g}-{max(cpu):.3g}" if min(cpu) < max(cpu) else f"{cpu[0]:.3g}"
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            marker=marker,
            c=[_colour(city, node) for node in nodes],
            edgecolors="black",
            linewidths=0.6,
            zorder=4,
            label=f"{len(nodes)} {tier} ({told} CPU for DAGs)",
        )
    for number, region in enumerate(city.regions):
        x, y = place[region.controller]
        axes.annotate(str(number + 1), (x, y), ha="center", va="center", fontsize=7, weight="bold", zorder=6)


def _colour(city: City, node: Node) -> str:
    names = [region.name for region in city.regions]
    if node.region not in names:
        return "#ffffff"
    return REGION_COLOURS[names.index(node.region) % len(REGION_COLOURS)]


def _told(city: City, node: Node) -> str:
    cpu, memory = node.capacity[:2]
    lines: Sequence[str] = (
        f"<b>{node.name}</b>",
        city.places[node.name].title,
        f"{node.region or 'no region'}, {cpu:g} CPU, {memory / 2**30:g} GiB",
        f"radio: {', '.join(sorted(node.radio)) or 'none'}",
    )
    return "<br>".join(lines)


def _title(city: City) -> str:
    return f"{city.scenario.name}: {city.scenario.description}"
