"""Faults of the connection between agents and API server: routed through a forwarder, then cut or late."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edgewright.emulation.chaos import forwarder
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World
from edgewright.emulation.chaos.forwarder import Applied, Settings
from edgewright.emulation.testbed import Testbed, local, processes

FORWARDER = "chaos-forwarder"
"""Name of its process among the testbed's, so that `testbed down` ends it too."""
CONFIRM_SECONDS = 20.0
_INSTEAD = "on your own cluster use a NetworkPolicy or the network itself"


async def plan_routed(world: World) -> Plan:
    """Restart the agents of a testbed with a forwarder between them and the API server."""
    bed = world.testbed("routing the agents through a forwarder", _INSTEAD)
    if not any(process.name == local.AGENTS and process.alive for process in bed.processes):
        raise ChaosError(f"no agents run as a process of testbed {bed.name}: nothing to route")
    return {"what": "route the agents through a forwarder"}


async def _route(world: World, plan: Plan) -> None:
    bed = world.testbed("", _INSTEAD)
    address = urlsplit(world.api.server)
    settings = Settings(address.hostname or "127.0.0.1", address.port or 443)
    file = _file(bed)
    forwarder.applied_file(file).unlink(missing_ok=True)
    file.write_bytes(msgspec.json.encode(settings))
    command = [sys.executable, "-m", forwarder.__name__, str(file)]
    processes.spawn(FORWARDER, command, log=bed.layout.logs / f"{FORWARDER}.log", pids=bed.layout.pids)
    applied = await _confirmed(file, settings)
    await _restart_agents(world, bed, f"https://127.0.0.1:{applied.port}")


async def _unroute(world: World, plan: Plan) -> None:
    bed = world.testbed("", _INSTEAD)
    await _restart_agents(world, bed, None)
    await asyncio.to_thread(processes.stop, _running(bed, FORWARDER))


async def _restart_agents(world: World, bed: Testbed, server: str | None) -> None:
    """End the agents in good order, so that they release their Leases, and start them again."""
    await asyncio.to_thread(processes.stop, _running(bed, local.AGENTS))
    await local.start_agents(world.api, bed.layout, bed.state.regions, server=server)
    await local.wait_until_ready(world.api, bed.layout, bed.state.regions)


async def plan_partitioned(world: World) -> Plan:
    """Let nothing pass between agents and API server; the agents must be routed through a forwarder."""
    _routed(world)
    return {"what": "partition the agents from the API server"}


async def _partition(world: World, plan: Plan) -> None:
    await _tell(world, forward=False)


async def plan_delayed(world: World, *, seconds: float = 2) -> Plan:
    """Delay all that the API server sends to the agents, watches included; they must be routed."""
    _routed(world)
    if seconds <= 0:
        raise ChaosError(f"seconds is {seconds:g}: give more than 0")
    return {"what": f"delay what the agents hear by {seconds:g} s", "seconds": seconds}


async def _delay(world: World, plan: Plan) -> None:
    await _tell(world, delay=plan["seconds"])


async def _pass_again(world: World, plan: Plan) -> None:
    bed = world.testbed("", _INSTEAD)
    if _running(bed, FORWARDER):
        await _tell(world)


def _routed(world: World) -> None:
    world.testbed("cutting agents off the API server", _INSTEAD)


async def _tell(world: World, *, forward: bool = True, delay: float = 0.0) -> None:
    bed = world.testbed("", _INSTEAD)
    running = _running(bed, FORWARDER)
    if not running:
        raise ChaosError("the agents are not routed through a forwarder: begin with the action route_agents")
    file = _file(bed)
    before = msgspec.json.decode(file.read_bytes(), type=Settings)
    settings = msgspec.structs.replace(before, forward=forward, delay=delay)
    file.write_bytes(msgspec.json.encode(settings))
    os.kill(running[0].pid, signal.SIGHUP)
    await _confirmed(file, settings)


async def _confirmed(file: Path, settings: Settings) -> Applied:
    """Wait until the forwarder says that these settings are in force."""
    deadline = time.monotonic() + CONFIRM_SECONDS
    applied = forwarder.applied_file(file)
    while time.monotonic() < deadline:
        if applied.exists():
            said = msgspec.json.decode(applied.read_bytes(), type=Applied)
            if said.settings == settings:
                return said
        await asyncio.sleep(0.05)
    raise ChaosError(f"the forwarder does not answer; its log is {file.parent / 'logs' / FORWARDER}.log")


def _file(bed: Testbed) -> Path:
    return bed.layout.root / "forwarder.json"


def _running(bed: Testbed, name: str) -> list[processes.Process]:
    return [process for process in bed.processes if process.name == name and process.alive]


ROUTED = Fault("agents-routed", plan_routed, _route, _unroute)
PARTITIONED = Fault("agents-partitioned", plan_partitioned, _partition, _pass_again)
DELAYED = Fault("agents-delayed", plan_delayed, _delay, _pass_again)
