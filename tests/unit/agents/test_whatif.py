"""What a loss would do, as the agent would decide it: replacements, refusals, DAGs that are only near."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.unit.agents.builders import NAMESPACE, controller, dag, node, pod

from edgewright.agents.region import Region
from edgewright.agents.thinking import Thinking
from edgewright.agents.whatif import Loss, lose
from edgewright.kube.api import Api
from edgewright.kube.objects import Manifest


class NoApi(Api):
    """Whoever asks it anything fails."""

    def __init__(self) -> None:
        """There is no connection."""

    async def raw(self, method: str, path: str, **rest: Any) -> bytes:
        raise AssertionError(f"{method} {path}: a simulation must not ask the API server")


@pytest.fixture
async def thinking() -> AsyncIterator[Thinking]:
    made = Thinking()
    yield made
    made.close()


def region_of(*nodes: str, cpu: str = "4", dags: tuple[Manifest, ...] = ()) -> Region:
    region = Region((NAMESPACE, "ec"), 0.0)
    for name in nodes:
        region.node_changed(name, node(name, cpu))
    region.grant_changed(controller(*nodes))
    for each in dags or (losing("fast"),):
        region.dag_changed(each.metadata.key, each)
    return region


def losing(stance: str, name: str = "shop") -> Manifest:
    made = dag(name)
    return msgspec.structs.replace(made, spec={**made.spec, "placementPolicy": {"onNodeLoss": stance}})


async def loss_of(region: Region, thinking: Thinking, *nodes: str) -> Loss:
    return await lose(NoApi(), region, nodes, thinking, 0.0)


async def test_every_lost_replica_gets_a_living_node(thinking: Thinking) -> None:
    region = region_of("n1", "n2", "n3")
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.pod_changed(None, pod("b-0", on="n2"), 0.0)
    loss = await loss_of(region, thinking, "n1")
    [shop] = loss.dags
    assert [(r.pod, r.node) for r in shop.lost] == [("a-0", "n1")]
    assert shop.lost[0].replacement in {"n2", "n3"}
    assert shop.before is not None
    assert shop.after is not None
    assert (shop.homeless, shop.unplaced, loss.suspended) == (0, (), False)


async def test_what_has_no_place_says_which_constraint(thinking: Thinking) -> None:
    region = region_of("n1", "n2", cpu="600m")
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.pod_changed(None, pod("b-0", on="n2"), 0.0)
    [shop] = (await loss_of(region, thinking, "n1")).dags
    assert shop.homeless == 1
    assert shop.after is None
    assert {violation.constraint for violation in shop.unplaced} >= {"cpu"}


async def test_lost_nodes_are_not_ready_for_replacements(thinking: Thinking) -> None:
    region = region_of("n1", "n2")
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.pod_changed(None, pod("b-0", on="n2"), 0.0)
    [shop] = (await loss_of(region, thinking, "n1", "n2")).dags
    assert {violation.constraint for violation in shop.unplaced} == {"not-ready"}


async def test_replicas_that_keep_their_node_are_not_replaced(thinking: Thinking) -> None:
    region = region_of("n1", "n2", "n3", dags=(losing("keep"),))
    region.pod_changed(None, pod("a-0", on="n1"), 0.0)
    region.pod_changed(None, pod("b-0", on="n2"), 0.0)
    [shop] = (await loss_of(region, thinking, "n1")).dags
    assert [r.replacement for r in shop.lost] == [None]
    assert shop.unplaced == ()


async def test_a_dag_that_loses_nothing_is_not_touched(thinking: Thinking) -> None:
    region = region_of("n1", "n2", "n3")
    region.pod_changed(None, pod("a-0", on="n2"), 0.0)
    region.pod_changed(None, pod("b-0", on="n2"), 0.0)
    loss = await loss_of(region, thinking, "n3")
    assert loss.dags == ()
    assert loss.nodes == ("n3",)


async def test_pods_of_no_dag_are_lost_without_a_replacement(thinking: Thinking) -> None:
    region = region_of("n1", "n2", "n3")
    region.pod_changed(None, pod("x-0", on="n1", dag_name="nobodys"), 0.0)
    loss = await loss_of(region, thinking, "n1")
    assert loss.others == (f"{NAMESPACE}/x-0",)


async def test_the_higher_priority_gets_the_last_place(thinking: Thinking) -> None:
    first, second = losing("fast", "first"), losing("fast", "second")
    second = msgspec.structs.replace(second, spec={**second.spec, "priority": 100})
    region = region_of("n1", "n2", "n3", "n4", cpu="1100m", dags=(first, second))
    for name in ("first", "second"):
        region.pod_changed(None, pod(f"a-{name}", on="n1", dag_name=name), 0.0)
    region.pod_changed(None, pod("b-first", on="n2", dag_name="first"), 0.0)
    region.pod_changed(None, pod("b-second", on="n2", dag_name="second"), 0.0)
    region.pod_changed(None, pod("x-0", on="n3", dag_name="nobodys", cpu="600m"), 0.0)
    region.pod_changed(None, pod("x-1", on="n4", dag_name="nobodys", cpu="900m"), 0.0)
    found = {touched.key[1]: touched for touched in (await loss_of(region, thinking, "n1")).dags}
    assert found["second"].lost[0].replacement == "n3"
    assert found["first"].lost[0].replacement is None


async def test_most_of_a_region_at_once_would_suspend_evictions(thinking: Thinking) -> None:
    region = region_of("n1", "n2", "n3")
    assert (await loss_of(region, thinking, "n1", "n2")).suspended
