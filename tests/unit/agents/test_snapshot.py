"""What a running agent sees of one DAG; that it is what simulated agents see is tested in unit/fluid."""

import math
from typing import Any

import msgspec
import pytest
from tests.unit.agents.builders import DAG, NAMESPACE, dag, node, pod, region_of

from edgewright.agents.questions import question
from edgewright.agents.region import Region
from edgewright.agents.snapshot import PERIOD, look, snapshot
from edgewright.agents.thinking import Thinking
from edgewright.core.load import FOREIGN_USE
from edgewright.core.observe import PENDING, PLACED, Snapshot
from edgewright.core.service import CPU
from edgewright.kube.objects import Manifest

OBSERVED = {"p95Ms": 30.0, "violationProbability": 0.2, "requestsPerSecond": 8.0, "at": "t"}


@pytest.fixture
def region() -> Region:
    return region_of("n1", "n2")


def seen(region: Region, waited: float = 0.0) -> Snapshot:
    record = region.dags[DAG]
    waiting = [replica for replica in region.replicas(record, 0.0) if not replica.node]
    built = question(region, record, waiting, 0.0)
    assert built is not None
    return snapshot(look(region, record, built[0], 0.0, waited=waited))


def node_load(**spec: Any) -> Manifest:
    reference = {"namespace": NAMESPACE, "name": "ec"}
    body = {"edgeController": reference, "observedAt": "2026-01-01T00:00:00Z", **spec}
    return msgspec.convert({"metadata": {"name": "ns-ec-0"}, "spec": body}, Manifest)


def place(region: Region, a: str = "n1", b: str = "n2") -> None:
    for name, on in (("a-0", a), ("b-0", b)):
        region.pod_changed(None, pod(name, on), 0.0)


def test_pods_of_other_namespaces_take_room_and_cpu(region: Region) -> None:
    place(region)
    before = seen(region)
    load = node_load(nodes=[{"name": "n1", "requests": {"cpu": 1.0}}], requestedElsewhere=0.5)
    region.load_changed("ns-ec-0", load, 0.0)
    after = seen(region)
    assert after.foreign[:, CPU].tolist() == [1.0, 0.0]
    assert after.used.tolist() == before.used.tolist()
    assert after.cpu - before.cpu == pytest.approx([FOREIGN_USE / 4, 0.0])
    assert (before.elsewhere, after.elsewhere) == (0.0, FOREIGN_USE * 0.5)
    region.load_changed("ns-ec-1", node_load(), 0.0)
    assert seen(region).elsewhere == after.elsewhere, "only one chunk tells of the others"


def test_what_users_got_comes_before_what_was_predicted(region: Region) -> None:
    predicted = {"p95Ms": 10.0, "violationProbability": 0.1}
    region.dag_changed(DAG, dag(status={"predicted": predicted}))
    place(region)
    declared = seen(region)
    assert (declared.rate, declared.latency, declared.violation) == (1.0, 0.01, 0.1)
    region.dag_changed(DAG, dag(status={"predicted": predicted, "observed": OBSERVED}))
    told = seen(region)
    assert (told.rate, told.latency, told.violation) == (8.0, 0.03, 0.2)
    assert told.cpu == pytest.approx(8 * declared.cpu)
    assert told.kind == PLACED


def test_a_dag_without_a_replica_is_late_without_end_after_a_period(region: Region) -> None:
    region.dag_changed(DAG, dag(status={"observed": OBSERVED}))
    place(region, b="")
    assert seen(region, waited=PERIOD - 1).latency == 0.03
    lost = seen(region, waited=PERIOD)
    assert (lost.kind, lost.latency, lost.violation) == (PENDING, math.inf, 1.0)
    assert lost.cpu.tolist() == [0.0, 0.0], "nobody's requests get through"
    assert lost.node.tolist() == [0, -1]


def test_closed_and_cordoned_nodes_are_not_ready(region: Region) -> None:
    place(region, b="")
    assert seen(region).ready.tolist() == [1.0, 1.0]
    region.close_nodes(frozenset({"n2"}))
    assert seen(region).ready.tolist() == [1.0, 0.0]
    cordoned = msgspec.convert(
        {**msgspec.to_builtins(node("n1")), "spec": {"unschedulable": True}}, type(node("n1"))
    )
    region.node_changed("n1", cordoned)
    assert seen(region).ready.tolist() == [0.0, 0.0]


def test_pending_is_who_has_fewer_replicas_than_the_operator_wants(region: Region) -> None:
    place(region)
    region.dag_changed((NAMESPACE, "dry"), _dry_run())
    assert (seen(region).active, seen(region).pending) == (1, 0)
    region.dag_changed(DAG, dag(status={"desired": [{"microservice": "a", "replicas": 2}]}))
    assert (seen(region).active, seen(region).pending) == (1, 1)


def _dry_run() -> Manifest:
    made = dag("dry")
    made.spec["placementPolicy"] = {"dryRun": True}
    return made


async def test_only_policies_that_ask_are_shown_anything() -> None:
    thinking = Thinking()
    try:
        assert not await thinking.observes("heuristic")
        assert not await thinking.observes("random")
    finally:
        thinking.close()
