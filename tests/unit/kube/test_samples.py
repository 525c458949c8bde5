"""Every sample says what its source says and reaches core without a complaint."""

from typing import Any

import pytest
import yaml

from edgewright.core.service import topological_order
from edgewright.kube import convert, manifests

# [MAPPO] Table 2: microservices, latency limit in ms, vCPU, GB.
CLASSES = {
    "xr-content-delivery": ((4, 6), (10, 20), (0.5, 4), (0.5, 8)),
    "digital-twin-sync": ((8, 15), (0, 30), (0.1, 1.5), (0.1, 2)),
    "holographic-communication": ((12, 20), (0, 15), (1.5, 4), (2, 8)),
}
SAMPLES = [*CLASSES, "online-boutique"]


def sample(name: str) -> dict[str, Any]:
    text = (manifests.folder() / "samples" / f"{name}.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_an_acyclic_dag_in_no_namespace(name: str) -> None:
    body = sample(name)
    assert body["metadata"] == {"name": name}
    dag = convert.service_dag(body)
    assert len(topological_order(dag)) == len(dag.microservices)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_keeps_to_the_ranges_of_its_table(name: str) -> None:
    count, latency, cores, gigabytes = CLASSES[name]
    dag = convert.service_dag(sample(name))
    assert count[0] <= len(dag.microservices) <= count[1]
    assert dag.qos.max_latency is not None
    assert latency[0] <= dag.qos.max_latency * 1000 <= latency[1]
    for m in dag.microservices:
        assert cores[0] <= m.request[0] <= (m.limit_cpu or m.request[0]) <= cores[1], m.name
        assert gigabytes[0] * 1e9 <= m.request[1] <= gigabytes[1] * 2**30, m.name
    total = sum(m.work for m in dag.microservices)
    assert 50e6 <= total <= 800e6, "instructions of one request"
    inner = [invocation.payload / dag.demand.payload for invocation in dag.invocations]
    assert min(inner) > 0.0
    assert max(inner) <= 0.1, "only the users' link carries the full payload"


def test_online_boutique_finds_its_services_by_their_usual_names() -> None:
    spec = sample("online-boutique")["spec"]
    offered = {
        f"{m['service']['name']}:{port['port']}"
        for m in spec["microservices"]
        for port in m["service"]["ports"]
    }
    wanted = {
        (m["name"], env["value"])
        for m in spec["microservices"]
        for env in m["template"].get("env", [])
        if env["name"].endswith("_ADDR") and not env["name"].startswith("SHOPPING_ASSISTANT")
    }
    assert {address for _, address in wanted} <= offered
    calls = {(i["from"], i["to"]) for i in spec["invocations"]}
    assert {(caller, address.split(":")[0]) for caller, address in wanted} == calls
