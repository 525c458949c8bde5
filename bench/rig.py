"""A testbed for one benchmark: always brought down again, our processes started and stopped at will."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from edgewright.emulation import city, scenario, testbed
from edgewright.emulation.testbed import local, processes
from edgewright.emulation.testbed.control_plane import Heartbeat
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube.api import Api

OURS = (local.OPERATOR, local.AGENTS)


@dataclass(frozen=True)
class Rig:
    """A testbed and the city that it plays."""

    bed: testbed.Testbed
    city: city.City

    async def connect(self) -> Api:
        """An administrator's client."""
        return await Api.connect(str(self.bed.kubeconfig))

    async def start_edgewright(self, api: Api) -> None:
        """Start operator and agents under their ServiceAccounts; returns when all hold their Leases."""
        layout, regions = self.bed.layout, [region.name for region in self.city.regions]
        await local.start_operator(api, layout)
        await local.start_agents(api, layout, regions)
        await local.wait_until_ready(api, layout, regions)

    async def revive(self, api: Api) -> list[str]:
        """Start again what of operator and agents has ended; its names."""
        ended = [process.name for process in self.bed.processes if process.name in OURS and not process.alive]
        layout, regions = self.bed.layout, [region.name for region in self.city.regions]
        if local.OPERATOR in ended:
            await local.start_operator(api, layout)
        if local.AGENTS in ended:
            await local.start_agents(api, layout, regions)
        if ended:
            await local.wait_until_ready(api, layout, regions)
        return ended

    async def stop_edgewright(self) -> None:
        """End operator and agents, so that they cost a baseline nothing."""
        mine = [process for process in self.bed.processes if process.name in OURS]
        await asyncio.to_thread(processes.stop, mine, 10.0)

    def pids(self) -> dict[str, int]:
        """Process ids by name: control plane, operator and agents as far as they run, and this program."""
        alive = {p.name: p.pid for p in self.bed.processes if p.alive and p.name != "kwokctl"}
        return {**alive, "bench": os.getpid()}


@contextmanager
def rig(
    part: str,
    scenario_name: str,
    heartbeat: Heartbeat,
    *,
    extra_args: Sequence[str] = (),
    report: Report = silent,
) -> Iterator[Rig]:
    """A bare testbed (CRDs, roles, EdgeControllers, no processes of ours) for the time of the block."""
    name = f"bench-{part}-{os.getpid()}"
    options = testbed.Options(
        scenario=scenario_name, heartbeat=heartbeat, bare=True, extra_args=tuple(extra_args)
    )
    built = city.build(scenario.load(scenario_name))
    try:
        yield Rig(testbed.up(name, options=options, report=report), built)
    finally:
        testbed.down(name)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that what it started is brought down."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
