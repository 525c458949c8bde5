"""Prometheus metrics with bounded labels, and the catalogue from which their reference is written."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
"""What this process serves under /metrics."""
OPEN = frozenset({"region", "namespace", "servicedag"})
"""Labels whose values users make; the values of all others are few and fixed in the code."""
OTHER = "other"
"""Stands for every open label's value once a metric has its fill."""
LIMIT = 500
"""Series (of a histogram: groups of them) that one metric may have before more are folded into `other`."""
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets for what takes milliseconds, in seconds."""
SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Buckets for what takes seconds, in seconds."""
REQUESTS = tuple(float(f"{0.001 * 10 ** (step / 10):.3g}") for step in range(41))
"""Buckets for requests of users, ten per decade from 1 ms to 10 s: a percentile read from them is off by
less than 12 %."""
REQUEST_DURATION, REQUEST_COUNT = "edgewright_request_duration_seconds", "edgewright_requests_total"
"""What answers the users of a ServiceDAG exports these two, with the labels namespace and servicedag; the
counter also has outcome (ok or failed)."""

M = TypeVar("M", Counter, Histogram)


@dataclass(frozen=True)
class Entry:
    """One metric of the catalogue."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


CATALOGUE: list[Entry] = []


class Bounded(Generic[M]):
    """A metric whose children are made on demand, at most `limit` for values that users make."""

    def __init__(self, name: str, metric: M, labels: Sequence[str], limit: int) -> None:
        self._metric: M = metric
        self._name, self._limit = name, limit
        self._open = tuple(label in OPEN for label in labels)
        self._children: dict[tuple[str, ...], M] = {}
        self._lock = threading.Lock()

    def of(self, *values: str) -> M:
        """The child with these label values; beyond the limit that of `other`. Any thread may call it."""
        child = self._children.get(values)
        return self._child(values) if child is None else child

    def _child(self, values: tuple[str, ...]) -> M:
        with self._lock:
            if any(self._open) and len(self._children) >= self._limit:
                folded = fold(values, self._open)
                if folded != values and values not in self._children:
                    FOLDED.of(self._name).inc()
                values = folded
            child = self._children.get(values)
            if child is None:
                child = self._metric.labels(*values) if values else self._metric
                self._children[values] = child
            return child


def fold(values: Sequence[str], is_open: Sequence[bool]) -> tuple[str, ...]:
    """The label values with `other` in the place of those that users make."""
    return tuple(OTHER if user else value for value, user in zip(values, is_open, strict=True))


def counter(name: str, meaning: str, *labels: str, limit: int = LIMIT) -> Bounded[Counter]:
    """A counter; its name ends in `_total`."""
    CATALOGUE.append(Entry(name, "counter", labels, meaning))
    return Bounded(name, Counter(name, meaning, labels, registry=REGISTRY), labels, limit)


def histogram(
    name: str, meaning: str, *labels: str, buckets: Sequence[float] = FAST, limit: int = LIMIT
) -> Bounded[Histogram]:
    """A histogram of seconds; its name ends in `_seconds`."""
    CATALOGUE.append(Entry(name, "histogram", labels, meaning))
    return Bounded(name, Histogram(name, meaning, labels, registry=REGISTRY, buckets=buckets), labels, limit)


FOLDED = counter(
    "edgewright_metrics_folded_total",
    "Updates that were counted under `other`, because the metric had its fill of series",
    "metric",
)


@dataclass(frozen=True)
class State:
    """A gauge that is read when Prometheus asks, so that it costs nothing in between and never goes stale."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    folded_by: Callable[[float, float], float]
    """How two values that share `other` become one."""
    limit: int = LIMIT

    def at(self, value: float, *labels: str) -> "Reading":
        """Its value for some labels."""
        return Reading(self, labels, float(value))


@dataclass(frozen=True)
class Reading:
    """The value of one series of a State."""

    state: State
    labels: tuple[str, ...]
    value: float


Source = Callable[[], Iterable[Reading]]


class States(Collector):
    """Reads every source when it is scraped."""

    def __init__(self) -> None:
        self._known: list[State] = []
        self._sources: list[Source] = []

    def define(
        self, name: str, meaning: str, *labels: str, folded_by: Callable[[float, float], float] = max
    ) -> State:
        """A gauge whose values sources give."""
        CATALOGUE.append(Entry(name, "gauge", labels, meaning))
        state = State(name, meaning, labels, folded_by)
        self._known.append(state)
        return state

    @contextlib.contextmanager
    def read_from(self, source: Source) -> Iterator[None]:
        """Ask `source` at every scrape, until the block ends."""
        self._sources.append(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def describe(self) -> Iterable[Metric]:
        """The gauges without values, so that registering asks nobody."""
        return [GaugeMetricFamily(state.name, state.meaning, labels=state.labels) for state in self._known]

    def collect(self) -> Iterator[Metric]:
        """Every gauge that has a value, with at most its limit of series and one more for the rest."""
        values: dict[State, dict[tuple[str, ...], float]] = {}
        folded: dict[str, int] = {}
        for source in tuple(self._sources):
            for reading in source():
                _take(values.setdefault(reading.state, {}), reading, folded)
        for name, count in folded.items():
            FOLDED.of(name).inc(count)
        for state, series in values.items():
            family = GaugeMetricFamily(state.name, state.meaning, labels=state.labels)
            for labels, value in series.items():
                family.add_metric(labels, value)
            yield family


def _take(series: dict[tuple[str, ...], float], reading: Reading, folded: dict[str, int]) -> None:
    state, labels = reading.state, reading.labels
    if labels not in series and len(series) >= state.limit:
        folded[state.name] = folded.get(state.name, 0) + 1
        labels = fold(labels, [label in OPEN for label in state.labels])
    before = series.get(labels)
    series[labels] = reading.value if before is None else state.folded_by(before, reading.value)


STATES = States()
REGISTRY.register(STATES)
ProcessCollector(registry=REGISTRY)

API_REQUESTS = counter(
    "edgewright_api_requests_total",
    "Requests to the API server by HTTP method and class of the answer's code (none: no answer); no watches",
    "verb",
    "code",
)
API_DURATION = histogram(
    "edgewright_api_request_duration_seconds",
    "How long the API server took to answer",
    "verb",
)


def observe_request(verb: str, status: int, seconds: float) -> None:
    """Count one request to the API server; `status` 0 means that there was no answer."""
    API_REQUESTS.of(verb, f"{status // 100}xx" if status else "none").inc()
    API_DURATION.of(verb).observe(seconds)
