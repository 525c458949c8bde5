"""The gateway sees a region as its agent does: its draws have the mean that the agent predicts."""

import msgspec
import numpy as np
import pytest
from tests.unit.gateway.builders import KEY, dag, node, picture, pod

from edgewright.agents.questions import question
from edgewright.agents.region import Region
from edgewright.core.draws import draw
from edgewright.core.evaluate import Evaluator
from edgewright.core.load import crowded, station_load, use_of
from edgewright.core.scenarios import STATUS
from edgewright.kube.objects import Manifest

CITY = tuple(f"n{i}" for i in range(9))
OURS = CITY[:4]


def controller() -> Manifest:
    obj = {
        "metadata": {"namespace": KEY[0], "name": "region"},
        "spec": {},
        "status": {"nodes": list(OURS), "namespaces": [KEY[0]]},
    }
    return msgspec.convert(obj, Manifest)


@pytest.mark.parametrize("ingress", [None, {"node": "n3"}, {"location": {"x": 0, "y": 0}}], ids=str)
def test_draws_have_the_mean_of_the_agent_s_prediction(ingress: object) -> None:
    manifest = msgspec.structs.replace(dag(rate=100.0), spec={**dag(rate=100.0).spec, "ingress": ingress})
    pods = (pod("decode", "n1"), pod("render", "n2"), pod("render", "n3", name="render-1"))

    agent = Region((KEY[0], "region"), 0.0)
    agent.grant_changed(controller())
    for name in CITY:
        agent.node_changed(name, node(name))
    agent.dag_changed(KEY, manifest)
    for each in pods:
        agent.pod_changed(None, each, 0.0)
    asked = question(agent, agent.dags[KEY], [], 0.0)
    assert asked is not None
    predicted = Evaluator(asked[0], STATUS).evaluate(asked[0].fixed).one()

    made = picture(*CITY, pods=pods, manifest=manifest)
    made.controller_changed((KEY[0], "region"), controller())
    scene = made.scene()
    placed = scene.services[KEY].placed
    assert placed is not None
    assert scene.substrate is not None
    rho = station_load(placed, scene.substrate) + scene.foreign
    found = draw(
        use_of(placed, scene.substrate),
        crowded(scene.substrate, scene.foreign[: len(CITY)]),
        rate=100.0,
        rho=rho,
        backlog=np.zeros(len(rho)),
        count=20_000,
        random=np.random.default_rng(0),
    )
    assert found.latency.mean() == pytest.approx(predicted.mean, rel=0.02)
