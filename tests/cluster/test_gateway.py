"""The gateway as a process of the testbed: it answers for where pods are, within a second of every change."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest

from edgewright.emulation import testbed
from edgewright.emulation.testbed import data_plane, processes
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

Make = Callable[..., dict[str, Any]]
Until = Callable[..., Awaitable[Any]]
FOLLOWS = 1.0
"""Seconds within which the gateway promises to follow a change."""
SLACK = 2.0
"""Seconds more, because the control plane, the tests and whoever else share this machine's cores."""


@pytest.fixture(scope="module")
def url(cluster: testbed.Testbed) -> Iterator[str]:
    async def start() -> str:
        async with await Api.connect(str(cluster.kubeconfig)) as client:
            return await data_plane.start(client, cluster)

    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(asyncio.run, start()).result()
    data_plane.stop(cluster)


@pytest.fixture
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as client:
        yield client


@pytest.fixture
async def overlay(api: Api, namespace: str, make: Make) -> str:
    """The path of a ServiceDAG of two microservices, not placed."""
    await api.create(paths.service_dags(namespace), make("overlay", "decode", "render"))
    return f"/{namespace}/overlay"


async def place(api: Api, namespace: str, microservice: str, node: str) -> str:
    """A replica on `node`, as if bound there; its name, when it is Ready."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{microservice}-",
            "labels": {names.LABEL_DAG: "overlay", names.LABEL_MICROSERVICE: microservice},
        },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "example"}],
        },
    }
    name = str((await api.create(paths.pods(namespace), pod))["metadata"]["name"])
    deadline = time.monotonic() + 30
    while not await ready(api, namespace, name):
        assert time.monotonic() < deadline, f"{name} does not become Ready"
        await asyncio.sleep(0.02)
    return name


async def ready(api: Api, namespace: str, name: str) -> bool:
    pod = await api.get(paths.pods(namespace, name))
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


async def follows(session: aiohttp.ClientSession, path: str, *, status: int, route: str = "") -> None:
    """The gateway answers so within a second, and goes on doing so."""
    began, said = time.monotonic(), ""
    while time.monotonic() < began + FOLLOWS + SLACK:
        async with session.get(path) as answer:
            said = f"{answer.status} {answer.headers.get('Edgewright-Route')} {await answer.text()}"
            if answer.status == status and route in answer.headers.get("Edgewright-Route", ""):
                return
    raise AssertionError(f"after {FOLLOWS + SLACK:g} s it still says {said}")


async def test_it_follows_every_rebinding(
    api: Api, session: aiohttp.ClientSession, namespace: str, overlay: str
) -> None:
    nodes = await testbed.nodes.edge_names(api)
    await follows(session, overlay, status=503)
    async with session.get(overlay) as answer:
        assert "2 of 2 microservices have no ready replica on a node: decode, render" in await answer.text()
    decode = await place(api, namespace, "decode", nodes[0])
    render = await place(api, namespace, "render", nodes[1])
    await follows(
        session, overlay, status=200, route=f"decode={nodes[0]}/{decode};render={nodes[1]}/{render}"
    )
    generations = []
    for node in nodes[2:5]:
        moved = await place(api, namespace, "render", node)
        await api.delete(paths.pods(namespace, render), gracePeriodSeconds="0")
        await follows(session, overlay, status=200, route=f"render={node}/{moved}")
        async with session.get(overlay) as answer:
            generations.append(int(answer.headers["Edgewright-Placement"]))
        render = moved
    assert generations == sorted(set(generations))
    await api.delete(paths.pods(namespace, decode), gracePeriodSeconds="0")
    await follows(session, overlay, status=503)
    await api.delete(paths.service_dags(namespace, "overlay"))
    await follows(session, overlay, status=404)


async def test_what_a_cut_node_serves_is_lost_until_it_is_back(
    api: Api, session: aiohttp.ClientSession, namespace: str, overlay: str
) -> None:
    first, second = (await testbed.nodes.edge_names(api))[5:7]
    await place(api, namespace, "decode", first)
    await place(api, namespace, "render", second)
    await follows(session, overlay, status=200)
    await testbed.nodes.cut(api, [second])
    try:
        await follows(session, overlay, status=504)
        began = time.monotonic()
        async with session.get(overlay) as answer:
            assert answer.status == 504
        assert time.monotonic() - began >= 1.0
    finally:
        await testbed.nodes.heal(api, [second])
    await follows(session, overlay, status=200)


async def test_metrics_count_what_was_answered(
    api: Api, session: aiohttp.ClientSession, namespace: str, overlay: str, wait_until: Until
) -> None:
    node = (await testbed.nodes.edge_names(api))[0]
    for microservice in ("decode", "render"):
        await place(api, namespace, microservice, node)
    await follows(session, overlay, status=200)
    for _ in range(20):
        async with session.get(overlay) as answer:
            assert answer.status == 200

    async def counted() -> int:
        async with session.get("/metrics") as answer:
            text = await answer.text()
        labels = f'namespace="{namespace}",servicedag="overlay"'
        (line,) = (
            each
            for each in text.splitlines()
            if each.startswith(f'edgewright_requests_total{{{labels},outcome="ok"')
        )
        ok = int(line.split()[-1])
        assert ok >= 21
        assert f"edgewright_request_duration_seconds_count{{{labels}}} {ok}\n" in text
        inner = f'{labels},invocation="decode/render"'
        assert f"edgewright_invocation_duration_seconds_count{{{inner}}} {ok}\n" in text
        return ok

    await wait_until("histograms have counted all", counted, 10)


async def test_its_account_may_read_and_nothing_else(
    cluster: testbed.Testbed, url: str, api: Api, namespace: str
) -> None:
    async with await Api.connect(str(cluster.layout.kubeconfigs / data_plane.GATEWAY)) as own:
        await own.items(paths.pods())
        await own.items(paths.leases(names.NAMESPACE_NODE_LEASE))
        refused = {
            "secrets": own.get(f"/api/v1/namespaces/{namespace}/secrets"),
            "other leases": own.items(paths.leases(names.OPERATOR_NAMESPACE)),
            "deployments": own.items(paths.deployments()),
            "creating pods": own.create(paths.pods(namespace), {"apiVersion": "v1", "kind": "Pod"}),
            "deleting nodes": own.delete(paths.nodes((await testbed.nodes.edge_names(api))[0])),
            "status": own.patch(paths.service_dags(namespace, "any", "status"), {"status": {}}),
        }
        for what, attempt in refused.items():
            with pytest.raises(ApiError) as caught:
                await attempt
            assert caught.value.status == 403, what


async def test_it_is_a_process_of_the_testbed(cluster: testbed.Testbed, url: str, api: Api) -> None:
    first = data_plane.running(cluster.layout)
    assert first is not None
    assert await data_plane.start(api, cluster) == url
    assert data_plane.running(cluster.layout) == first
    # A killed `up` that could not write it down any more finds it by its kubeconfig.
    assert first.pid in processes.belonging(cluster.layout.root)
    assert data_plane.stop(cluster)
    assert not first.alive
    assert not data_plane.stop(cluster)
    assert await data_plane.start(api, cluster) == url


async def test_it_goes_on_while_the_api_server_is_away(
    new_cluster: Callable[..., testbed.Testbed], make: Make
) -> None:
    # With edge heartbeats nodes would be late after seconds of this, and KWOK leaves their pods unready.
    bed = await asyncio.to_thread(new_cluster, edge_controllers=False, heartbeat="production")
    async with await Api.connect(str(bed.kubeconfig)) as client:
        url = await data_plane.start(client, bed)
        await client.create(
            paths.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ours"}}
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                await client.get(paths.serviceaccounts("ours", "default"))
                break
            except ApiError:
                await asyncio.sleep(0.1)
        await client.create(paths.service_dags("ours"), make("overlay", "decode", "render"))
        nodes = await testbed.nodes.edge_names(client)
        for microservice, node in zip(("decode", "render"), nodes, strict=False):
            await place(client, "ours", microservice, node)
        async with aiohttp.ClientSession(url) as session:
            await follows(session, "/ours/overlay", status=200)
            await asyncio.to_thread(bed.stop_component, "kube-apiserver")
            for _ in range(50):
                async with session.get("/ours/overlay") as answer:
                    assert answer.status == 200
            await asyncio.to_thread(bed.start_component, "kube-apiserver")
            moved = await place(client, "ours", "render", nodes[3])
            deadline = time.monotonic() + 90  # its watches come back with growing pauses
            routes = set[str]()
            while not any(moved in route for route in routes):
                assert time.monotonic() < deadline
                async with session.get("/ours/overlay") as answer:
                    routes.add(answer.headers.get("Edgewright-Route", ""))
