"""Chaos on a real control plane: what is refused, what passes, what fails, and that everything is healed."""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.builders import until

from edgewright.emulation import testbed
from edgewright.emulation.chaos import actions, target
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.samples import SAMPLES, apply
from edgewright.emulation.testbed import Testbed, data_plane
from edgewright.emulation.testbed.report import silent
from edgewright.emulation.workloads.discovery import NoTargetsError, targets
from edgewright.kube import names, paths
from edgewright.kube.api import Api

CHAOS = [sys.executable, "-m", "edgewright.cli.main", "chaos"]
SECONDS = 420.0
"""For a run; the machine may be shared."""


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    """A testbed with operator and agents, and the sample DAGs as soon as a run applied them."""
    name = f"pytest-{os.getpid()}-chaos-{uuid.uuid4().hex[:4]}"
    made = testbed.up(name, options=testbed.Options(heartbeat="edge"))
    atexit.register(testbed.down, name)
    yield made
    testbed.down(name)


@pytest.fixture
def samples(bed: Testbed) -> None:
    """The sample DAGs, Ready."""
    apply(target.find(bed.name, None, None, production=False), silent)


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*CHAOS, *arguments], capture_output=True, text=True, check=False, timeout=SECONDS)


def run(bed: Testbed, out: Path, scenario: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report of a run."""
    done = chaos("run", scenario, "--name", bed.name, "--out", str(out), *arguments)
    assert (out / "report.json").exists(), done.stdout + done.stderr
    assert "<svg" in (out / "report.html").read_text()
    return done.returncode, json.loads((out / "report.json").read_text())


def injected(bed: Testbed) -> list[str]:
    return [entry.fault for entry in target.find(bed.name, None, None, production=False).ledger.entries()]


async def test_nothing_is_injected_where_nothing_could_suffer(
    bed: Testbed, tmp_path: Path, admin: Api
) -> None:
    code, report = run(bed, tmp_path, "node-loss")
    assert code == 1
    assert "there is no ServiceDAG" in report["hypothesis"]["before"]
    assert report["injections"] == []
    assert await testbed.nodes.cut_names(admin) == set()


async def test_node_loss_is_recovered_from_reported_and_healed(
    bed: Testbed, tmp_path: Path, admin: Api
) -> None:
    code, report = run(bed, tmp_path, "node-loss", "--with-samples", "--set", "percent=5")
    assert (code, report["verdict"], report["lost"], report["doubled"]) == (0, "passed", [], []), report
    [injection] = report["injections"]
    assert injection["disturbed"]
    assert injection["replaced"] >= 1
    assert 0 < injection["recovery"] < injection["lasted"]
    assert report["environment"]["variables"]["percent"] == 5
    assert await testbed.nodes.cut_names(admin) == set()
    assert injected(bed) == []


def test_a_report_is_written_again_from_its_journal(bed: Testbed, tmp_path: Path) -> None:
    run(bed, tmp_path / "run", "slow-node", "--with-samples", "--set", "hold_seconds=1")
    done = chaos("report", str(tmp_path / "run"), "--out", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again/report.json").read_text() == (tmp_path / "run/report.json").read_text()


async def test_a_steady_state_that_does_not_return_fails_the_run(
    bed: Testbed, tmp_path: Path, admin: Api
) -> None:
    """Without any time to recover, the lost replicas are missing when the steady state is judged."""
    code, report = run(bed, tmp_path, "node-loss", "--with-samples", "--set", "recover_seconds=0")
    assert (code, report["verdict"]) == (1, "failed")
    assert "missing" in report["hypothesis"]["after"]
    assert report["hypothesis"]["healed"] == "holds"
    assert await testbed.nodes.cut_names(admin) == set()


def test_partitioned_agents_bind_nothing_twice_and_are_connected_again(bed: Testbed, tmp_path: Path) -> None:
    code, report = run(bed, tmp_path, "agent-partitioned", "--with-samples")
    assert (code, report["verdict"], report["doubled"]) == (0, "passed", []), report
    felt = {each["fault"]: each for each in report["injections"]}
    assert felt["agents-partitioned"]["recovery"] >= 20, "nobody decides while the partition lasts"
    assert felt["replicas-deleted"]["replaced"] == 2
    alive = {process.name for process in bed.processes if process.alive}
    assert "agents" in alive
    assert "chaos-forwarder" not in alive


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["node-loss", "--set", "nodes=edge-nowhere"], "no node 'edge-nowhere'"),
        (["node-loss", "--set", "percent=0"], "percent is 0"),
        (["zone-loss", "--set", "zone=nowhere"], "no node in zone 'nowhere'"),
        (["link-degraded", "--set", "links=a--b"], "no link 'a--b'"),
        (["traffic-burst", "--set", "dags=x/y"], "no ServiceDAG 'x/y'"),
        (["flash-crowd", "--set", "site=nowhere"], "no site 'nowhere'"),
    ],
)
def test_a_target_that_does_not_exist_is_refused_in_a_line(
    bed: Testbed, arguments: list[str], named: str
) -> None:
    done = chaos("run", *arguments, "--name", bed.name)
    assert done.returncode == 1
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert injected(bed) == []


async def demands(admin: Api) -> list[float]:
    return [each["spec"]["demand"]["requestsPerSecond"] for each in await admin.items(paths.service_dags())]


@pytest.mark.usefixtures("samples")
async def test_without_a_gateway_a_burst_is_of_declared_demand(
    bed: Testbed, tmp_path: Path, admin: Api
) -> None:
    before = await demands(admin)
    assert "factor is 0" in chaos("run", "traffic-burst", "--name", bed.name, "--set", "factor=0").stderr
    code, report = run(bed, tmp_path, "traffic-burst", "--set", "hold_seconds=1", "--set", "usual_seconds=0")
    assert (code, report["verdict"]) == (0, "passed"), report
    [burst] = report["injections"]
    assert "declared, as no gateway answers" in burst["what"]
    assert report["asked"] == []
    assert await demands(admin) == before


@pytest.mark.usefixtures("samples")
async def test_a_burst_is_real_requests_that_a_gateway_answers(
    bed: Testbed, tmp_path: Path, admin: Api
) -> None:
    url = await data_plane.start(admin, bed)
    try:
        await until("the samples are served", lambda: asyncio.to_thread(served, url), SECONDS)
        refused = chaos("run", "traffic-burst", "--name", bed.name, "--set", "factor=1000")
        assert refused.returncode == 1
        assert "a gateway carries 2,000" in refused.stderr
        before = await demands(admin)
        arguments = ["factor=3", "usual_seconds=5", "hold_seconds=5"]
        code, report = run(bed, tmp_path, "traffic-burst", *(w for a in arguments for w in ("--set", a)))
        assert (code, report["verdict"], report["lost"]) == (0, "passed", []), report
        usual, burst, after = report["asked"]
        assert burst["what"].startswith("users ask")
        rates = [each["requests"] / (each["ended"] - each["began"]) for each in (usual, burst, after)]
        assert rates[1] > 2 * rates[0]
        assert rates[1] > 2 * rates[2]
        assert all(each["p95"] > 0 for each in (usual, burst, after))
        assert await demands(admin) == before
        assert not [each.name for each in bed.processes if each.name.startswith("users")]
    finally:
        data_plane.stop(bed)


def served(url: str) -> bool:
    try:
        return len(targets(url)) == len(SAMPLES)
    except NoTargetsError:
        return False


def test_a_component_that_does_not_exist_is_refused(bed: Testbed, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    scenario = {
        "title": "Mine",
        "description": "Kills what is not there.",
        "method": [
            {
                "type": "action",
                "name": "kill it",
                "provider": {
                    "type": "python",
                    "module": "edgewright.emulation.chaos.actions",
                    "func": "kill",
                    "arguments": {"process": "kube-dns"},
                },
            }
        ],
    }
    file.write_text(yaml.safe_dump(scenario))
    done = chaos("run", str(file), "--name", bed.name)
    assert done.returncode == 1
    assert "no process 'kube-dns'" in done.stderr


def test_a_testbed_is_known_by_its_kubeconfig_and_another_cluster_is_refused(
    bed: Testbed, tmp_path: Path
) -> None:
    found = target.find(None, str(bed.kubeconfig), None, production=False)
    assert found.bed is not None
    assert found.bed.name == bed.name
    config = yaml.safe_load(bed.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    other = tmp_path / "kubeconfig"
    other.write_text(yaml.safe_dump(config))
    with pytest.raises(ChaosError, match="--yes-this-is-production"):
        target.find(None, str(other), None, production=False)


async def test_an_operator_that_is_a_pod_is_killed_as_a_pod(bed: Testbed, admin: Api) -> None:
    """As where the chart installed it; the testbed's own process is left alone then."""
    labels = {"app.kubernetes.io/name": "edgewright-operator"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator-pod", "labels": labels},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "operator", "image": "example"}]},
    }
    await admin.create(paths.pods("default"), pod)
    configuration = target.find(bed.name, None, None, production=False).configuration
    done = await asyncio.to_thread(actions.kill, process="operator", configuration=configuration)
    assert done["what"] == "kill operator (1 pods)"
    assert await admin.items(paths.pods("default")) == []
    assert (await asyncio.to_thread(actions.heal, configuration=configuration))["healed"] == [done["id"]]
    assert "operator" in {process.name for process in bed.processes if process.alive}


def test_a_cluster_that_is_no_testbed_is_broken_only_with_the_word_and_where_that_makes_sense(
    bed: Testbed, tmp_path: Path
) -> None:
    """The same cluster, but for a user who has no testbed."""
    stranger = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    word = "--yes-this-is-production"

    def run_there(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [
            *CHAOS,
            "run",
            *arguments,
            "--kubeconfig",
            str(bed.kubeconfig),
            "--out",
            str(tmp_path / "out"),
        ]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env=stranger
        )

    assert word in run_there("slow-node").stderr
    for scenario in ("node-loss", "agent-partitioned", "etcd-restarted"):
        refused = run_there(scenario, word)
        assert refused.returncode == 1
        assert "works on a testbed of this machine only" in refused.stderr, refused.stderr
    passed = run_there("slow-node", word, "--set", "hold_seconds=1")
    assert passed.returncode == 0, passed.stdout + passed.stderr


async def slowed(admin: Api) -> str:
    """The declared latencies of every node."""
    nodes = await admin.items(paths.nodes())
    return json.dumps([node["metadata"]["annotations"][names.ANNOTATION_LATENCY] for node in nodes])


def spawned(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*CHAOS, *arguments], stdout=subprocess.DEVNULL)


async def begun(bed: Testbed, out: Path) -> "subprocess.Popen[bytes]":
    """A run that slows nodes down for long, when it has."""
    process = spawned("run", "slow-node", "--name", bed.name, "--out", str(out), "--set", "hold_seconds=300")

    async def injecting() -> bool:
        assert process.poll() is None, "the run ended"
        return injected(bed) == ["node-slow"]

    await until("the injection", injecting, SECONDS)
    return process


@pytest.mark.usefixtures("samples")
async def test_sigterm_heals(bed: Testbed, tmp_path: Path, admin: Api) -> None:
    before = await slowed(admin)
    process = await begun(bed, tmp_path)
    await until("slow nodes", lambda: _differs(admin, before))
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    assert await slowed(admin) == before
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "interrupted"
    assert injected(bed) == []


@pytest.mark.usefixtures("samples")
async def test_what_a_killed_run_left_is_healed_afterwards(bed: Testbed, tmp_path: Path, admin: Api) -> None:
    before = await slowed(admin)
    process = await begun(bed, tmp_path)
    await until("slow nodes", lambda: _differs(admin, before))
    process.kill()
    process.wait(SECONDS)
    refused = chaos("run", "node-loss", "--name", bed.name)
    assert refused.returncode == 1
    assert "chaos heal" in refused.stderr
    healed = chaos("heal", "--name", bed.name)
    assert "healed: node" in healed.stdout
    assert await slowed(admin) == before
    assert "nothing to heal" in chaos("heal", "--name", bed.name).stdout


async def _differs(admin: Api, before: str) -> bool:
    return await slowed(admin) != before
