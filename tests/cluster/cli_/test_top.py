"""`top` and its nodes: order, sums with other people's pods, plain output in a pipe, following changes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.cluster.builders import condition_of, service_dag, until
from tests.cluster.cli_.conftest import REGION, Command

from edgewright.kube import paths
from edgewright.kube.api import Api

Space = Callable[..., Awaitable[str]]


async def ready(api: Api, *dags: dict[str, Any]) -> None:
    for dag in dags:
        await api.create(paths.service_dags(REGION), dag)

    async def all_ready() -> bool:
        found = [await api.get(paths.service_dags(REGION, dag["metadata"]["name"])) for dag in dags]
        return all(condition_of(dag, "Ready").get("status") == "True" for dag in found)

    await until("all are Ready", all_ready, 60.0)


async def test_the_closest_to_its_limit_comes_first(admin: Api, edgewright: Command) -> None:
    tight = service_dag("tight", "a", "b", qos={"maxLatencyMs": 60, "percentile": 99})
    loose = service_dag("loose", "a", "b", qos={"maxLatencyMs": 5000})
    free = service_dag("free", "a", "b")
    await ready(admin, tight, loose, free)
    try:
        done = await edgewright("top", "-n", REGION, "-o", "json")
        rows = done.json
        assert [row["name"] for row in rows] == ["tight", "loose", "free"]
        assert rows[0]["used"] > rows[1]["used"] > 0
        assert rows[0]["used"] == round(rows[0]["predictedMs"] / 60, 4)
        assert (rows[2]["used"], rows[2]["limitMs"]) == (None, None)
        assert rows[0]["placed"] == "2/2"
        told = await edgewright("top", "-n", REGION)
        assert told.out.splitlines()[0].split() == [
            *("DAG", "PREDICTED", "LIMIT", "USED", "PLACED", "RATE/S", "STATE"),
        ]
        assert "60 p99" in told.out
        assert not set(told.out) & set("\x1b█░"), "a pipe gets plain numbers"
        assert REGION in (await edgewright("top", "-A")).out
    finally:
        for name in ("tight", "loose", "free"):
            await admin.delete(paths.service_dags(REGION, name))


async def test_nodes_count_replicas_and_what_others_run(
    admin: Api, edgewright: Command, space: Space
) -> None:
    await ready(admin, service_dag("counted", {"name": "a", "replicas": {"min": 2, "max": 2}}))
    stranger = await space()
    pods = await admin.items(paths.pods(REGION))
    node = pods[0]["spec"]["nodeName"]
    ours = sum(pod["spec"].get("nodeName") == node for pod in pods)
    container = {"name": "c", "image": "example", "resources": {"requests": {"cpu": "700m"}}}
    body = {
        "metadata": {"name": "guest"},
        "spec": {"nodeName": node, "tolerations": [{"operator": "Exists"}], "containers": [container]},
    }
    before = await _node(edgewright, node)
    await admin.create(paths.pods(stranger), body)
    try:

        async def counted() -> Any:
            now = await _node(edgewright, node)
            assert now["otherPods"] == before["otherPods"] + 1, now
            assert now["requested"]["cpu"] - before["requested"]["cpu"] > 0.699, now
            assert now["replicas"] == ours, now
            return True

        await until("the guest is counted", counted, 60.0, 1.0)
        rows = (await edgewright("top", "nodes", "-n", REGION, "-o", "json")).json
        assert rows == sorted(rows, key=lambda row: -row["used"]) or len({r["used"] for r in rows}) < len(
            rows
        )
        core = next(row for row in rows if row["tier"] == "core")
        assert core["fraction"] == 0.5
        everywhere = (await edgewright("top", "nodes", "-A", "-o", "json")).json
        assert {row["region"] for row in everywhere} > {REGION}
    finally:
        await admin.delete(paths.pods(stranger, "guest"), grace=0)
        await admin.delete(paths.service_dags(REGION, "counted"))


async def _node(edgewright: Command, name: str) -> Any:
    rows = (await edgewright("top", "nodes", "-n", REGION, "-o", "json")).json
    return next(row for row in rows if row["node"] == name)


async def test_watching_in_a_pipe_prints_each_change(admin: Api, edgewright: Command) -> None:
    for command in (("top",), ("tree",)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edgewright.cli.main", *command, "-n", REGION, "--watch"),
            stdout=subprocess.PIPE,
            env=os.environ | {"KUBECONFIG": str(edgewright.kubeconfig)},
        )
        assert process.stdout is not None
        try:
            await ready(admin, service_dag("watched", "a"))
            seen = ""
            async with asyncio.timeout(60):
                while "watched" not in seen or "Available" not in seen:
                    seen += (await process.stdout.readline()).decode()
            await admin.delete(paths.service_dags(REGION, "watched"))
            assert "\x1b" not in seen
        finally:
            process.terminate()
            await process.wait()


async def test_kubectl_completes_names_from_the_cluster(admin: Api, edgewright: Command) -> None:
    await admin.create(paths.service_dags(REGION), service_dag("completed", "a"))

    async def pressed() -> bool:
        program = Path(sys.executable).with_name("kubectl_complete-edgewright")
        process = await asyncio.create_subprocess_exec(
            *(program, "explain", "-n", REGION, "sdag/comp"),
            stdout=subprocess.PIPE,
            env=os.environ | {"KUBECONFIG": str(edgewright.kubeconfig)},
        )
        out, _ = await process.communicate()
        assert out.decode().split() == ["sdag/completed", ":4"]
        return True

    try:
        # A busy machine may take longer than somebody waits who pressed Tab.
        await until("Tab completes", pressed)
    finally:
        await admin.delete(paths.service_dags(REGION, "completed"))


async def test_a_namespace_of_no_region_is_refused(edgewright: Command, space: Space) -> None:
    done = await edgewright("top", "nodes", "-n", await space())
    assert done.status == 2
    assert "no EdgeController governs" in done.err
    assert "No ServiceDAG" in (await edgewright("top", "-n", await space())).out
