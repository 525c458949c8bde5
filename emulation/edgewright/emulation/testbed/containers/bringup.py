"""Makes the container node join a control plane: runtime, kubelet, kube-proxy, DNS."""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from edgewright.emulation.testbed import nodes, processes
from edgewright.emulation.testbed.binaries import NODE_COMPONENTS
from edgewright.emulation.testbed.containers import archive, certificates, configuration, dns, sandbox
from edgewright.emulation.testbed.containers.images import load
from edgewright.emulation.testbed.containers.plan import NODE, Plan
from edgewright.emulation.testbed.containers.requirements import check_addresses
from edgewright.emulation.testbed.control_plane import Heartbeat, tail
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.report import Report
from edgewright.kube import manifests, paths
from edgewright.kube.api import Api, ApiError

RELAY, CONTAINERD, KUBELET, PROXY = "relay", "containerd", "kubelet", "kube-proxy"
PROCESSES = (sandbox.INIT, RELAY, CONTAINERD, KUBELET, PROXY)
SECONDS = 120.0
REGISTRY = "edgewright.dev/testbed"
"""Of images that the testbed makes itself; nothing is served there."""


async def join(
    api: Api,
    plan: Plan,
    programs: Mapping[str, Path],
    heartbeat: Heartbeat,
    images: Sequence[Path],
    report: Report,
) -> None:
    """Start the node, load `images`, wait until DNS answers on it; TestbedError with a log's end if not."""
    report("starting containerd, kubelet and kube-proxy in namespaces of their own")
    pause, coredns = (_image(name) for name in ("edgewright-pause", "coredns"))
    await asyncio.to_thread(_prepare, plan, programs, heartbeat, pause)
    commands = _commands(plan, programs)
    for name in (RELAY, CONTAINERD):
        _spawn(plan, name, commands[name])
    for program, image in (("edgewright-pause", pause), ("coredns", coredns)):
        packed = plan.files.root / f"{program}.tar"
        archive.pack(programs[program], image, platform.machine(), packed)
        await _until("containerd to take images", CONTAINERD, plan, partial(_loaded, plan, packed))
        packed.unlink()
    # Only now: a kubelet that finds no runtime ends.
    for name in (KUBELET, PROXY):
        _spawn(plan, name, commands[name])
    for given in images:
        report(f"loading {given.name}")
        await asyncio.to_thread(load, plan.layout, given)
    report("waiting for the container node and its DNS")
    await _until(f"node {NODE} to be Ready", KUBELET, plan, lambda: _ready(api, paths.nodes(NODE)))
    for item in dns.objects(coredns):
        await manifests.apply(api, item, manager="edgewright-testbed")
    deployment = paths.of_object("Deployment", dns.NAMESPACE, dns.NAME)
    await _until("CoreDNS to be Ready", KUBELET, plan, lambda: _available(api, deployment))


def _image(program: str) -> str:
    version = next(component.version for component in NODE_COMPONENTS if program in component.packages)
    return f"{REGISTRY}/{program}:{version}"


def _prepare(plan: Plan, programs: Mapping[str, Path], heartbeat: Heartbeat, pause: str) -> None:
    check_addresses(plan)
    sandbox.create(plan, programs)
    certificates.write(plan)
    configuration.write(plan, heartbeat, pause, programs)


def _commands(plan: Plan, programs: Mapping[str, Path]) -> dict[str, list[str]]:
    """What to run, by the name of the process."""
    files = plan.files
    relay = [str(files.program("edgewright-relay"))]
    relay += ["-listen", f"{plan.host}:{plan.ports.apiserver}", "-device", files.interface]
    relay += ["-target", f"127.0.0.1:{plan.ports.apiserver}"]
    # containerd looks for its shim on PATH.
    path = f"{programs['containerd'].parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    arguments = {
        CONTAINERD: ["--config", str(files.containerd)],
        KUBELET: [
            *("--config", str(files.kubelet)),
            *("--kubeconfig", str(files.kubeconfig(KUBELET))),
            *("--hostname-override", NODE),
            *("--node-ip", str(plan.node)),
        ],
        PROXY: ["--config", str(files.proxy)],
    }
    entered = {
        name: sandbox.command(files, [str(programs[name]), *given], PATH=path)
        for name, given in arguments.items()
    }
    return {RELAY: relay, **entered}


def _spawn(plan: Plan, name: str, command: Sequence[str]) -> None:
    processes.spawn(name, command, log=plan.layout.logs / f"{name}.log", pids=plan.layout.pids)


async def _until(what: str, whose: str, plan: Plan, done: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something; TestbedError with the end of a log if a process ends or it takes too long."""
    deadline = time.monotonic() + SECONDS
    while not await done():
        ours = (process for process in processes.recorded(plan.layout.pids) if process.name in PROCESSES)
        ended = [process.name for process in ours if not process.alive]
        if ended or time.monotonic() > deadline:
            why = f"the {ended[0]} ended" if ended else f"{SECONDS:.0f} s passed"
            log = plan.layout.logs / f"{ended[0] if ended else whose}.log"
            raise TestbedError(f"waited for {what}, but {why}:\n{tail(log)}")
        await asyncio.sleep(0.1)


async def _loaded(plan: Plan, packed: Path) -> bool:
    try:
        await asyncio.to_thread(load, plan.layout, packed)
    except TestbedError:  # containerd does not listen yet
        return False
    return True


async def _ready(api: Api, path: str) -> bool:
    try:
        return nodes.ready(await api.get(path))
    except ApiError as error:
        if error.status != 404:
            raise
        return False


async def _available(api: Api, path: str) -> bool:
    return bool((await api.get(path)).get("status", {}).get("readyReplicas"))
