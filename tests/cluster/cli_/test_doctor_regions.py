"""Each thing of a region is broken, its nodes, links, ServiceDAGs or processes, and the doctor names it."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from tests.cluster.builders import edge_controller, service_dag
from tests.cluster.cli_.conftest import REGION, Command
from tests.cluster.cli_.doctor import healthy, named, replaced

from edgewright.cli.reading import Reader
from edgewright.emulation import testbed
from edgewright.emulation.testbed import local
from edgewright.kube import names, paths
from edgewright.kube.api import Api

Space = Callable[..., Awaitable[str]]


async def test_a_region_without_rights_nodes_or_agent(
    admin: Api, reader: Reader, space: Space, edgewright: Command
) -> None:
    namespace = await space(operator=False)
    await admin.create(paths.edge_controllers(namespace), edge_controller(namespace, "nowhere"))
    await named(reader, "operator's rights", "problem", namespace)
    await named(reader, "EdgeControllers", "problem", namespace, "NoNodes")
    await named(reader, "agents", "problem", namespace, "nobody holds it")
    done = await edgewright("doctor")
    assert done.status == 1
    assert f"✗ operator's rights  the operator may not write in namespace {namespace}" in done.out
    assert f"mend: kubectl create rolebinding edgewright-operator-region -n {namespace} " in done.out


async def test_nodes_that_two_regions_claim(admin: Api, reader: Reader, space: Space) -> None:
    namespace = await space()
    await admin.create(paths.edge_controllers(namespace), edge_controller(namespace, REGION))
    await named(reader, "EdgeControllers", "warning", namespace, "NodeClaimed")


async def test_nodes_that_do_not_say_what_they_are(admin: Api, reader: Reader) -> None:
    nodes = await admin.items(paths.nodes(), labelSelector=f"{names.LABEL_REGION}={REGION}")
    name = next(n["metadata"]["name"] for n in nodes if n["metadata"]["labels"][names.LABEL_TIER] == "edge")
    path = paths.nodes(name)

    def bare(node: dict[str, Any]) -> None:
        node["spec"]["taints"] = []
        del node["metadata"]["annotations"][names.ANNOTATION_LOCATION]
        del node["metadata"]["labels"][names.LABEL_REGION]

    def nonsense(node: dict[str, Any]) -> None:
        node["metadata"]["annotations"][names.ANNOTATION_LATENCY] = "fast"

    async with replaced(admin, path, bare):
        for words in (
            names.TAINT_EDGE,
            names.ANNOTATION_LOCATION,
            names.LABEL_REGION,
            "no EdgeController governs",
        ):
            await named(reader, "nodes", "warning", words, name)
    async with replaced(admin, path, nonsense):
        await named(reader, "nodes", "problem", name, names.ANNOTATION_LATENCY)
    await healthy(reader)


async def test_links_that_lead_nowhere(admin: Api, reader: Reader) -> None:
    nodes = await testbed.nodes.edge_names(admin)
    link = {"source": nodes[0], "target": nodes[1] + "0", "bandwidthMbps": 1}
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeTopology",
        "metadata": {"name": "typo"},
        "spec": {"links": [link]},
    }
    await admin.create(paths.edge_topologies(), body)
    try:
        await named(reader, "links", "warning", nodes[1] + "0", "did you mean", nodes[1])
    finally:
        await admin.delete(paths.edge_topologies("typo"))


async def test_service_dags_that_nobody_places(admin: Api, reader: Reader, space: Space) -> None:
    namespace = await space()
    await admin.create(paths.service_dags(namespace), service_dag("orphan", "a"))
    await named(reader, "ServiceDAGs", "problem", f"{namespace}/orphan", "no EdgeController")


async def test_pods_that_a_lost_node_never_lets_go(admin: Api, reader: Reader, space: Space) -> None:
    namespace, victim = await space(), (await testbed.nodes.edge_names(admin))[-1]
    pod = {
        "metadata": {"name": "held", "labels": {names.LABEL_DAG: "gone"}},
        "spec": {
            "nodeName": victim,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "example"}],
        },
    }
    await admin.create(paths.pods(namespace), pod)
    await testbed.nodes.cut(admin, [victim])
    try:
        await named(reader, "nodes", "warning", "not Ready", victim)
        await admin.delete(paths.pods(namespace, "held"))
        await named(reader, "lost pods", "warning", victim, seconds=60.0)
    finally:
        await testbed.nodes.heal(admin, [victim])
    await healthy(reader)


async def test_an_operator_and_agents_that_are_gone(bed: testbed.Testbed, admin: Api, reader: Reader) -> None:
    """The last of the file: it takes half a minute until their Leases and NodeLoads are old."""
    for process in bed.processes:
        if process.name in {local.OPERATOR, local.AGENTS} and process.alive:
            os.kill(process.pid, signal.SIGKILL)
    try:
        await named(reader, "operator", "problem", "has not renewed it", seconds=60.0)
        await named(reader, "agents", "problem", REGION, "has not renewed it", seconds=60.0)
        await named(reader, "foreign load", "problem", REGION, "s old", seconds=60.0)
    finally:
        await local.start_operator(admin, bed.layout)
        await local.start_agents(admin, bed.layout, bed.state.regions)
    await healthy(reader, 180.0)
