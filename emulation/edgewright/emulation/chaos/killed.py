"""Faults of processes: operator, agents, control plane and Prometheus killed; replicas deleted."""

import asyncio
import os
import signal
from contextlib import suppress

from edgewright.emulation.chaos import draw
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World, nothing
from edgewright.emulation.testbed import Testbed, local, processes, prometheus
from edgewright.emulation.testbed import nodes as emulated
from edgewright.emulation.testbed.control_plane import COMPONENTS
from edgewright.emulation.testbed.ports import Ports
from edgewright.emulation.testbed.processes import Process
from edgewright.kube import names, paths

PODS = {
    local.OPERATOR: f"{names.LABEL_APP}=edgewright-operator",
    local.AGENTS: f"{names.LABEL_APP}={names.APP_AGENT}",
}
"""Which pods are the operator's and the agents', where they are pods."""
GONE_SECONDS = 5.0


async def plan_killed(world: World, *, process: str) -> Plan:
    """Kill a process (SIGKILL); healing starts it again.

    `process` is `operator`, `agents`, or a component of a testbed such as `kube-apiserver`, `etcd` or
    `prometheus`. Where operator and agents are pods, these are deleted without grace, and their Deployments
    start new ones.
    """
    if process in PODS and (pods := await _pods(world, PODS[process])):
        return {"what": f"kill {process} ({len(pods)} pods)", "process": process, "pods": pods}
    bed = world.testbed(
        f"killing {process}", "kill it where it runs; only `operator` and `agents` can be pods"
    )
    _recorded(bed, process)
    return {"what": f"kill {process}", "process": process, "pods": []}


async def _pods(world: World, selector: str) -> list[list[str]]:
    """[namespace, name, uid] of each pod of the operator or of the agents."""
    found = await world.api.items(paths.pods(), labelSelector=selector)
    return [[pod["metadata"][key] for key in ("namespace", "name", "uid")] for pod in found]


def _recorded(bed: Testbed, name: str) -> Process:
    """The testbed's process of that name, alive; ChaosError otherwise."""
    alive = {process.name: process for process in bed.processes if process.alive}
    if name not in alive:
        raise ChaosError(
            f"no process {name!r} runs in testbed {bed.name}; there are {', '.join(sorted(alive))}"
        )
    if name not in (*COMPONENTS, *PODS, prometheus.PROMETHEUS):
        raise ChaosError(f"{name} could be killed but not started again by `edgewright chaos`")
    return alive[name]


async def _kill(world: World, plan: Plan) -> None:
    for namespace, name, uid in plan["pods"]:
        await world.api.delete(paths.pods(namespace, name), uid=uid, grace=0, missing_ok=True)
    if not plan["pods"]:
        bed = world.testbed("killing a process", "")
        await _end(_recorded(bed, plan["process"]))


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    async with asyncio.timeout(GONE_SECONDS):
        while process.alive:  # noqa: ASYNC110 - the kernel tells nobody but its parent
            await asyncio.sleep(processes.POLL)


async def _start(world: World, plan: Plan) -> None:
    if plan["pods"]:
        return
    bed, name = world.testbed("starting a process", ""), plan["process"]
    if name in COMPONENTS:
        await asyncio.to_thread(bed.start_component, name)
        await emulated.reach_again(world.api)
    elif not any(process.name == name and process.alive for process in bed.processes):
        await _start_again(world, bed, name)


async def _start_again(world: World, bed: Testbed, name: str) -> None:
    """What is no component of the control plane, as `up` does."""
    if name == local.OPERATOR:
        await local.start_operator(world.api, bed.layout)
    elif name == prometheus.PROMETHEUS:
        await asyncio.to_thread(prometheus.start, bed.layout, Ports(**bed.state.ports))
    else:
        await local.start_agents(world.api, bed.layout, bed.state.regions)


async def plan_replicas(world: World, *, count: int = 1, seed: int = 0) -> Plan:
    """Delete pods of ServiceDAGs, chosen by the seed: their replacements show whether decisions are made."""
    pods = await world.api.items(paths.pods(), labelSelector=names.LABEL_DAG)
    bound = {
        f"{p['metadata']['namespace']}/{p['metadata']['name']}": p["metadata"]["uid"]
        for p in pods
        if p["spec"].get("nodeName") and "deletionTimestamp" not in p["metadata"]
    }
    if not 0 < count <= len(bound):
        raise ChaosError(f"count is {count}: there are {len(bound)} bound replicas")
    struck = draw.draw(bound, (), count, seed)
    return {"what": f"delete {len(struck)} replicas", "pods": {key: bound[key] for key in struck}}


async def _delete(world: World, plan: Plan) -> None:
    for key, uid in plan["pods"].items():
        await world.api.delete(paths.pods(*key.split("/")), uid=uid, missing_ok=True)


KILLED = Fault("killed", plan_killed, _kill, _start)
REPLICAS = Fault("replicas-deleted", plan_replicas, _delete, nothing)
