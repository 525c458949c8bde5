"""Draws a played episode: the map with load, failures and new replicas, latencies beside limits, causes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.animation import FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.units import MS
from edgewright.emulation.causes import CAUSES
from edgewright.emulation.city import City
from edgewright.emulation.picture import places, regions
from edgewright.emulation.playing import Frame

MOST = 60.0
"""Milliseconds at which bars end: twice the longest limit of [MAPPO] Table 2."""
LOADS = "viridis_r"
SIZES = {"edge": 40, "controller": 110, "core": 200}
"""Of a node on the map, by tier."""
LATE, IN_TIME, FAILED, MOVED, UNSERVED = "#d55e00", "#009e73", "#d55e00", "#0072b2", "#999999"
COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#cc79a7", "#d55e00")
"""In the order of CAUSES."""
BARS, COURSE = "latency (ms, p95) and limit (black) of each DAG", "not in time (% of the requests)"


def film(city: City, frames: Sequence[Frame], file: str, *, per_second: int, period: float) -> None:
    """Write a .gif, or an .mp4 where ffmpeg is; OSError if the file cannot be written."""
    figure = Figure(figsize=(13, 6.8), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.6, 1.0))
    city_axes, bars = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    course = figure.add_subplot(grid[1, 1])
    place = places(city)
    regions(city_axes, city, place)
    point = np.array([place[node.name] for node in city.nodes])
    x, y = point.T
    load = frames[0].load
    size = [SIZES[node.tier] for node in city.nodes]
    dots = city_axes.scatter(x, y, size, load, cmap=LOADS, vmin=0, vmax=1, edgecolors="black", zorder=4)
    figure.colorbar(dots, ax=city_axes, label="CPU utilisation", shrink=0.6, location="bottom")
    (failed,) = city_axes.plot(
        [], [], "X", color=FAILED, markersize=11, markeredgecolor="black", zorder=5, label="failed node"
    )
    moves = LineCollection([], colors=MOVED, linewidths=1.4, zorder=3, label="users to new replica")
    city_axes.add_collection(moves)
    city_axes.legend(loc="upper left", frameon=False)
    city_axes.set(aspect="equal", xlabel="km east", ylabel="km north")
    seconds = np.arange(len(frames)) * period
    course.stackplot(seconds, _course(frames).T, labels=CAUSES, colors=COLOURS)
    course.legend(loc="upper right", fontsize=7, ncols=3)
    top = 1.3 * max(1.0, 100.0 * max(frame.violation for frame in frames))
    course.set(xlabel="seconds", title=COURSE, ylim=(0, top), xlim=(0, max(float(seconds[-1]), period)))
    now = course.axvline(0.0, color="black")

    def show(number: int) -> list[Artist]:
        frame = frames[number]
        dots.set_array(frame.load)
        failed.set_data(*point[frame.down].T)
        moves.set_segments([point[pair] for pair in frame.arrived])
        now.set_xdata([seconds[number]])
        _bars(bars, frame)
        city_axes.set_title(_title(city, frame, float(seconds[number])))
        return [dots, failed, moves, now]

    writer = (FFMpegWriter if file.endswith(".mp4") else PillowWriter)(fps=per_second)
    FuncAnimation(figure, show, frames=len(frames), blit=False).save(file, writer=writer, dpi=80)


def _course(frames: Sequence[Frame]) -> FloatArray:
    """(T, causes) percent of all requests."""
    return 100.0 * np.array([frame.by_cause for frame in frames])


def _title(city: City, frame: Frame, seconds: float) -> str:
    """What there is to see."""
    failures, new, waiting = int(frame.down.sum()), len(frame.arrived), int(np.isinf(frame.latency).sum())
    return (
        f"{city.scenario.name}, {seconds:.0f} s: {len(frame.names)} DAGs, {waiting} not served, "
        f"{new} new replicas, {failures} nodes failed"
    )


def _ordered(frame: Frame) -> tuple[IntArray, FloatArray, list[str]]:
    """DAGs by limit, the latest of each first; the ms that their bars are high; and their colours."""
    order = np.lexsort((-frame.latency, frame.limit))
    height = np.minimum(frame.latency[order] / MS, MOST)
    colours = [
        UNSERVED if np.isinf(frame.latency[d]) else LATE if frame.ratio[d] > 1.0 else IN_TIME for d in order
    ]
    return order.astype(np.int32), height, colours


def _bars(axes: Axes, frame: Frame) -> None:
    axes.clear()
    order, height, colours = _ordered(frame)
    at = np.arange(len(order))
    axes.bar(at, height, color=colours, width=0.9)
    axes.hlines(frame.limit[order] / MS, at - 0.5, at + 0.5, color="black", linewidth=1.4)
    for colour, label in ((IN_TIME, "in time"), (LATE, "late"), (UNSERVED, "not served")):
        axes.bar([0], [0], color=colour, label=label)
    axes.legend(loc="upper left", fontsize=7, ncols=3)
    axes.set(ylim=(0, 1.15 * MOST), xticks=[], title=BARS)


def page(city: City, frames: Sequence[Frame], file: str, *, period: float) -> None:
    """Write one HTML file that needs nothing else, with a slider over the periods; OSError as `film`."""
    import plotly.graph_objects as go  # noqa: PLC0415 (half a second that films do not need)
    from plotly.subplots import make_subplots  # noqa: PLC0415

    place = places(city)
    point = np.array([place[node.name] for node in city.nodes])
    seconds = [number * period for number in range(len(frames))]
    drawn = make_subplots(
        rows=2,
        cols=2,
        column_widths=[0.62, 0.38],
        specs=[[{"rowspan": 2}, {}], [None, {}]],
        subplot_titles=("", BARS, COURSE),
    )
    for trace, (row, column) in zip(
        _traces(frames[0], city, point, seconds[0]), ((1, 1), (1, 1), (1, 2), (1, 2), (2, 2)), strict=True
    ):
        drawn.add_trace(trace, row=row, col=column)
    for cause, colour, percent in zip(CAUSES, COLOURS, _course(frames).T, strict=True):
        area = {"stackgroup": "causes", "line": {"width": 0}, "fillcolor": colour, "name": cause}
        drawn.add_trace(go.Scatter(x=seconds, y=percent, **area), row=2, col=2)
    drawn.frames = [
        go.Frame(name=f"{at:.0f}", traces=[0, 1, 2, 3, 4], data=_traces(frame, city, point, at))
        for frame, at in zip(frames, seconds, strict=True)
    ]
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    steps = [{"args": [[f.name], still], "label": f.name, "method": "animate"} for f in drawn.frames]
    run = {"frame": {"duration": 200, "redraw": True}, "fromcurrent": True}
    buttons = [
        {"args": [None, run], "label": "play", "method": "animate"},
        {"args": [[None], still], "label": "pause", "method": "animate"},
    ]
    drawn.update_layout(
        title=f"{city.scenario.name}: {city.scenario.description}",
        template="plotly_white",
        legend={"orientation": "h", "x": 0.63, "y": -0.08},
        sliders=[{"steps": steps, "currentvalue": {"prefix": "seconds: "}, "len": 0.6}],
        updatemenus=[{"type": "buttons", "buttons": buttons, "x": 0.0, "y": 1.12, "direction": "left"}],
    )
    drawn.update_yaxes(scaleanchor="x", row=1, col=1)
    drawn.update_yaxes(range=[0, MOST], row=1, col=2)
    drawn.write_html(file, include_plotlyjs=True)


def _traces(frame: Frame, city: City, point: FloatArray, at: float) -> list[object]:
    """Nodes, new replicas, DAGs, their limits, and where in the course of the episode this is."""
    import plotly.graph_objects as go  # noqa: PLC0415

    told = [
        f"{node.name}: {'failed' if down else f'{load:.0%} CPU'}"
        for node, load, down in zip(city.nodes, frame.load, frame.down, strict=True)
    ]
    nodes = go.Scatter(
        x=point[:, 0],
        y=point[:, 1],
        mode="markers",
        text=told,
        hoverinfo="text",
        showlegend=False,
        marker={
            "color": frame.load,
            "colorscale": "Viridis",
            "reversescale": True,
            "cmin": 0,
            "cmax": 1,
            "size": [16 if down else 11 for down in frame.down],
            "symbol": ["x" if down else "circle" for down in frame.down],
            "line": {"color": [FAILED if down else "black" for down in frame.down], "width": 1},
            "colorbar": {"title": "CPU", "x": 0.58, "len": 0.5},
        },
    )
    ends = [[*point[pair].T.tolist()] for pair in frame.arrived]
    lines = go.Scatter(
        x=[value for x, _ in ends for value in (*x, None)],
        y=[value for _, y in ends for value in (*y, None)],
        mode="lines",
        name="users to new replicas",
        line={"color": MOVED, "width": 1},
        hoverinfo="skip",
    )
    order, height, colours = _ordered(frame)
    rank = list(range(len(order)))
    told = [f"{frame.names[d]}: {frame.latency[d] / MS:.1f} of {frame.limit[d] / MS:.1f} ms" for d in order]
    bars = go.Bar(
        x=rank,
        y=height,
        text=told,
        textposition="none",
        hoverinfo="text",
        showlegend=False,
        marker={"color": colours},
    )
    limits = go.Scatter(
        x=rank,
        y=frame.limit[order] / MS,
        mode="lines",
        line={"color": "black", "shape": "hvh", "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )
    here = {"color": "black", "size": 9}
    now = go.Scatter(x=[at], y=[100 * frame.violation], mode="markers", marker=here, showlegend=False)
    return [nodes, lines, bars, limits, now]
