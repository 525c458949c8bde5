"""Histograms that count thousands of observations at once, and Prometheus' text of them."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from edgewright.core.substrate import FloatArray

DURATIONS = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0),
)
"""Upper bounds in seconds of request and invocation durations: 1 ms to 10 s."""
ERRORS = (0.0001, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.005, 0.01, 0.1)
"""Upper bounds in seconds of how late the gateway answers."""


class Histograms:
    """Rows of counts over the same buckets, one row per label value."""

    def __init__(self, bounds: tuple[float, ...], rows: int = 1) -> None:
        self.bounds = np.array(bounds)
        self.counts = np.zeros((rows, len(bounds) + 1))
        self.sums = np.zeros(rows)

    def observe(self, values: FloatArray, weights: FloatArray | None = None) -> None:
        """Count `values` (rows, n), each `weights` (rows, n) times; infinite ones count beyond all bounds."""
        values = np.atleast_2d(values)
        rows, width = self.counts.shape
        at = np.searchsorted(self.bounds, values, side="left") + width * np.arange(rows)[:, None]
        given = None if weights is None else weights.ravel()
        self.counts += np.bincount(at.ravel(), given, rows * width).reshape(rows, width)
        finite = np.where(np.isfinite(values), values, 0.0)
        self.sums += (finite if weights is None else finite * weights).sum(1)

    def text(self, name: str, row: int, labels: str) -> Iterator[str]:
        """The exposition lines of one row; `labels` as `labelled` makes them, without braces."""
        within: npt.NDArray[np.float64] = np.cumsum(self.counts[row])
        comma = "," if labels else ""
        for bound, value in zip((*map(_short, self.bounds), "+Inf"), within, strict=True):
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {value:.0f}\n'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.sums[row]:.9g}\n{name}_count{braces} {within[-1]:.0f}\n"


def _short(bound: float) -> str:
    return repr(float(bound))


def labelled(labels: Mapping[str, str]) -> str:
    """Label pairs in Prometheus' text format, values escaped."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def head(name: str, kind: str, about: str) -> str:
    """The HELP and TYPE lines of a metric."""
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n"
