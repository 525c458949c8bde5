"""A policy of one's own, given to a running agent by its import path, sees what the API server says."""

import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.cluster.agents.conftest import node as new_node
from tests.cluster.builders import edge_controller, new_namespace

from edgewright.core.load import FOREIGN_USE
from edgewright.core.observe import HEAD, NODE, SLOT
from edgewright.core.units import CORE_SPEED, GBPS, GIB, KB, M_INSTRUCTIONS
from edgewright.emulation import testbed
from edgewright.kube import names, paths
from edgewright.kube.quantities import parse

Make = Callable[..., dict[str, Any]]
Numbers = npt.NDArray[np.float64]
NODES, SLOTS = 6, 5
PORT = 10 * GBPS
"""Of a node without links, on the virtual backbone."""
RECORDER = f'''
"""Writes down what it sees of each DAG, and decides as the heuristic does."""

from pathlib import Path

import numpy as np

from edgewright.agents.policies.heuristic import Heuristic
from edgewright.core.observe import observe


class Recorder(Heuristic):
    name = "recorder"

    def place_seeing(self, problem, snapshot, *, seconds):
        file = Path(__file__).with_name(problem.dag.name + ".npy")
        np.save(file.with_suffix(".new.npy"), observe(snapshot, {NODES}, {SLOTS}))
        file.with_suffix(".new.npy").replace(file)
        return self.place(problem, seconds=seconds)
'''


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the policy's file is, and its notes will be."""
    (tmp_path / "recorder.py").write_text(RECORDER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


@pytest.fixture
async def strangers(region: Any, wait_until: Any) -> AsyncIterator[None]:
    """Pods of nobody's namespace: one on a node of the region, one on the only node of another region."""
    other = f"{region.namespace}-other"
    await new_namespace(region.api, other)
    await testbed.nodes.create(region.api, [new_node(f"{other}-0", other)])
    await region.api.create(paths.edge_controllers(other), edge_controller(other, region=other))
    pods = []
    for on in (region.nodes[1], f"{other}-0"):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": f"{other}-", "namespace": "default"},
            "spec": {
                "nodeName": on,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
                ],
            },
        }
        pods.append(await region.api.create(paths.pods("default"), body))

    async def reported() -> bool:
        return await elsewhere(region) > 0.0

    await wait_until("the operator reports both", reported, 60.0)
    yield
    for pod in pods:
        await region.api.delete(paths.pods("default", pod["metadata"]["name"]), grace=0, missing_ok=True)
    await region.api.delete(paths.namespaces(other), missing_ok=True)
    await region.api.delete(paths.nodes(f"{other}-0"), missing_ok=True)


async def elsewhere(region: Any) -> float:
    """What the operator says of the other regions."""
    load = await region.api.get(paths.node_loads(f"{region.namespace}-region-0"))
    return float(load["spec"]["requestedElsewhere"])


async def expected(region: Any, name: str, waiting: Collection[str]) -> Numbers:
    """The observation of a DAG whose pods `waiting` had no node yet, from what is in the API server."""
    listed = await region.api.items(paths.service_dags(region.namespace))
    dags = {dag["metadata"]["name"]: dag for dag in listed}
    rates = {dag: rate(body) for dag, body in dags.items()}
    pods = [
        pod
        for pod in await region.api.items(paths.pods())
        if pod["spec"].get("nodeName") and pod["metadata"]["name"] not in waiting
    ]
    nodes = {each: await region.api.get(paths.nodes(each)) for each in region.nodes}
    body, seen = dags[name], np.zeros((NODES, len(NODE)))
    told, limit = body["status"].get("observed", {}), body["spec"]["qos"]["maxLatencyMs"]
    loads = utilisation(region, dags, rates, pods)
    for row, (each, node) in enumerate(nodes.items()):
        ready = not node["spec"].get("unschedulable", False)
        cpu, memory = (free(pods, each, "cpu", 2.0), free(pods, each, "memory", 4 * GIB))
        seen[row] = (ready, 2 / 16, cpu / 16, memory / (32 * GIB), 0, 0, *(load[each] for load in loads), 0)
    head = (
        1 if waiting else 2,
        math.log1p(rates[name]) / 8,
        limit / 100,
        told.get("p95Ms", 0.0) / limit,
        told.get("violationProbability", 0.0),
        body["spec"]["placementPolicy"]["migration"]["maxPerMinute"],
        (1 if waiting else 0) / 10,
        len(dags) / 10,
        FOREIGN_USE * await elsewhere(region),
    )
    return np.concatenate([head, seen.ravel(), slots(region, body, rates[name], pods).ravel()])


def rate(dag: Mapping[str, Any]) -> float:
    """Requests per second: observed, else declared."""
    declared = dag["spec"]["demand"]["requestsPerSecond"]
    return float(dag["status"].get("observed", {}).get("requestsPerSecond", declared))


def serves(pod: Mapping[str, Any]) -> bool:
    """Whether it is not ending: one that is holds its place, and works like a pod of somebody else."""
    return "deletionTimestamp" not in pod["metadata"]


def places(pods: Sequence[Any], dag: str, microservice: str) -> list[str]:
    """The nodes of a microservice's pods, oldest first."""
    mine = [
        (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"], pod["spec"]["nodeName"])
        for pod in pods
        if serves(pod)
        and pod["metadata"].get("labels", {}).get(names.LABEL_DAG) == dag
        and pod["metadata"]["labels"][names.LABEL_MICROSERVICE] == microservice
    ]
    return [on for _, _, on in sorted(mine)]


def requests(pod: Mapping[str, Any], resource: str) -> float:
    """What a pod of one container requests."""
    return parse(pod["spec"]["containers"][0]["resources"]["requests"][resource])


def free(pods: Sequence[Any], node: str, resource: str, capacity: float) -> float:
    """What is left of a node."""
    return capacity - sum(requests(pod, resource) for pod in pods if pod["spec"]["nodeName"] == node)


def utilisation(
    region: Any, dags: Mapping[str, Any], rates: Mapping[str, float], pods: Sequence[Any]
) -> tuple[dict[str, float], ...]:
    """CPU, uplink and downlink of each node: what DAGs that are served cause, and strangers' pods."""
    cpu, up, down = (dict.fromkeys(region.nodes, 0.0) for _ in range(3))
    for pod in pods:
        on = pod["spec"]["nodeName"]
        if on in cpu and (pod["metadata"]["namespace"] != region.namespace or not serves(pod)):
            cpu[on] += FOREIGN_USE * requests(pod, "cpu") / 2
    for dag, body in dags.items():
        works = {m["name"]: m["workMInstructions"] * M_INSTRUCTIONS for m in body["spec"]["microservices"]}
        at = {name: places(pods, dag, name) for name in works}
        if not all(at.values()):
            continue
        for name, work in works.items():
            for on in at[name]:
                cpu[on] += rates[dag] * work / len(at[name]) / (2 * CORE_SPEED)
        for call in body["spec"]["invocations"]:
            pairs = [(a, b) for a in at[call["from"]] for b in at[call["to"]]]
            for a, b in pairs:
                if a != b:
                    share = rates[dag] * call["payloadKB"] * KB / len(pairs) / PORT
                    up[a], down[b] = up[a] + share, down[b] + share
    return cpu, up, down


def slots(region: Any, dag: Mapping[str, Any], rate: float, pods: Sequence[Any]) -> Numbers:
    """The replicas of a DAG, those that have a node before those that wait."""
    rows: list[tuple[float, ...]] = []
    first: dict[str, int] = {}
    for service in dag["spec"]["microservices"]:
        first[service["name"]], count = len(rows), service["replicas"]["min"]
        calls = [call for call in dag["spec"]["invocations"] if call["to"] == service["name"]]
        work = rate * service["workMInstructions"] * M_INSTRUCTIONS / count / CORE_SPEED
        cpu, memory = (parse(service["resources"][name]) for name in ("cpu", "memory"))
        caller, payload = (first[calls[0]["from"]], calls[0]["payloadKB"] * KB / 1e7) if calls else (-1, 0)
        on = [region.nodes.index(each) for each in places(pods, dag["metadata"]["name"], service["name"])]
        wanted = (1, cpu / 16, memory / (32 * GIB), 0, 0, work, caller, payload)
        rows += [(*wanted, row) for row in [*on, *[-1] * (count - len(on))]]
    return np.array(rows + [(0.0,) * len(SLOT)] * (SLOTS - len(rows)))


def differences(found: Numbers, wanted: Numbers) -> dict[str, Any]:
    """The numbers that are not the same, by their names."""
    numbers = [*HEAD, *(f"node {i}: {name}" for i in range(NODES) for name in NODE)]
    numbers += [f"slot {i}: {name}" for i in range(SLOTS) for name in SLOT]
    wrong = ~np.isclose(found, wanted, rtol=1e-4, atol=1e-6)
    return {name: (float(found[i]), float(wanted[i])) for i, name in enumerate(numbers) if wrong[i]}


@pytest.mark.usefixtures("strangers")
async def test_it_sees_what_the_objects_in_the_api_server_say(
    region: Any, make: Make, recorder: Path, wait_until: Any
) -> None:
    await region.agent("--policy", "recorder:Recorder")
    qos, pair = (
        {"maxLatencyMs": 50},
        {"name": "b", "replicas": {"min": 2, "max": 2}, "workMInstructions": 300},
    )
    await region.apply(make("first", {"name": "a", "workMInstructions": 500}, pair, "c", qos=qos))
    await region.reaches("first", "True", "PlacedByPolicy", seconds=60.0)
    before = await region.all_bound("first", 4)
    controller = await region.api.get(paths.edge_controllers(region.namespace, "region"))
    assert controller["status"]["algorithm"] == "recorder"

    observed = {
        "p95Ms": 20,
        "violationProbability": 0.25,
        "requestsPerSecond": 3,
        "at": "2026-01-01T00:00:00Z",
    }
    told = {**await region.dag("first"), "status": {"observed": observed}}
    told["metadata"] = {"name": "first", "namespace": region.namespace}
    del told["spec"]
    path = paths.service_dags(region.namespace, "first", "status")
    await region.api.apply(path, told, manager="who-has-a-prometheus")
    await region.api.patch(paths.nodes(region.nodes[3]), {"spec": {"unschedulable": True}})

    await region.apply(make("second", "x", {**pair, "name": "y"}, qos=qos))
    await region.placed("second", 60.0)
    new = await region.all_bound("second", 3)
    assert differences(np.load(recorder / "second.npy"), await expected(region, "second", new)) == {}

    gone = paths.pods(region.namespace, next(name for name in before if "-b-" in name))
    # Held until it was looked at: a pod deleted at once is ending for a moment too, and the agent may decide.
    await region.api.patch(gone, {"metadata": {"finalizers": ["edgewright.test/hold"]}})
    await region.api.delete(gone, grace=0)
    after = await region.all_bound("first", 4, 60.0)
    waiting = after.keys() - before.keys()
    assert len(waiting) == 1
    assert differences(np.load(recorder / "first.npy"), await expected(region, "first", waiting)) == {}
    await region.api.patch(gone, {"metadata": {"finalizers": None}})

    shown = explained(region, "first")
    numbers = np.zeros(len(HEAD) + NODES * len(NODE) + SLOTS * len(SLOT))
    for part, start in (([shown["head"]], 0), (shown["nodes"], 9), (shown["slots"], 9 + NODES * len(NODE))):
        values = [v for row in part for v in row.values() if not isinstance(v, str)]
        numbers[start : start + len(values)] = values
    assert differences(numbers, await expected(region, "first", ())) == {}, "what a person is shown"


def explained(region: Any, dag: str) -> Any:
    """What `edgewright explain --observation` says."""
    where = ["--kubeconfig", str(region.bed.kubeconfig), "--namespace", region.namespace]
    command = [sys.executable, "-m", "edgewright.cli.main", "explain", dag, "--observation", *where]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("policy", "words"),
    [("recorder:Nobody", "Nobody"), ("nonsense", "choose one of"), ("pathlib:Path", "place")],
)
async def test_what_is_no_policy_is_refused_at_the_start(
    region: Any, recorder: Path, wait_until: Any, policy: str, words: str
) -> None:
    agent = await region.agent("--policy", policy, wait=False)

    async def ended() -> bool:
        assert agent.process is not None
        return agent.process.poll() is not None

    await wait_until("it ends", ended, 120.0)
    assert agent.process.returncode == 1
    assert "error: " in agent.log
    assert words in agent.log
    assert "Traceback" not in agent.log
