"""The pool's DAGs are in the ranges of [MAPPO] Table 2, and each can be served on an idle city."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from edgewright.agents.policies import create
from edgewright.core.arrays import compile_visits
from edgewright.core.problem import World
from edgewright.core.service import CPU, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.service import Demand as Arrivals
from edgewright.core.units import CORE_SPEED, KB, MS
from edgewright.emulation.demand import templates, workload
from edgewright.emulation.demand.episode import Demand
from edgewright.emulation.demand.figures import means
from edgewright.emulation.demand.workload import ServiceClass
from edgewright.emulation.fields import ScenarioError


@pytest.fixture(scope="module")
def drawn(world: Demand) -> list[tuple[ServiceDag, ServiceClass]]:
    classes = {each.name: each for each in workload.load("metaverse").classes}
    pool = world.pool
    return [(dag, classes[kind]) for dag, kind in zip(pool.dags, pool.kind, strict=True)]


def test_the_mix_is_40_35_25(world: Demand) -> None:
    for region in range(2):
        kinds = [k for k, r in zip(world.pool.kind, world.pool.region, strict=True) if r == region]
        assert kinds.count("xr") == 4
        assert 3 <= kinds.count("twin") <= 4
        assert 2 <= kinds.count("holographic") <= 3


def test_sizes_limits_and_resources(drawn: list[tuple[ServiceDag, ServiceClass]]) -> None:
    for dag, given in drawn:
        low, high = given.microservices
        assert low <= len(dag.microservices) <= high
        assert given.limit_ms.low * MS <= (dag.qos.max_latency or 0) <= given.limit_ms.high * MS
        for microservice in dag.microservices:
            assert given.cpu.low <= microservice.request[CPU] <= given.cpu.high


def test_work_of_a_request_and_use_of_a_replica(drawn: list[tuple[ServiceDag, ServiceClass]]) -> None:
    for dag, given in drawn:
        work = np.array([m.work for m in dag.microservices]) * compile_visits(dag)
        assert given.work.low * 1e6 <= work.sum() <= given.work.high * 1e6
        own = work * dag.demand.rate / CORE_SPEED / [m.request[CPU] for m in dag.microservices]
        assert ((own >= 0.299) & (own <= 0.701)).all()


def test_the_whole_payload_crosses_only_on_the_way_in(
    drawn: list[tuple[ServiceDag, ServiceClass]], world: Demand
) -> None:
    abroad = 0
    for dag, given in drawn:
        full = given.payload_kb * KB
        assert all(0.0199 * full <= i.payload <= 0.1001 * full for i in dag.invocations)
        cell = world.city.nodes[world.city.substrate.index[str(dag.ingress.node)]]
        if cell.region == dag.namespace:
            assert dag.demand.payload == full
        else:
            abroad += 1
            assert dag.demand.payload <= 0.1001 * full
    assert 0 < abroad < len(drawn) / 2


def test_the_best_idle_placement_is_good_enough(world: Demand) -> None:
    city, pool = world.city, world.pool
    assert (pool.idle <= templates.SLACK).all()
    for row in range(0, len(pool.dags), 7):
        dag, region = pool.dags[row], city.regions[pool.region[row]]
        allowed = np.array([node.name in region.nodes for node in city.nodes])
        idle = World(city.substrate, np.zeros_like(city.substrate.capacity))
        decision = create("heuristic").place(templates.alone(idle, dag, allowed), seconds=60)
        assert decision.prediction is not None
        assert decision.prediction.percentile / (dag.qos.max_latency or 1) == pytest.approx(pool.idle[row])


def test_what_was_drawn_is_kept_beside_what_was_accepted(world: Demand) -> None:
    pool = world.pool
    assert len(pool.first) == len(pool.dags)
    assert [dag.name for dag in pool.first] == [dag.name for dag in pool.dags]
    same = [a is b for a, b in zip(pool.first, pool.dags, strict=True)]
    assert any(same)
    assert not all(same)
    kept = [len(a.microservices) == len(b.microservices) for a, b in zip(pool.first, pool.dags, strict=True)]
    assert np.mean(kept) > 0.9, "acceptance leaves sizes alone"


def test_figures_of_a_dag() -> None:
    calls = tuple(Invocation(a, b, 1.0) for a, b in (("a", "b"), ("b", "c"), ("a", "c")))
    microservices = tuple(Microservice(n, (0.5, 1e9, 0, 0, 0, 1), work=2e7) for n in "abc")
    ingress, qos = Ingress(node="n", rate=5e9), Qos(max_latency=0.02)
    dag = ServiceDag("x", "y", microservices, calls, Arrivals(50.0, 1e6), ingress, qos)
    assert means([dag]).tolist() == pytest.approx([3, 3, 3, 50, 1.5, 0.3, 60, 20, 5])


def test_rejections_are_counted(world: Demand) -> None:
    assert world.pool.rejected[templates.LATE] > 0
    assert set(world.pool.rejected) <= {
        templates.LATE,
        templates.NOWHERE,
        templates.OUTSIDE,
        templates.GIVEN_UP,
    }


def test_a_workload_that_the_city_cannot_serve_is_refused(
    world: Demand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "DRAWS", 1)
    monkeypatch.setattr(templates, "SIZES", 2)
    given = yaml.safe_load(workload.known()["metaverse"].read_text())
    given["classes"] = [{**given["classes"][0], "share": 1.0, "limitMs": [0.5, 0.5]}]
    file = tmp_path / "hasty.yaml"
    file.write_text(yaml.safe_dump(given))
    with pytest.raises(ScenarioError, match=r"class xr: no DAG fits in region metro-small-1 \(.*raise"):
        templates.make_pool(world.city, world.groups, workload.load(str(file)), seed=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": 0.5}, "add up to 0.5"),
        ({"microservices": [6, 4]}, "the smaller first"),
        ({"cpu": [0, 4]}, "cpu.low"),
        ({"utilisation": [0.3, 1.2]}, "utilisation: 1.2 is above 0.95"),
        ({"colour": "red"}, "colour"),
        ({"payloadKb": float("nan")}, "payloadKb"),
    ],
)
def test_a_wrong_workload_file_names_the_field(tmp_path: Path, change: dict[str, object], words: str) -> None:
    given = yaml.safe_load(workload.known()["metaverse"].read_text())
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({**given, "classes": [{**given["classes"][0], "share": 1.0, **change}]}))
    with pytest.raises(ScenarioError, match=words):
        workload.load(str(file))
