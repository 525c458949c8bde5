"""What users were answered: in each part of a run that its injections divide, and over time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from edgewright.emulation.chaos.recording import Asked, Recording

KEEPS_UP = 0.02
"""Seconds that 99 % of the requests may leave late before the load was not what it says."""
WINDOW = 2.0
"""Seconds over which a percentile in the picture is taken."""


class Phase(msgspec.Struct, frozen=True):
    """The requests of a part of the run, between an injection's or a healing's moment and the next."""

    what: str
    """The injections that were not healed; if nothing but users asking, that."""
    began: float
    ended: float
    requests: int
    lost: int
    """Not answered, or answered with an error."""
    over: int
    """Answered later than the ServiceDAG's limit."""
    p50: float | None
    """Latency over the ServiceDAG's limit, of the answered ones; None where none has a limit."""
    p95: float | None

    @property
    def per_second(self) -> float:
        """How often users asked."""
        return self.requests / max(self.ended - self.began, 1e-9)


def phases(recording: Recording) -> list[Phase]:
    """Every part of the run in which users asked."""
    limits = limits_of(recording)
    last = recording.samples[-1].at if recording.samples else 0.0
    moments = {each.began for each in recording.injections}
    moments |= {each.ended for each in recording.injections if each.ended is not None}
    first = min(moments, default=0.0)
    found = []
    for began, ended in pairwise(sorted({*moments, last})):
        # The first requests leave just before their injection is known to be complete.
        inside = [each for each in recording.asked if began <= max(each.at, first) < ended]
        if inside:
            found.append(_phase(_what(recording, began), began, ended, inside, limits))
    return found


def _what(recording: Recording, at: float) -> str:
    faults, every = (
        [each.what for each in among if each.began <= at and (each.ended is None or at < each.ended)]
        for among in (recording.faults, recording.injections)
    )
    return ", ".join(faults or every)


def _phase(
    what: str, began: float, ended: float, inside: Sequence[Asked], limits: Mapping[str, float]
) -> Phase:
    ratios = list(_ratios(inside, limits))
    p50, p95 = np.percentile(ratios, (50, 95)).round(3).tolist() if ratios else (None, None)
    return Phase(
        what=what,
        began=round(began, 2),
        ended=round(ended, 2),
        requests=len(inside),
        lost=sum(each.seconds is None for each in inside),
        over=sum(ratio > 1.0 for ratio in ratios),
        p50=p50,
        p95=p95,
    )


def _ratios(asked: Sequence[Asked], limits: Mapping[str, float]) -> Iterator[float]:
    for each in asked:
        if each.seconds is not None and each.dag in limits:
            yield 1e3 * each.seconds / limits[each.dag]


def limits_of(recording: Recording) -> dict[str, float]:
    """Milliseconds that users of each ServiceDAG may wait, where that is limited."""
    return {
        name: dag.limit
        for sample in recording.samples
        for name, dag in sample.dags.items()
        if dag.limit is not None
    }


def over_time(recording: Recording) -> dict[str, list[tuple[float, float]]]:
    """For each ServiceDAG (end of a window, 95th percentile of latency over its limit in it); see WINDOW."""
    limits = limits_of(recording)
    windows: dict[str, dict[int, list[float]]] = {}
    for each in recording.asked:
        for ratio in _ratios([each], limits):
            windows.setdefault(each.dag, {}).setdefault(int(each.at // WINDOW), []).append(ratio)
    return {
        name: [((at + 1) * WINDOW, float(np.percentile(ratios, 95))) for at, ratios in sorted(found.items())]
        for name, found in windows.items()
    }


def not_as_said(recording: Recording) -> str | None:
    """That requests left so late that the load was less bursty than it says; None if they did not."""
    if not recording.asked:
        return None
    late = float(np.percentile([each.late for each in recording.asked], 99))
    if late <= KEEPS_UP:
        return None
    return f"1 % of the requests left more than {late * 1e3:.0f} ms late: this machine could not keep up"
