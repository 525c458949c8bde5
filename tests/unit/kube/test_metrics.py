"""Metrics stay bounded whatever names users invent, and are read from the state when Prometheus asks."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest

from edgewright.kube import metrics
from edgewright.kube.metrics import OTHER, Bounded, Reading, States


def bounded(*labels: str, limit: int) -> tuple[Bounded[Counter], CollectorRegistry]:
    registry = CollectorRegistry()
    return Bounded(
        "flooded_total", Counter("flooded", "", labels, registry=registry), labels, limit
    ), registry


def series(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "flooded_total"
    }


def folded() -> float:
    return (
        metrics.REGISTRY.get_sample_value("edgewright_metrics_folded_total", {"metric": "flooded_total"})
        or 0.0
    )


@given(st.lists(st.text(min_size=1, max_size=5).filter(lambda n: n != OTHER), max_size=60), st.integers(1, 9))
def test_a_flood_of_names_makes_no_more_series_than_the_limit_and_loses_no_count(
    names: list[str], limit: int
) -> None:
    metric, registry = bounded("namespace", limit=limit)
    before = folded()
    for name in names:
        metric.of(name).inc()
    found = series(registry)
    assert len(found) <= limit + 1
    assert sum(found.values()) == len(names)
    assert found.get((OTHER,), 0.0) == folded() - before
    for name in list(dict.fromkeys(names))[:limit]:
        assert found[(name,)] == names.count(name)


def test_labels_that_only_the_code_sets_survive_the_folding() -> None:
    metric, registry = bounded("region", "result", limit=2)
    for region in ("a", "b", "c", "d"):
        metric.of(region, "bound").inc()
        metric.of(region, "refused").inc()
    assert series(registry) == {
        ("a", "bound"): 1,
        ("a", "refused"): 1,
        (OTHER, "bound"): 3,
        (OTHER, "refused"): 3,
    }


def test_states_are_read_when_asked_and_gone_with_their_source() -> None:
    states, registry = States(), CollectorRegistry()
    gauge = states.define("edgewright_test_state", "A test", "region")
    registry.register(states)
    metrics.CATALOGUE.pop()
    value = 1.0

    def source() -> Iterator[Reading]:
        yield gauge.at(value, "north")

    with states.read_from(source):
        assert registry.get_sample_value("edgewright_test_state", {"region": "north"}) == 1.0
        value = 2.0
        assert registry.get_sample_value("edgewright_test_state", {"region": "north"}) == 2.0
    assert registry.get_sample_value("edgewright_test_state", {"region": "north"}) is None


@pytest.mark.parametrize(
    ("how", "expected"), [(max, 99.0), (min, 10.0), (lambda a, b: a + b, sum(range(10, 100)))]
)
def test_states_beyond_the_limit_are_folded_into_one(how: object, expected: float) -> None:
    states, registry = States(), CollectorRegistry()
    gauge = metrics.State("edgewright_test_state", "", ("servicedag",), how, limit=10)  # type: ignore[arg-type]
    registry.register(states)
    with states.read_from(lambda: [gauge.at(number, f"dag-{number}") for number in range(100)]):
        found = {s.labels["servicedag"]: s.value for family in registry.collect() for s in family.samples}
    assert len(found) == 11
    assert found[OTHER] == expected


def test_every_metric_is_named_by_the_conventions() -> None:
    import edgewright.agents.metrics  # noqa: PLC0415
    import edgewright.operator.metrics  # noqa: F401, PLC0415

    names = [entry.name for entry in metrics.CATALOGUE]
    assert len(set(names)) == len(names)
    for entry in metrics.CATALOGUE:
        assert entry.name.startswith("edgewright_")
        assert entry.name.endswith("_total") == (entry.kind == "counter")
        assert entry.kind != "histogram" or entry.name.endswith("_seconds")
        assert not entry.name.endswith(("_ms", "_millis"))
        assert entry.meaning


def test_the_process_is_described_too() -> None:
    text = generate_latest(metrics.REGISTRY).decode()
    assert "process_cpu_seconds_total" in text
    assert "process_resident_memory_bytes" in text


def test_request_buckets_are_fine_enough_for_percentiles() -> None:
    bounds = metrics.REQUESTS
    assert bounds[0] == 0.001
    assert bounds[-1] == 10.0
    assert all(1.2 < b / a < 1.3 for a, b in pairwise(bounds))
