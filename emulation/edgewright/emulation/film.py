"""Draws a played episode: the map with load, failures and new replicas, latencies, violations."""

from collections.abc import Sequence

import numpy as np
from matplotlib.animation import FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from edgewright.emulation.city import City
from edgewright.emulation.picture import places, regions
from edgewright.emulation.playing import Frame

MOST = 3.0
"""Ratio of latency to limit at which bars end."""
LOADS = "viridis_r"
LATE, IN_TIME, FAILED = "#d55e00", "#009e73", "#d55e00"


def film(city: City, frames: Sequence[Frame], file: str, *, per_second: int, period: float) -> None:
    """Write a .gif, or an .mp4 where ffmpeg is; OSError if the file cannot be written."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.7, 1.0))
    city_axes, bars = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    course = figure.add_subplot(grid[1, 1])
    place = places(city)
    regions(city_axes, city, place)
    point = np.array([place[node.name] for node in city.nodes])
    x, y = point.T
    load = frames[0].load
    dots = city_axes.scatter(x, y, 45, load, cmap=LOADS, vmin=0, vmax=1, edgecolors="black", zorder=4)
    figure.colorbar(dots, ax=city_axes, label="CPU utilisation", shrink=0.6, location="bottom")
    (failed,) = city_axes.plot([], [], "x", color=FAILED, markersize=12, markeredgewidth=2.5, zorder=5)
    moves = LineCollection([], colors="#0072b2", linewidths=1.2, alpha=0.7, zorder=3)
    city_axes.add_collection(moves)
    city_axes.set(aspect="equal", xlabel="km east", ylabel="km north")
    seconds = np.arange(len(frames)) * period
    violation = np.array([frame.violation for frame in frames])
    course.plot(seconds, 100 * violation, color="0.8")
    (so_far,) = course.plot([], [], color=LATE)
    course.set(xlabel="seconds", ylabel="late, lost or not served (%)", ylim=(0, None))

    def show(number: int) -> list[Artist]:
        frame = frames[number]
        dots.set_array(frame.load)
        failed.set_data(*point[frame.down].T)
        moves.set_segments([point[pair] for pair in frame.arrived])
        so_far.set_data(seconds[: number + 1], 100 * violation[: number + 1])
        _bars(bars, frame)
        failures, new = int(frame.down.sum()), len(frame.arrived)
        city_axes.set_title(
            f"{city.scenario.name}, {seconds[number]:.0f} s: {len(frame.names)} DAGs, "
            f"{failures} nodes failed, {new} new replicas"
        )
        return [dots, failed, moves, so_far]

    writer = (FFMpegWriter if file.endswith(".mp4") else PillowWriter)(fps=per_second)
    FuncAnimation(figure, show, frames=len(frames), blit=False).save(file, writer=writer, dpi=80)


def _bars(axes: Axes, frame: Frame) -> None:
    """Latency over its limit, the worst DAG first."""
    axes.clear()
    ratio = np.sort(np.minimum(frame.ratio, MOST))[::-1]
    axes.bar(np.arange(len(ratio)), ratio, color=np.where(ratio > 1.0, LATE, IN_TIME), width=1.0)
    axes.axhline(1.0, color="black", linewidth=1.0)
    axes.set(ylim=(0, MOST), xticks=[], xlabel="DAGs, the latest first", ylabel="latency over limit")


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
        subplot_titles=("", "latency over limit, the latest DAG first", "late, lost or not served (%)"),
    )
    course = go.Scatter(
        x=seconds, y=[100 * frame.violation for frame in frames], line={"color": LATE}, showlegend=False
    )
    first = _traces(frames[0], city, point, seconds[0], 100 * frames[0].violation)
    for trace, (row, column) in zip(first, ((1, 1), (1, 1), (1, 2), (2, 2)), strict=True):
        drawn.add_trace(trace, row=row, col=column)
    drawn.add_trace(course, row=2, col=2)
    drawn.frames = [
        go.Frame(
            name=f"{at:.0f}", traces=[0, 1, 2, 3], data=_traces(frame, city, point, at, 100 * frame.violation)
        )
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
        sliders=[{"steps": steps, "currentvalue": {"prefix": "seconds: "}}],
        updatemenus=[{"type": "buttons", "buttons": buttons, "x": 0.0, "y": 1.12, "direction": "left"}],
    )
    drawn.update_yaxes(scaleanchor="x", row=1, col=1)
    drawn.update_yaxes(range=[0, MOST], row=1, col=2)
    drawn.write_html(file, include_plotlyjs=True)


def _traces(frame: Frame, city: City, point: np.ndarray, at: float, violation: float) -> list[object]:
    """Nodes, new replicas, DAGs, and where on the course of violations this is."""
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
            "size": 11,
            "symbol": ["x" if down else "circle" for down in frame.down],
            "line": {"color": "black", "width": 1},
            "colorbar": {"title": "CPU", "x": 0.58, "len": 0.5},
        },
    )
    ends = [[*point[pair].T.tolist()] for pair in frame.arrived]
    lines = go.Scatter(
        x=[value for x, _ in ends for value in (*x, None)],
        y=[value for _, y in ends for value in (*y, None)],
        mode="lines",
        name="users to new replicas",
        line={"color": "#0072b2", "width": 1},
        hoverinfo="skip",
    )
    order = np.argsort(-frame.ratio, kind="stable")
    ratio = np.minimum(frame.ratio[order], MOST)
    bars = go.Bar(
        x=list(range(len(ratio))),
        y=ratio,
        text=[frame.names[d] for d in order],
        textposition="none",
        hoverinfo="text+y",
        showlegend=False,
        marker={"color": [LATE if value > 1 else IN_TIME for value in ratio]},
    )
    now = go.Scatter(x=[at], y=[violation], mode="markers", marker={"color": "black"}, showlegend=False)
    return [nodes, lines, bars, now]
