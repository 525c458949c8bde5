"""How long a ServiceDAG took to be whole again is counted from the first loss to the last binding."""

import pytest
from tests.unit.agents.builders import DAG, dag, pod, region_of

from edgewright.agents.recovery import Recoveries
from edgewright.agents.region import Region

NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def region() -> Region:
    made = region_of("n1", "n2")
    for name, where in (("a-1", "n1"), ("b-1", "n2")):
        made.pod_changed(None, pod(name, where), 0.0)
    return made


def test_from_the_loss_until_every_replica_is_bound_to_a_living_node(region: Region) -> None:
    seen: list[float] = []
    recoveries = Recoveries(region, seen.append)
    silent = frozenset({"n1"})
    recoveries.look(DAG, NOBODY, 1.0)
    recoveries.lost(silent, 2.0)
    recoveries.look(DAG, silent, 3.0)
    recoveries.lost(silent, 4.0)
    region.pod_changed(pod("a-1", "n1"), None, 5.0)
    region.pod_changed(None, pod("a-2"), 5.0)
    recoveries.look(DAG, silent, 5.5)
    region.reserve("uid-a-2", "n2")
    recoveries.look(DAG, silent, 6.0)
    assert seen == [], "the binding is not seen yet"
    region.pod_changed(pod("a-2"), pod("a-2", "n2"), 7.0)
    recoveries.look(DAG, silent, 7.0)
    recoveries.look(DAG, silent, 8.0)
    assert seen == [5.0]


def test_a_servicedag_elsewhere_or_deleted_has_nothing_to_recover(region: Region) -> None:
    seen: list[float] = []
    recoveries = Recoveries(region, seen.append)
    recoveries.lost({"n9"}, 1.0)
    recoveries.look(DAG, NOBODY, 2.0)
    recoveries.lost({"n1"}, 3.0)
    region.dag_changed(DAG, None)
    recoveries.look(DAG, NOBODY, 4.0)
    region.dag_changed(DAG, dag())
    recoveries.look(DAG, NOBODY, 5.0)
    assert seen == []
