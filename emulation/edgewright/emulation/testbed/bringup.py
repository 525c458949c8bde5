"""Brings a testbed up: control plane, proof of the cut, nodes, API, regions, operator and agents."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from edgewright.emulation.testbed import binaries, canary, data_plane, install, local, model, prometheus
from edgewright.emulation.testbed.cluster import State, Testbed, load
from edgewright.emulation.testbed.containers.bringup import join
from edgewright.emulation.testbed.containers.plan import Plan
from edgewright.emulation.testbed.containers.requirements import check
from edgewright.emulation.testbed.control_plane import COMPONENTS, ControlPlane, Heartbeat, destroy
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import DEFAULT_NAME, Layout
from edgewright.emulation.testbed.ports import reserve
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube.api import Api

if TYPE_CHECKING:
    from subprocess import Popen

    from edgewright.emulation.city import City

EDGE_NODES_PER_CORE = 100
"""KWOK renewing more Leases than this per second and core leaves no time for anything else."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a testbed shall be."""

    scenario: str | None = "melbourne-small"
    """Name of a scenario or path to its file; None for a cluster without nodes."""
    nodes: int | None = None
    """So many nodes in all, scattered around the scenario's real sites."""
    regions: int | None = None
    """Another number of regions than the scenario's."""
    heartbeat: Heartbeat = "production"
    bare: bool = False
    """Leave out the operator and the agents."""
    edge_controllers: bool = True
    """Create the regions' EdgeControllers; without, nobody claims the nodes."""
    manifests: bool = True
    """Install the CRDs, roles and policies."""
    prometheus: bool = False
    """Start a Prometheus that scrapes them."""
    gateway: bool = False
    """Start the emulated data plane too."""
    extra_args: Sequence[str] = ()
    """More arguments of components, as `component=key=value`."""
    containers: bool = False
    """Let a real node join that runs containers; needs root."""
    images: Sequence[Path] = ()
    """Archives of images that the real node gets."""


def up(name: str = DEFAULT_NAME, *, options: Options | None = None, report: Report = silent) -> Testbed:
    """Bring up the testbed `name` and return it; not to be called where an event loop runs.

    What was begun is taken away again if anything fails. Raises TestbedError (also if the testbed runs
    already) and ScenarioError.
    """
    options = options or Options()
    layout = Layout(name)
    city = _city(options)
    if options.heartbeat == "edge" and city is not None:
        _refuse_too_many(len(city.nodes))
    if options.containers:
        check()
    with layout.locked():
        _refuse_running(layout)
        optional = [binaries.PROMETHEUS] if options.prometheus else []
        optional += binaries.NODE_COMPONENTS if options.containers else ()
        programs = binaries.resolve(report, (*binaries.COMPONENTS, *optional))
        destroy(layout)
        compiler = None if options.bare else model.compiler()
        try:
            with _heeding_interrupts():
                return _start(layout, programs, options, city, report, compiler)
        except BaseException:
            destroy(layout)
            raise
        finally:
            if compiler is not None:
                model.end(compiler)


@contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Ctrl-C ends the block at the latest when it is through, even if something inside swallowed it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt


def _city(options: Options) -> "City | None":
    if options.scenario is None:
        return None
    # scipy takes the better part of a second to import, which `down` or `status` must not pay.
    from edgewright.emulation import city, scenario  # noqa: PLC0415

    wanted = scenario.load(options.scenario)
    if options.nodes is not None or options.regions is not None:
        wanted = wanted.resized(options.nodes, options.regions)
    return city.build(wanted)


def _refuse_too_many(count: int) -> None:
    cores = os.cpu_count() or 1
    if count > EDGE_NODES_PER_CORE * cores:
        raise TestbedError(
            f"{count} nodes with edge heartbeats (a renewal per node and second) would saturate {cores} "
            f"cores: use --heartbeat production, or at most {EDGE_NODES_PER_CORE * cores} nodes"
        )


def _refuse_running(layout: Layout) -> None:
    if not layout.state.exists():
        return
    found = load(layout.name)
    alive = {process.name for process in found.processes if process.alive}
    if found.state.phase == "ready" and alive >= set(COMPONENTS):
        raise TestbedError(
            f"testbed {layout.name!r} is already up (scenario {found.state.scenario}, since "
            f"{found.state.created:%Y-%m-%d %H:%M} UTC). Use it (`export KUBECONFIG={layout.kubeconfig}`), "
            f"end it with `edgewright testbed down --name {layout.name}`, or choose another --name"
        )


def _start(
    layout: Layout,
    programs: dict[str, Path],
    options: Options,
    city: "City | None",
    report: Report,
    compiler: "Popen[bytes] | None",
) -> Testbed:
    layout.root.mkdir(parents=True)
    layout.root.chmod(0o700)
    with reserve(layout.root) as ports:
        state = State(
            heartbeat=options.heartbeat,
            scenario=city.scenario.name if city else None,
            bare=options.bare,
            ports=asdict(ports),
            prometheus=options.prometheus,
        )
        state.write(layout)
        report("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK")
        plane = ControlPlane(layout, ports)
        node = Plan(layout, ports) if options.containers else None
        extra_args = (*(node.server_arguments if node else ()), *options.extra_args)
        plane.create(programs, options.heartbeat, extra_args, node.names_of_server if node else ())
        if options.prometheus:
            report("starting Prometheus")
            prometheus.start(layout, ports, programs[prometheus.PROMETHEUS])
    state = asyncio.run(_populate(layout, plane, state, options, city, report, compiler))
    if node is not None:
        asyncio.run(_join(layout, node, programs, options, report))
    state = state.model_copy(update={"phase": "ready"})
    state.write(layout)
    return Testbed(layout, state)


async def _join(
    layout: Layout, node: Plan, programs: dict[str, Path], options: Options, report: Report
) -> None:
    async with await Api.connect(str(layout.kubeconfig)) as api:
        await join(api, node, programs, options.heartbeat, options.images, report)


async def _populate(
    layout: Layout,
    plane: ControlPlane,
    state: State,
    options: Options,
    city: "City | None",
    report: Report,
    compiler: "Popen[bytes] | None",
) -> State:
    async with await Api.connect(str(layout.kubeconfig)) as api:
        report("proving on a canary node that a cut is a cut; installing CRDs, roles and policies")
        proof = asyncio.create_task(canary.prove_cut(api, plane))
        try:
            if options.manifests:
                await install.rights(api)
            starts = await proof
        finally:
            proof.cancel()
            await asyncio.wait([proof])
        regions: tuple[str, ...] = ()
        if city is not None:
            report(f"creating {len(city.nodes)} nodes in {len(city.regions)} regions")
            await install.fleet(api, city, taint_all=options.containers)
            if options.manifests:
                await install.links(api, city)
            if options.manifests and options.edge_controllers:
                regions = await install.regions(api, city)
        if compiler is not None:
            await asyncio.to_thread(model.finish, compiler, report)
            report("starting the operator and the agents under their own ServiceAccounts")
            await local.start_operator(api, layout)
            if regions:
                await local.start_agents(api, layout, regions)
            report("waiting until they are at work")
            await local.wait_until_ready(api, layout, regions)
        if options.gateway:
            report("starting the gateway")
            await data_plane.start(api, Testbed(layout, state))
    return state.model_copy(
        update={"kwok_starts": starts, "nodes": len(city.nodes) if city else 0, "regions": regions}
    )
