"""The testbed itself: it starts, cuts, heals, restarts and stops what it says."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewright.emulation import testbed
from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.control_plane import COMPONENTS, GO_RUNTIME, KWOK_CONFIGURATION
from edgewright.emulation.testbed.status import status
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

EDGEWRIGHT = [sys.executable, "-m", "edgewright.cli.main", "testbed"]


async def eventually(done: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await done():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.05)


async def run_pod(api: Api, namespace: str, node: str) -> str:
    """A pod that is on `node` from the start."""
    name = f"pod-{uuid.uuid4().hex[:6]}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "example"}],
        },
    }
    await api.create(paths.pods(namespace), pod)
    return name


async def phase(api: Api, namespace: str, name: str) -> str:
    return str((await api.get(paths.pods(namespace, name)))["status"]["phase"])


async def node_ready(api: Api, name: str) -> bool:
    return testbed.nodes.ready(await api.get(paths.nodes(name)))


async def edge_nodes(api: Api) -> list[str]:
    return await testbed.nodes.edge_names(api)


async def test_the_nodes_of_the_scenario_are_there_and_ready(api: Api) -> None:
    nodes = await api.items(paths.nodes())
    assert len(nodes) == 24
    assert all(testbed.nodes.ready(node) for node in nodes)
    edge = [node for node in nodes if node["metadata"]["labels"][names.LABEL_TIER] == "edge"]
    assert len(edge) == 21
    for node in edge:
        labels, spec = node["metadata"]["labels"], node["spec"]
        assert labels[names.LABEL_REGION] in ("melbourne-small-1", "melbourne-small-2")
        assert labels[names.LABEL_ZONE].startswith(labels["topology.kubernetes.io/region"])
        assert {"key": names.TAINT_EDGE, "effect": "NoSchedule"} in spec["taints"]
        assert names.RESOURCE_RADIO in node["status"]["allocatable"]
        assert len(node["metadata"]["annotations"][names.ANNOTATION_LATENCY].split(",")) == 3


async def test_the_topology_is_accepted(api: Api) -> None:
    topology = await api.get(paths.edge_topologies("melbourne-small"))
    assert len(topology["spec"]["links"]) == 65
    assert topology["spec"]["origin"]["latitude"] == pytest.approx(-37.82091)


async def test_no_canary_is_left(api: Api) -> None:
    assert await api.items(paths.pods("default")) == []


async def test_kube_scheduler_keeps_off_the_edge(api: Api, namespace: str) -> None:
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "example"}]},
    }
    await api.create(paths.pods(namespace), pod)

    async def bound() -> bool:
        return "nodeName" in (await api.get(paths.pods(namespace, "stranger")))["spec"]

    await eventually(bound)
    node = (await api.get(paths.pods(namespace, "stranger")))["spec"]["nodeName"]
    assert node not in await edge_nodes(api)


async def test_a_cut_holds_and_heals(api: Api, namespace: str) -> None:
    victim, other = (await edge_nodes(api))[:2]
    before = await run_pod(api, namespace, victim)

    async def runs() -> bool:
        return await phase(api, namespace, before) == "Running"

    await eventually(runs)
    await testbed.nodes.cut(api, [victim])
    try:

        async def noticed() -> bool:
            return not await node_ready(api, victim)

        await eventually(noticed)
        after = await run_pod(api, namespace, victim)
        elsewhere = await run_pod(api, namespace, other)

        async def runs_elsewhere() -> bool:
            return await phase(api, namespace, elsewhere) == "Running"

        await eventually(runs_elsewhere)
        assert await phase(api, namespace, after) == "Pending"
        assert await testbed.nodes.cut_names(api) == {victim}
    finally:
        await testbed.nodes.heal(api, [victim])

    async def healed() -> bool:
        return await node_ready(api, victim) and await phase(api, namespace, after) == "Running"

    await eventually(healed)
    assert await testbed.nodes.cut_names(api) == set()


async def test_cutting_twice_keeps_the_moment_of_the_first_cut(api: Api) -> None:
    victim = (await edge_nodes(api))[-1]
    lease = paths.leases(names.NAMESPACE_NODE_LEASE, victim)
    await testbed.nodes.cut(api, [victim])
    try:
        first = await api.get(lease)
        await testbed.nodes.cut(api, [victim])
        assert await api.get(lease) == first
    finally:
        await testbed.nodes.heal(api, [victim])


async def test_an_unknown_node_is_refused_and_nothing_is_cut(api: Api) -> None:
    known = (await edge_nodes(api))[0]
    with pytest.raises(testbed.TestbedError, match="no node 'edge-nowhere'"):
        await testbed.nodes.cut(api, [known, "edge-nowhere"])
    assert await testbed.nodes.cut_names(api) == set()


async def test_status_sees_processes_nodes_and_regions(cluster: testbed.Testbed) -> None:
    found = await status(cluster)
    assert {process.name for process in found.processes} == set(COMPONENTS)
    assert all(process.alive for process in found.processes)
    assert found.nodes is not None
    assert (found.nodes.total, found.nodes.cut) == (24, 0)


def test_everything_listens_on_loopback_only(cluster: testbed.Testbed) -> None:
    listening: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:  # noqa: PTH123
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    address, port = fields[1].split(":")
                    listening.setdefault(int(port, 16), set()).add(address)
    ours = [listening[port] for port in cluster.state.ports.values() if port in listening]
    assert len(ours) >= 6  # the control plane; a bare testbed has nothing else
    assert all(addresses == {"0100007F"} for addresses in ours)


# What breaks things has a control plane of its own.


@pytest.fixture
def empty(new_cluster: Callable[..., testbed.Testbed]) -> testbed.Testbed:
    return new_cluster(scenario=None, manifests=False)


async def answers(bed: testbed.Testbed) -> bool:
    try:
        async with await Api.connect(str(bed.kubeconfig), timeout=5) as api:
            await api.get(paths.namespaces("kube-system"))
    except ApiError:
        return False
    return True


def test_kwok_is_told_not_to_let_nodes_wait_for_each_other(empty: testbed.Testbed) -> None:
    # kwokctl writes down what it understood; an option that it does not know is not there.
    written = (empty.layout.cluster / "kwok.yaml").read_text()
    (told,) = (each for each in yaml.safe_load_all(written) if each["kind"] == KWOK_CONFIGURATION["kind"])
    assert told["options"].items() >= KWOK_CONFIGURATION["options"].items()


async def test_the_api_server_restarts_with_its_data(empty: testbed.Testbed) -> None:
    async with await Api.connect(str(empty.kubeconfig)) as api:
        await api.create(
            paths.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
        )
    before = empty.control_plane.process("kube-apiserver")
    await asyncio.to_thread(empty.restart_component, "kube-apiserver")
    after = empty.control_plane.process("kube-apiserver")
    assert after.pid != before.pid
    told = (await asyncio.to_thread(Path(f"/proc/{after.pid}/environ").read_bytes)).split(b"\0")
    for name, value in GO_RUNTIME.items():
        assert f"{name}={os.environ.get(name, value)}".encode() in told
    async with await Api.connect(str(empty.kubeconfig)) as api:
        assert (await api.get(paths.namespaces("kept")))["metadata"]["name"] == "kept"

    # The same with etcd away for longer than a leader election of the controllers would allow.
    empty.stop_component("etcd")
    away = time.monotonic()
    found = await status(empty)
    assert {process.name for process in found.processes if not process.alive} == {"etcd"}
    assert found.nodes is None

    async def long_enough() -> bool:
        return time.monotonic() - away > 12

    await eventually(long_enough)
    empty.start_component("etcd")
    assert all(process.alive for process in empty.processes if process.name in COMPONENTS)

    async def again() -> bool:
        return await answers(empty)

    await eventually(again)
    async with await Api.connect(str(empty.kubeconfig)) as api:
        assert (await api.get(paths.namespaces("kept")))["metadata"]["name"] == "kept"
    with pytest.raises(testbed.TestbedError, match="no component 'kubelet': there are etcd, kube-apiserver"):
        empty.restart_component("kubelet")


async def test_two_side_by_side_and_a_second_of_the_same_name(
    cluster: testbed.Testbed, empty: testbed.Testbed
) -> None:
    assert not set(cluster.state.ports.values()) & set(empty.state.ports.values())
    assert await answers(cluster)
    assert await answers(empty)
    with pytest.raises(testbed.TestbedError, match=f"testbed '{empty.name}' is already up"):
        await asyncio.to_thread(testbed.up, empty.name)
    assert await answers(empty)
    testbed.down(empty.name)
    assert not empty.layout.root.exists()
    assert not any(process.alive for process in empty.processes)
    assert await answers(cluster)


def test_down_after_the_command_was_killed_half_way() -> None:
    name = f"pytest-{os.getpid()}-killed-{uuid.uuid4().hex[:4]}"
    layout = testbed.Layout(name)
    command = subprocess.Popen(
        [*EDGEWRIGHT, "up", "--name", name, "--bare"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (layout.cluster / "pids" / "kube-apiserver.pid").exists():
            assert time.monotonic() < deadline
            assert command.poll() is None
        command.send_signal(signal.SIGKILL)
        command.wait()
        assert processes.belonging(layout.root)
        assert name in testbed.names()
    finally:
        command.kill()
        ended = subprocess.run(
            [*EDGEWRIGHT, "down", "--name", name], capture_output=True, text=True, check=True
        )
    assert "is gone" in ended.stdout
    assert processes.belonging(layout.root) == []
    assert not layout.root.exists()
    ended = subprocess.run([*EDGEWRIGHT, "down", "--name", name], capture_output=True, text=True, check=True)
    assert "nothing to do" in ended.stdout


def test_an_interrupted_up_takes_everything_away_by_itself() -> None:
    name = f"pytest-{os.getpid()}-interrupted-{uuid.uuid4().hex[:4]}"
    layout = testbed.Layout(name)
    command = subprocess.Popen([*EDGEWRIGHT, "up", "--name", name, "--bare"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (layout.cluster / "pids" / "kube-apiserver.pid").exists():
            assert time.monotonic() < deadline
            assert command.poll() is None
        command.send_signal(signal.SIGINT)
        assert command.wait(30) == 130
        assert processes.belonging(layout.root) == []
        assert not layout.root.exists()
    finally:
        command.kill()
        testbed.down(name)


def test_an_up_that_fails_leaves_nothing() -> None:
    layout = testbed.Layout(f"pytest-{os.getpid()}-fails-{uuid.uuid4().hex[:4]}")
    wrong = testbed.Options(scenario=None, bare=True, extra_args=("kube-apiserver=no-such-flag=1",))
    with pytest.raises(testbed.TestbedError, match="unknown flag: --no-such-flag"):
        testbed.up(layout.name, options=wrong)
    assert not layout.root.exists()
    assert processes.belonging(layout.root) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--scenario", "sydney"], "there are grid-1000, grid-200, melbourne, melbourne-small"),
        (["up", "--name", "Not A Name"], "1 to 40 lower-case letters"),
        (["up", "--scenario", "grid-1000", "--heartbeat", "edge"], "--heartbeat production"),
        (["status", "--name", "nowhere"], "no testbed 'nowhere'"),
        (["kubeconfig", "--name", "nowhere"], "no testbed 'nowhere'"),
        (["nodes", "cut", "a", "--name", "nowhere"], "no testbed 'nowhere'"),
    ],
)
def test_refusals_are_one_line(arguments: list[str], words: str) -> None:
    refused = subprocess.run([*EDGEWRIGHT, *arguments], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
