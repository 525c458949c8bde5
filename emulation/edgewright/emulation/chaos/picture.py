"""The picture of a run: replicas, latency and nodes over time, with the injections as spans."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.emulation.chaos.answers import over_time
from edgewright.emulation.chaos.recording import USERS, Recording, Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY, BLUE, GREEN, RED, ORANGE = "#6b7280", "#2563eb", "#15803d", "#b91c1c", "#d97706"


def draw(recording: Recording) -> str:
    """An SVG element to stand in a page."""
    from matplotlib import rc_context  # noqa: PLC0415 - a second of imports that only a report needs
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "edgewright", "font.size": 9}):
        figure = Figure(figsize=(10, 8.5), layout="constrained")
        FigureCanvasSVG(figure)
        heights = [0.5 + 0.28 * max(1, len(recording.injections)), 2.2, 2.2, 1.4]
        spans, *rest = figure.subplots(
            4 + bool(recording.asked), 1, sharex=True, height_ratios=heights + [1.4] * bool(recording.asked)
        )
        replicas, latency, nodes, *requests = rest
        _injections(spans, recording)
        _replicas(replicas, recording.samples)
        _latency(latency, recording)
        _nodes(nodes, recording.samples)
        for axes in requests:
            _requests(axes, recording)
        for axes in rest:
            _shade(axes, recording)
            axes.grid(axis="y", alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        rest[-1].set_xlabel("seconds since the recording began")
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    text = target.getvalue()
    return text[text.index("<svg") :]


def _end(recording: Recording, ended: float | None) -> float:
    last = recording.samples[-1].at if recording.samples else 0.0
    return max(last, ended or 0.0) if ended is None else ended


def _injections(axes: "Axes", recording: Recording) -> None:
    middle = _end(recording, None) / 2
    for row, each in enumerate(recording.injections):
        end = _end(recording, each.ended)
        colour = BLUE if each.fault == USERS else ORANGE
        axes.barh(row, max(end - each.began, 0.05), left=each.began, color=colour, height=0.7)
        # Words stand beside the span, on the side where there is room for them, or within a long one.
        at, side, ink = (end, "left", "black") if each.began < middle else (each.began, "right", "black")
        if end - each.began > middle:
            at, side, ink = each.began, "left", "white"
        words = axes.text(
            at, row, f" {each.what} ", va="center", ha=side, color=ink, fontsize=8, clip_on=False
        )
        words.set_in_layout(False)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_title("injections", loc="left", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _replicas(axes: "Axes", samples: Sequence[Sample]) -> None:
    _steps(axes, samples, lambda s: sum(d.desired for d in s.dags.values()), "desired", GREY)
    _steps(axes, samples, lambda s: sum(d.bound for d in s.dags.values()), "bound to a living node", BLUE)
    _steps(axes, samples, lambda s: sum(d.ready for d in s.dags.values()), "Ready", GREEN)
    axes.set_ylim(bottom=0)
    axes.set_title("replicas", loc="left", fontsize=9)
    _legend(axes)


def _latency(axes: "Axes", recording: Recording) -> None:
    samples, measured = recording.samples, over_time(recording)
    names = sorted({name for sample in samples for name in sample.dags})
    for number, name in enumerate(names):
        colour = f"C{number}"
        axes.plot([], "-", label=name, color=colour)
        for kind, style in (("predicted", "-"), ("observed", "--")):
            points = [
                (sample.at, ratio)
                for sample in samples
                if name in sample.dags and (ratio := getattr(sample.dags[name], kind)) is not None
            ]
            if points:
                points.append((samples[-1].at, points[-1][1]))
                axes.step(*zip(*points, strict=True), style, where="post", color=colour)
        axes.plot(*zip(*measured.get(name, [(0.0, np.nan)]), strict=True), ":", color=colour)
    axes.axhline(1.0, color=RED, linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_title("latency / limit (— predicted, - - observed, ··· users' p95)", loc="left", fontsize=9)
    if names:
        _legend(axes)


def _requests(axes: "Axes", recording: Recording) -> None:
    edges = np.arange(0.0, _end(recording, None) + 1.0)
    for label, colour, taken in (
        ("asked", BLUE, recording.asked),
        ("lost", RED, [each for each in recording.asked if each.seconds is None]),
    ):
        axes.stairs(np.histogram([each.at for each in taken], edges)[0], edges, label=label, color=colour)
    axes.set_ylim(bottom=0)
    axes.set_title("requests per second", loc="left", fontsize=9)
    _legend(axes)


def _nodes(axes: "Axes", samples: Sequence[Sample]) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    _steps(axes, samples, lambda s: s.nodes - s.nodes_ready, "nodes lost", ORANGE)
    _steps(axes, samples, lambda s: sum(d.violated for d in s.dags.values()), "ServiceDAGs over a limit", RED)
    _steps(axes, samples, lambda s: len(s.silent), "leaders silent", BLUE)
    _steps(axes, samples, lambda s: 0 if s.answers else 1, "API server away", GREY)
    axes.set_ylim(bottom=-0.1, top=max(1.0, axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("what is missing", loc="left", fontsize=9)
    _legend(axes)


def _legend(axes: "Axes") -> None:
    """Above the axes, where it hides no line; long names must not take the lines' room."""
    legend = axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, ncols=4, frameon=False)
    legend.set_in_layout(False)


def _steps(
    axes: "Axes", samples: Sequence[Sample], value: Callable[[Sample], float], label: str, colour: str
) -> None:
    axes.step([s.at for s in samples], [value(s) for s in samples], where="post", label=label, color=colour)


def _shade(axes: "Axes", recording: Recording) -> None:
    for each in recording.faults:
        axes.axvspan(each.began, _end(recording, each.ended), color=ORANGE, alpha=0.12, linewidth=0)
