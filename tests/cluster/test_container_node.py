"""The container node: pods really run on it, and nothing of it is left. Needs root and `images/tools`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from edgewright.emulation import testbed
from edgewright.emulation.testbed import binaries, processes
from edgewright.emulation.testbed.containers.plan import NODE, Files, Plan
from edgewright.emulation.testbed.ports import Ports
from edgewright.kube import names, paths
from edgewright.kube.api import Api

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT RUN: the container node needs root; run `sudo -E make test`"
)
EDGEWRIGHT = [sys.executable, "-m", "edgewright.cli.main", "testbed"]
IMAGES = {target: f"edgewright/{target}:{version('edgewright')}" for target in ("operator", "agent")}
LOOK_AROUND = """
import json, os, socket, ssl, urllib.request
account = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=account + "ca.crt")
request = urllib.request.Request("https://kubernetes.default.svc/api/v1/namespaces/default")
request.add_header("Authorization", "Bearer " + open(account + "token").read())
try:
    answer = urllib.request.urlopen(request, context=context, timeout=10).status
except urllib.error.HTTPError as error:
    answer = error.code
try:
    open("/here", "w")
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "answer": answer,
    "uid": os.getuid(),
    "service": socket.gethostbyname("kubernetes.default.svc.cluster.local"),
    "writable": writable,
    "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")][0],
    "seccomp": [l.split()[1] for l in open("/proc/self/status") if l.startswith("Seccomp:")][0],
}))
"""


def run(*command: str, **options: Any) -> str:
    return str(subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout)


def traces(tag: str) -> dict[str, Any]:
    """What a container node could leave here; other testbeds and builds of images come and go beside it."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "mounts": sorted(
            at for at in mounts if not at.startswith("/var/lib/containers") and "buildah" not in at
        ),
        "links": [link["ifname"] for link in json.loads(run("ip", "-json", "link")) if tag in link["ifname"]],
        "rules": run("iptables-save").count("KUBE-") + run("iptables-legacy-save").count("KUBE-"),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "cgroups": [str(found) for found in Path("/sys/fs/cgroup").glob(f"**/*{tag}*")],
        "files": [
            sorted(path.name for path in Path(folder).iterdir())
            for folder in ("/etc", "/opt", "/var/lib", "/var/log", "/run", "/usr/libexec")
            if Path(folder).exists()
        ],
    }


@pytest.fixture(scope="module")
def node(make_bed: Callable[..., testbed.Testbed], archives: dict[str, Path]) -> testbed.Testbed:
    return make_bed(images=tuple(archives.values()))


@pytest.fixture(scope="module")
def make_bed() -> Iterator[Callable[..., testbed.Testbed]]:
    beds: list[testbed.Testbed] = []

    def make(**options: Any) -> testbed.Testbed:
        wanted = testbed.Options(**{"bare": True, "containers": True, "heartbeat": "edge", **options})
        beds.append(testbed.up(new_name(), options=wanted))
        return beds[-1]

    yield make
    for bed in beds:
        testbed.down(bed.name)


def new_name() -> str:
    return f"pytest-{os.getpid()}-node-{uuid.uuid4().hex[:4]}"


@pytest.fixture
def kubectl(node: testbed.Testbed) -> Callable[..., str]:
    program = str(binaries.resolve()["kubectl"])
    return lambda *arguments, **options: run(
        program, "--kubeconfig", str(node.kubeconfig), *arguments, **options
    )


def pod(name: str, image: str, **container: Any) -> dict[str, Any]:
    """A pod as restricted pod security wants it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": names.OPERATOR_NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    **container,
                }
            ],
        },
    }


async def ended(api: Api, name: str) -> str:
    from tests.cluster.builders import until  # noqa: PLC0415

    async def phase() -> str:
        found = (await api.get(paths.pods(names.OPERATOR_NAMESPACE, name)))["status"].get("phase", "")
        return found if found in ("Succeeded", "Failed") else ""

    return str(await until(f"pod {name} ends", phase, 60))


async def test_a_restricted_pod_finds_the_api_server_by_name(
    node: testbed.Testbed, kubectl: Callable[..., str]
) -> None:
    async with await Api.connect(str(node.kubeconfig)) as api:
        looking = pod("looking", IMAGES["operator"], command=["python3", "-c", LOOK_AROUND])
        await api.create(paths.pods(names.OPERATOR_NAMESPACE), looking)
        phase = await ended(api, "looking")
    said = kubectl("logs", "-n", names.OPERATOR_NAMESPACE, "looking")
    assert phase == "Succeeded", said
    # 403: the API server knows who asks, and the default account may not read.
    assert json.loads(said) == {
        "answer": 403,
        "uid": 65532,
        "service": "10.96.0.1",
        "writable": False,
        "capabilities": "0000000000000000",
        "seccomp": "2",
    }


async def test_the_operator_leads_from_a_pod(node: testbed.Testbed, kubectl: Callable[..., str]) -> None:
    from tests.cluster.builders import until  # noqa: PLC0415

    leading = pod("operator", IMAGES["operator"], args=["operator"])
    leading["spec"]["serviceAccountName"] = names.OPERATOR_ACCOUNT
    async with await Api.connect(str(node.kubeconfig)) as api:
        await api.create(paths.pods(names.OPERATOR_NAMESPACE), leading)

        async def led() -> bool:
            lease = await api.get(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR))
            return bool(lease["spec"].get("holderIdentity"))

        try:
            await until("the operator leads", led, 60)
        finally:
            said = kubectl("logs", "-n", names.OPERATOR_NAMESPACE, "operator")
            await api.delete(paths.pods(names.OPERATOR_NAMESPACE, "operator"))
    assert "Traceback" not in said


async def test_the_agents_machine_code_comes_with_its_image(
    node: testbed.Testbed, kubectl: Callable[..., str]
) -> None:
    measured = (
        "import time; began = time.monotonic();"
        "from edgewright.agents.rehearsal import rehearse_decision; rehearse_decision();"
        "from edgewright.core import kernel; print(kernel.COMPILES, time.monotonic() - began)"
    )
    async with await Api.connect(str(node.kubeconfig)) as api:
        await api.create(
            paths.pods(names.OPERATOR_NAMESPACE),
            pod("measured", IMAGES["agent"], command=["python3", "-c", measured]),
        )
        phase = await ended(api, "measured")
    said = kubectl("logs", "-n", names.OPERATOR_NAMESPACE, "measured")
    assert phase == "Succeeded", said
    assert said.split()[0] == "False", said


async def test_only_the_real_node_takes_ordinary_pods(node: testbed.Testbed) -> None:
    async with await Api.connect(str(node.kubeconfig)) as api:
        listed = await api.items(paths.nodes())
    open_to_all = [item["metadata"]["name"] for item in listed if not item["spec"].get("taints")]
    assert open_to_all == [NODE]
    assert len(listed) == 25


@pytest.fixture
def outside() -> Iterator[Callable[[str, int], bool]]:
    """Whether a port answers another machine, on a wire of ours, that sends everything to us."""
    other = subprocess.Popen(["unshare", "--net", "sleep", "120"])
    wire = f"out-{uuid.uuid4().hex[:6]}"
    inside = ["nsenter", "--target", str(other.pid), "--net"]
    try:
        theirs, ours = (Path(f"/proc/{pid}/ns/net") for pid in (other.pid, os.getpid()))
        deadline = time.monotonic() + 10
        while theirs.readlink() == ours.readlink():
            assert time.monotonic() < deadline
        run("ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", str(other.pid))
        run("ip", "address", "add", "203.0.113.1/30", "dev", wire)
        run("ip", "link", "set", wire, "up")
        run(*inside, "ip", "address", "add", "203.0.113.2/30", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", "203.0.113.1")
        ask = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"

        def answers(address: str, port: int) -> bool:
            asked = [*inside, sys.executable, "-c", ask, address, str(port)]
            return subprocess.run(asked, capture_output=True, check=False).returncode == 0

        yield answers
    finally:
        other.kill()
        other.wait()


async def test_a_real_node_is_not_cut(node: testbed.Testbed) -> None:
    async with await Api.connect(str(node.kubeconfig)) as api:
        with pytest.raises(testbed.TestbedError, match=f"{NODE}' is a real one"):
            await testbed.nodes.cut(api, [NODE])


def test_the_api_server_cannot_be_reached_from_outside(
    node: testbed.Testbed, outside: Callable[[str, int], bool]
) -> None:
    plan = Plan(node.layout, Ports(**node.state.ports))
    # Whoever listens on all addresses answers there, even on the node's wire: that is how Linux is.
    with socket.create_server(("0.0.0.0", 0)) as careless:
        assert outside(str(plan.host), careless.getsockname()[1])
    assert not outside(str(plan.host), plan.ports.apiserver)
    assert not outside("203.0.113.1", plan.ports.apiserver)
    assert not outside(str(plan.node), 10250)


def test_what_is_no_image_is_refused(node: testbed.Testbed, tmp_path: Path) -> None:
    junk = tmp_path / "junk.tar"
    junk.write_text("no archive")
    for archive, words in ((junk, "cannot be loaded"), (tmp_path / "none.tar", "no image archive")):
        refused = subprocess.run(
            [*EDGEWRIGHT, "images", "load", str(archive), "--name", node.name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr


def test_nothing_is_left_after_down() -> None:
    name = new_name()
    tag = Files(testbed.Layout(name)).tag
    before = traces(tag)
    options = testbed.Options(scenario=None, bare=True, containers=True)
    bed = testbed.up(name, options=options)
    try:
        during = traces(tag)
    finally:
        testbed.down(name)
    assert during["links"]
    assert during["cgroups"]
    assert {**during, "links": [], "cgroups": []} == before, "mounts, rules and files are the node's own"
    assert traces(tag) == before
    assert not bed.layout.root.exists()


def test_nothing_is_left_after_up_was_killed() -> None:
    name = new_name()
    layout = testbed.Layout(name)
    before = traces(Files(layout).tag)
    command = subprocess.Popen(
        [*EDGEWRIGHT, "up", "--name", name, "--bare", "--containers"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 90
        while not (layout.pids / "kubelet.json").exists():
            assert time.monotonic() < deadline
            assert command.poll() is None
        command.send_signal(signal.SIGKILL)
        command.wait()
    finally:
        command.kill()
        testbed.down(name)
    assert traces(Files(layout).tag) == before
    assert processes.belonging(layout.root) == []
    assert not layout.root.exists()


def test_two_nodes_side_by_side(node: testbed.Testbed, make_bed: Callable[..., testbed.Testbed]) -> None:
    other = make_bed(scenario=None)
    program = str(binaries.resolve()["kubectl"])
    for bed in (node, other):
        said = run(
            program, "--kubeconfig", str(bed.kubeconfig), "get", "pods", "-n", "kube-system", "--no-headers"
        )
        assert "Running" in said
    testbed.down(other.name)
    said = run(
        program, "--kubeconfig", str(node.kubeconfig), "get", "--raw", f"/api/v1/nodes/{NODE}/proxy/healthz"
    )
    assert said == "ok"
