"""The look of every figure, so that the pages of all experiments belong together."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edgewright.emulation.experiments.statistics import Interval

PALETTE = ("#2563eb", "#d97706", "#15803d", "#b91c1c", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREY = "#6b7280"
ORDER = (
    "heuristic",
    "network-aware",
    "best-fit",
    "random",
    "genetic",
    "heft",
    "kube",
    "exact",
    "milp",
)
"""Policies keep their colour and marker over all figures; the ninth and later share those of the first."""

_STYLE: dict[str, object] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.alpha": 0.3,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.hashsalt": "edgewright",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """Fonts, grids and colours of a figure and of its files."""
    from matplotlib import rc_context  # noqa: PLC0415 - a second of imports that only figures need

    with rc_context(_STYLE):  # type: ignore[arg-type]  # its keys are a type of a page in length
        yield


def panels(count: int, *, width: float = 4.6, height: float = 3.2) -> "tuple[Figure, list[Axes]]":
    """A figure with `count` panels side by side, two rows from four on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = 1 if count < 4 else 2
    columns = -(-count // rows)
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    drawn = [one for line in axes for one in line]
    for empty in drawn[count:]:
        empty.set_visible(False)
    return figure, drawn[:count]


def look(name: str, among: Sequence[str]) -> dict[str, str]:
    """Colour and marker of a method, the same in every figure."""
    known = [*ORDER, *(other for other in among if other not in ORDER)]
    at = known.index(name)
    return {"color": PALETTE[at % len(PALETTE)], "marker": MARKERS[(at + at // len(PALETTE)) % len(MARKERS)]}


def line(
    axes: "Axes",
    x: Sequence[float],
    y: "Sequence[Interval | None]",
    scale: float,
    name: str,
    among: Sequence[str],
) -> None:
    """Values over x, `scale` times, with their 95 % intervals as a band; points without one are left out."""
    kind, known = look(name, among), [(at, one) for at, one in zip(x, y, strict=True) if one is not None]
    at = [place for place, _ in known]
    low, value, high = ([scale * getattr(one, end) for _, one in known] for end in ("low", "value", "high"))
    axes.plot(at, value, label=name, markersize=4, linewidth=1.5, **kind)  # type: ignore[arg-type]
    axes.fill_between(at, low, high, color=kind["color"], alpha=0.15, linewidth=0)


def legend(figure: "Figure", axes: "Axes") -> None:
    """One legend of a figure, below its panels, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        inches = 0.55 + 0.065 * max(map(len, labels))
        columns = min(len(labels), max(1, int(figure.get_figwidth() / inches)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def images(figure: "Figure") -> dict[str, bytes]:
    """The figure as PNG and SVG; the same figure gives the same bytes."""
    found = {}
    with style():
        for suffix in ("png", "svg"):
            target = io.BytesIO()
            # Without dates and versions, which would make equal figures differ.
            nothing = {"png": {"Software": None}, "svg": {"Date": None}}[suffix]
            figure.savefig(target, format=suffix, dpi=160, metadata=nothing)
            found[suffix] = target.getvalue()
    return found
