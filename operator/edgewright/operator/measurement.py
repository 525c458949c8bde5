"""What was measured of users' requests: one question to Prometheus, and how its answer is read; pure."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from edgewright.kube.metrics import REQUEST_COUNT, REQUEST_DURATION
from edgewright.operator.claims import Key

ENOUGH = 20
"""Requests in the window from which a ServiceDAG is judged by them."""
TOLERANCE = 0.05
"""Values that move by less are the same."""
_UNSEEN = 0.001
"""Share of requests slower than the largest bucket up to which the jitter of the others is told."""


class NonsenseError(ValueError):
    """An answer that no Prometheus gives to our question."""


@dataclass(frozen=True)
class Measurement:
    """The requests of one ServiceDAG in the last window; seconds and shares."""

    requests: float
    window: float
    """Seconds."""
    at: str
    """When it was measured, RFC 3339."""
    mean: float | None = None
    success: float | None = None
    """Share of requests that were answered; None if nobody counts them."""
    bounds: tuple[float, ...] = ()
    """Upper bounds of the buckets, the last one infinite."""
    counts: tuple[float, ...] = ()
    """Requests per bucket, not cumulative."""

    def percentile(self, percent: float) -> float | None:
        """The latency that `percent` of the requests keep, spread evenly in its bucket.

        Infinite if it is beyond the largest bucket, None if no latency was measured.
        """
        total = sum(self.counts)
        if total <= 0:
            return None
        rank, seen, lower = percent / 100 * total, 0.0, 0.0
        for upper, count in zip(self.bounds, self.counts, strict=True):
            if seen + count >= rank and count > 0:
                return upper if math.isinf(upper) else lower + (upper - lower) * max(0.0, rank - seen) / count
            seen, lower = seen + count, upper
        return math.inf

    def above(self, limit: float | None) -> float | None:
        """Share of the answers later than `limit` seconds, spread evenly in its bucket; None if not known."""
        total = sum(self.counts)
        if total <= 0 or limit is None:
            return None
        late, lower = 0.0, 0.0
        for upper, count in zip(self.bounds, self.counts, strict=True):
            if upper > limit:
                width = upper - max(lower, limit)
                late += count if lower >= limit or math.isinf(upper) else count * width / (upper - lower)
            lower = upper
        return late / total

    @property
    def largest(self) -> float:
        """The largest finite bound, beyond which nothing can be told."""
        return self.bounds[-2] if len(self.bounds) > 1 else 0.0

    @property
    def jitter(self) -> float | None:
        """Standard deviation of the latency, spread evenly in each bucket; None if it is beyond them."""
        total, finite = sum(self.counts), sum(self.counts[:-1])
        if finite <= 0 or total - finite > _UNSEEN * total:
            return None
        edges = list(pairwise((0.0, *self.bounds[:-1])))
        mean = sum(c * (a + b) / 2 for (a, b), c in zip(edges, self.counts, strict=False)) / finite
        square = sum(c * (a * a + a * b + b * b) / 3 for (a, b), c in zip(edges, self.counts, strict=False))
        return math.sqrt(max(0.0, square / finite - mean * mean))

    def status(self, percent: float, limit: float | None = None) -> dict[str, Any]:
        """`status.observed` of the ServiceDAG whose latency has a `limit` in seconds at `percent`."""
        values = {
            "latencyMs": _ms(self.mean),
            "p95Ms": _ms(self.percentile(percent)),
            "jitterMs": _ms(self.jitter),
            "successProbability": self.success,
            "violationProbability": self.above(limit),
            "requestsPerSecond": self.requests / self.window,
        }
        shown = {name: float(f"{v:.4g}") for name, v in values.items() if v is not None and math.isfinite(v)}
        return {**shown, "at": self.at}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def moved(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether two `status.observed` differ by more than TOLERANCE; when they were measured does not count."""
    if not before or not after:
        return bool(before) != bool(after)
    if before.keys() != after.keys():
        return True
    return any(
        abs(before[name] - after[name]) > TOLERANCE * _scale(name, before[name], after[name])
        for name in after
        if name != "at"
    )


def _scale(name: str, before: float, after: float) -> float:
    """What a change is compared with: the value itself, or 1 where it is a share, which may be near 0."""
    return 1.0 if name.endswith("Probability") else max(abs(before), abs(after))


def question(window: float) -> str:
    """PromQL for all ServiceDAGs at once: buckets, sums and outcomes of the last `window` seconds.

    Percentiles differ between ServiceDAGs, so the buckets are asked for and read here.
    """
    over = f"[{window:.0f}s]"
    parts = {
        "bucket": f"sum by (namespace, servicedag, le) (increase({REQUEST_DURATION}_bucket{over}))",
        "sum": f"sum by (namespace, servicedag) (increase({REQUEST_DURATION}_sum{over}))",
        "outcome": f"sum by (namespace, servicedag, outcome) (increase({REQUEST_COUNT}{over}))",
    }
    return " or ".join(
        f'label_replace({expression}, "part", "{part}", "", "")' for part, expression in parts.items()
    )


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: list[_Sample] = []


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


_answers = msgspec.json.Decoder(_Answer)


def read(content: bytes, known: Collection[Key], at: str, window: float) -> dict[Key, Measurement]:
    """The measurements of the `known` ServiceDAGs that had ENOUGH requests in `window` seconds; no others.

    What is said of one ServiceDAG and makes no sense (a negative count, a bucket without a bound) leaves out
    that one. Raises NonsenseError if the answer as a whole is none.
    """
    try:
        answer = _answers.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NonsenseError(f"not an answer of Prometheus' API: {error}") from error
    if answer.status != "success" or answer.data is None:
        raise NonsenseError(f"status {answer.status[:40]!r}: {answer.error[:200]}")
    if answer.data.result_type != "vector":
        raise NonsenseError(f"a {answer.data.result_type[:40]!r} instead of a vector")
    samples: dict[Key, list[_Sample]] = {}
    for sample in answer.data.result:
        key = sample.metric.get("namespace", ""), sample.metric.get("servicedag", "")
        if key in known:
            samples.setdefault(key, []).append(sample)
    found = {key: _measurement(listed, at, window) for key, listed in samples.items()}
    return {key: made for key, made in found.items() if made is not None and made.requests >= ENOUGH}


def _measurement(samples: list[_Sample], at: str, window: float) -> Measurement | None:
    cumulative: dict[float, float] = {}
    outcomes: dict[str, float] = {}
    total = 0.0
    for sample in samples:
        try:
            value = float(sample.value[1])
            bound = float(sample.metric["le"]) if sample.metric.get("part") == "bucket" else 0.0
        except (ValueError, KeyError):
            return None
        if not (math.isfinite(value) and value >= 0 and bound >= 0):
            return None
        match sample.metric.get("part"):
            case "bucket":
                cumulative[bound] = value
            case "sum":
                total = value
            case "outcome":
                outcomes[sample.metric.get("outcome", "")] = value
            case _:
                return None
    bounds = sorted(cumulative)
    if bounds and not math.isinf(bounds[-1]):
        return None
    # Counts that were scraped while they moved may fall by a little: none is less than the one before.
    counts, last = [], 0.0
    for bound in bounds:
        counts.append(max(0.0, cumulative[bound] - last))
        last = max(last, cumulative[bound])
    counted = sum(outcomes.values())
    return Measurement(
        requests=max(last, counted),
        window=window,
        at=at,
        mean=total / last if last > 0 else None,
        success=outcomes.get("ok", 0.0) / counted if counted > 0 else None,
        bounds=tuple(bounds),
        counts=tuple(counts),
    )
