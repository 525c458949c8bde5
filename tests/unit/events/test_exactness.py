"""The incremental simulation against progressive filling at every event: the same requests, to rounding."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit.events.reference import Reference
from tests.unit.events.worlds import World, scaled, worlds

from edgewright.emulation.events import NodeFailure, RateChange, simulate

REQUESTS = 60
NUDGE = 1e-12


def compare(world: World, seed: int, **options: object) -> None:
    """Refuses worlds whose long busy periods turn a nudge into what one could see: rounding grows as much."""
    placed, substrate = world
    seen, nudged = (
        simulate(dags, substrate, requests=REQUESTS, seed=seed, warm_up=0.0, **options)  # type: ignore[arg-type]
        for dags in (placed, [scaled(one, 1.0 + NUDGE) for one in placed])
    )
    for mine, other in zip(seen.latency, nudged.latency, strict=True):
        assume(np.allclose(mine, other, rtol=1e6 * NUDGE, atol=0.0))
    expected = Reference(placed, substrate, seed=seed, **options).run(REQUESTS)  # type: ignore[arg-type]
    for q in range(len(placed)):
        mine = np.array([latency for stream, latency in expected if stream == q])
        np.testing.assert_allclose(seen.latency[q], mine, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 1000))
def test_every_request_takes_as_long_as_with_progressive_filling(world: World, seed: int) -> None:
    compare(world, seed)


@settings(max_examples=15, deadline=None)
@given(worlds(loads=(0.5,)), st.integers(0, 1000), st.floats(0.1, 0.9), st.floats(0.3, 3.0))
def test_also_beside_foreign_load_with_bursts_and_failures(
    world: World, seed: int, when: float, factor: float
) -> None:
    placed, substrate = world
    total = sum(one.dag.demand.rate for one in placed)
    middle = when * REQUESTS / total
    changes = (
        RateChange(at=0.5 * middle, dag=0, rate=factor * placed[0].dag.demand.rate),
        NodeFailure(at=middle, node=1),
    )
    foreign = np.array([0.3, 0.0, 0.2, 0.0])[: len(substrate.nodes)]
    compare(world, seed, foreign=foreign, changes=changes)
