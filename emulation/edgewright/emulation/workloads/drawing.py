"""A picture of a workload: who asks where, how many when, and how bursty that is."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewright.emulation.workloads.plan import PERIOD, Target, Workload, arrivals, positions, rates
from edgewright.emulation.workloads.processes import Floats, Ints, dispersion, hurst

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Told apart also by people who confuse colours (Okabe and Ito); the last one is for all others together."""
NAMED = len(COLOURS) - 1
"""Targets with a colour of their own: those that are asked most."""


def draw(workload: Workload, targets: Sequence[Target], file: str) -> None:
    """Write the picture of the workload's first PERIOD; raises ValueError for an unknown kind of picture."""
    times, chosen = next(arrivals(workload, targets))
    asked = np.bincount(chosen, minlength=len(targets))
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplot_mosaic([["time", "time"], ["map", "scale"]], height_ratios=(1.1, 1.0))
    order = np.argsort(-asked, kind="stable").tolist()
    _over_time(axes["time"], times, chosen, targets, order)
    _map(axes["map"], rates(workload, targets), targets, order)
    _over_scales(axes["scale"], times)
    figure.suptitle(
        f"workload {workload.kind}, seed {workload.seed}: {len(times) / PERIOD:.1f} requests per second"
    )
    figure.savefig(file, dpi=120)


def _over_time(
    axes: Axes, times: Floats, chosen: Ints, targets: Sequence[Target], order: Sequence[int]
) -> None:
    width = 2.0
    edges = np.arange(0.0, PERIOD + width / 2, width)
    groups = [[row] for row in order[:NAMED]] + ([order[NAMED:]] if order[NAMED:] else [])
    counts = [np.histogram(times[np.isin(chosen, group)], edges)[0] / width for group in groups]
    labels = [targets[row].path for row in order[:NAMED]] + ["others"] * (len(groups) > NAMED)
    axes.stackplot(edges[:-1], counts, labels=labels, colors=COLOURS, step="post")
    axes.set(xlabel="seconds", ylabel="requests per second", xlim=(0, PERIOD))
    axes.legend(loc="upper right", fontsize="small")


def _map(axes: Axes, rate: Floats, targets: Sequence[Target], order: Sequence[int]) -> None:
    axes.plot(*(positions().T / 1e3), ".", color="0.75", markersize=3, label="users")
    for place, row in enumerate(order):
        users = targets[row].users
        if users is not None:
            size = 40.0 + 400.0 * float(rate[row] / rate.max())
            colour = COLOURS[min(place, NAMED)]
            axes.scatter([users[0] / 1e3], [users[1] / 1e3], size, color=colour, alpha=0.7)
    axes.set(
        xlabel="km east", ylabel="km north", title="where requests come from (area: rate)", aspect="equal"
    )


def _over_scales(axes: Axes, times: Floats) -> None:
    windows = np.geomspace(0.05, PERIOD / 30, 12)
    index = [dispersion(times, float(window), PERIOD) for window in windows]
    axes.loglog(
        windows, index, "o-", color=COLOURS[0], label=f"this workload (H = {hurst(times, 1.0, PERIOD):.2f})"
    )
    axes.axhline(1.0, color="0.5", linestyle="--", label="Poisson (H = 0.5)")
    axes.set(xlabel="window, seconds", ylabel="variance / mean of counts", title="how bursty, at each scale")
    axes.legend(fontsize="small")
