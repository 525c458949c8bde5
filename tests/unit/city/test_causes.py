"""What is late is divided by cause: the parts add up, and each is what its docstring says."""

from dataclasses import replace

import numpy as np
import pytest

from edgewright.core.outcome import OUTPUTS, VIOLATION
from edgewright.core.service import Ingress, ServiceDag
from edgewright.core.substrate import FloatArray
from edgewright.emulation.causes import CAUSES, FAILURE, FILLED, PLACEMENT, QUEUES, RADIO, Causes, tally
from edgewright.emulation.demand.episode import Demand
from edgewright.emulation.playing import Frame


@pytest.fixture
def dag(world: Demand) -> ServiceDag:
    """One whose users are at home, so that the whole payload crosses their radio."""
    region = {node.name: node.region for node in world.city.nodes}
    return next(dag for dag in world.pool.dags if region[str(dag.ingress.node)] == dag.namespace)


def divided(world: Demand, dag: ServiceDag, node: int, *, rate: float | None, late: float) -> FloatArray:
    stages = np.arange(len(dag.microservices), dtype=np.int32)
    outcome = np.zeros(OUTPUTS)
    outcome[VIOLATION] = late
    there = replace(dag, ingress=Ingress(node=dag.ingress.node, rate=rate))
    return Causes(world.city.substrate).served(there, stages, np.full(len(stages), node, np.int32), outcome)


def test_parts_add_up_and_slow_radio_is_blamed_on_radio(world: Demand, dag: ServiceDag) -> None:
    here = world.city.substrate.index[str(dag.ingress.node)]
    fast = divided(world, dag, here, rate=1e12, late=1.0)
    slow = divided(world, dag, here, rate=5e7, late=1.0)
    assert fast.sum() == pytest.approx(1.0)
    assert slow.sum() == pytest.approx(1.0)
    assert slow[PLACEMENT] == fast[PLACEMENT]
    assert slow[RADIO] > 0.9
    assert fast[RADIO] < 1e-3
    assert fast[QUEUES] > 0.5


def test_no_part_exceeds_what_is_late(world: Demand, dag: ServiceDag) -> None:
    here = world.city.substrate.index[str(dag.ingress.node)]
    shares = divided(world, dag, here, rate=5e7, late=0.25)
    assert shares.sum() == pytest.approx(0.25)
    assert (shares >= 0).all()


def test_a_dead_cell_is_a_failure(world: Demand, dag: ServiceDag) -> None:
    assert divided(world, dag, 0, rate=None, late=1.0)[FAILURE] == 1.0


def frame(asked: list[float], late: list[float]) -> Frame:
    shares = np.zeros((len(late), len(CAUSES)))
    shares[:, QUEUES] = late
    nothing, some = np.zeros(1), np.ones(len(late))
    return Frame(
        load=nothing,
        down=nothing.astype(bool),
        arrived=np.zeros((0, 2), np.int32),
        names=("a", "b"),
        kind=("xr", "twin"),
        latency=some,
        limit=some,
        asked=np.array(asked),
        late=shares,
    )


def test_a_tally_weighs_by_requests_and_begins_when_the_city_is_filled() -> None:
    frames = [frame([1.0, 1.0], [1.0, 1.0])] * FILLED + [frame([3.0, 1.0], [0.2, 0.6])] * 2
    told = tally(frames)
    assert list(told) == ["twin", "xr", "all"]
    assert told["xr"][0] == pytest.approx(0.75)
    assert told["xr"][1][QUEUES] == pytest.approx(0.2)
    assert told["all"][1].sum() == pytest.approx(0.3)
    assert told["all"][1].sum() == pytest.approx(frames[-1].violation)
