"""Faults of nodes: cut off, drained, deleted, flapping, slow."""

import asyncio
import time
from typing import Any

from edgewright.emulation.chaos import draw
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World
from edgewright.emulation.testbed import nodes as emulated
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

EVICTION_SECONDS = 120.0
"""How long a drain waits for a PodDisruptionBudget."""
_NO_CUT = "drain or delete nodes instead (scenarios node-drain and node-delete), or pull a plug"


async def plan_cut(
    world: World, *, nodes: str = "", zone: str = "", count: int = 0, percent: float = 0, seed: int = 0
) -> Plan:
    """Cut nodes off: their Leases are not renewed any more and no pod there changes, as when power fails."""
    world.testbed("cutting nodes off", _NO_CUT)
    struck = draw.choose(
        await draw.fleet(world.api), nodes=nodes, zone=zone, count=count, percent=percent, seed=seed
    )
    return {"what": f"cut {_listed(struck)}", "nodes": struck, "down": struck}


async def _cut(world: World, plan: Plan) -> None:
    await emulated.cut(world.api, plan["nodes"])


async def _reconnect(world: World, plan: Plan) -> None:
    there = {node["metadata"]["name"] for node in await world.api.items(paths.nodes())}
    await emulated.heal(world.api, [name for name in plan["nodes"] if name in there])


async def plan_flapping(
    world: World,
    *,
    nodes: str = "",
    count: int = 1,
    times: int = 3,
    down_seconds: float = 6,
    up_seconds: float = 6,
    seed: int = 0,
) -> Plan:
    """Cut nodes off and reconnect them, several times over; ends with the nodes connected."""
    world.testbed("cutting nodes off", _NO_CUT)
    if times < 1 or down_seconds <= 0 or up_seconds < 0:
        raise ChaosError(
            "flapping needs times of at least 1, down_seconds above 0 and up_seconds of at least 0"
        )
    struck = draw.choose(await draw.fleet(world.api), nodes=nodes, count=count, seed=seed)
    return {
        "what": f"cut {_listed(struck)} and back, {times} times",
        "nodes": struck,
        "times": times,
        "down_seconds": down_seconds,
        "up_seconds": up_seconds,
    }


async def _flap(world: World, plan: Plan) -> None:
    for _ in range(plan["times"]):
        await emulated.cut(world.api, plan["nodes"])
        await asyncio.sleep(plan["down_seconds"])
        await emulated.heal(world.api, plan["nodes"])
        await asyncio.sleep(plan["up_seconds"])


async def plan_drain(
    world: World, *, nodes: str = "", zone: str = "", count: int = 0, percent: float = 0, seed: int = 0
) -> Plan:
    """Cordon nodes and evict their pods, as `kubectl drain` does: PodDisruptionBudgets are kept."""
    struck = draw.choose(
        await draw.fleet(world.api), nodes=nodes, zone=zone, count=count, percent=percent, seed=seed
    )
    cordoned = [name for name in struck if await _cordoned(world.api, name)]
    return {"what": f"drain {_listed(struck)}", "nodes": struck, "cordoned": cordoned}


async def _cordoned(api: Api, node: str) -> bool:
    return bool((await api.get(paths.nodes(node)))["spec"].get("unschedulable"))


async def _drain(world: World, plan: Plan) -> None:
    for name in plan["nodes"]:
        await world.api.patch(paths.nodes(name), {"spec": {"unschedulable": True}})
    for name in plan["nodes"]:
        pods = await world.api.items(paths.pods(), fieldSelector=f"spec.nodeName={name}")
        await asyncio.gather(*(_evict(world.api, pod) for pod in pods if _drainable(pod)))


def _drainable(pod: dict[str, Any]) -> bool:
    """As for kubectl: DaemonSets would come back, and mirror pods are the kubelet's own."""
    metadata = pod["metadata"]
    owners = {owner["kind"] for owner in metadata.get("ownerReferences") or []}
    return not owners & {"DaemonSet", "Node"} and "deletionTimestamp" not in metadata


async def _evict(api: Api, pod: dict[str, Any]) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
    }
    deadline = time.monotonic() + EVICTION_SECONDS
    while True:
        try:
            await api.create(paths.pods(namespace, name, "eviction"), eviction)
        except ApiError as error:
            if error.status in {404, 409}:
                return
            if error.status != 429:
                raise
            if time.monotonic() > deadline:
                raise ChaosError(f"pod {namespace}/{name} may not be evicted: {error.message}") from None
            await asyncio.sleep(0.5)
        else:
            return


async def _uncordon(world: World, plan: Plan) -> None:
    for name in plan["nodes"]:
        if name not in plan["cordoned"]:
            await _patch_if_there(world.api, name, {"spec": {"unschedulable": None}})


async def _patch_if_there(api: Api, node: str, change: dict[str, Any]) -> None:
    try:
        await api.patch(paths.nodes(node), change)
    except ApiError as error:
        if error.status != 404:
            raise


async def plan_delete(
    world: World, *, nodes: str = "", zone: str = "", count: int = 0, percent: float = 0, seed: int = 0
) -> Plan:
    """Delete Node objects, as when an autoscaler or a person removes machines; healing creates them again."""
    struck = draw.choose(
        await draw.fleet(world.api), nodes=nodes, zone=zone, count=count, percent=percent, seed=seed
    )
    saved = [_portable(await world.api.get(paths.nodes(name))) for name in struck]
    return {"what": f"delete {_listed(struck)}", "nodes": struck, "saved": saved, "down": struck}


def _portable(node: dict[str, Any]) -> dict[str, Any]:
    """What of a node can be created again: what the server and the controllers add, they will add again."""
    metadata, spec, status = node["metadata"], node["spec"], node.get("status", {})
    taints = [t for t in spec.get("taints") or [] if not t["key"].startswith("node.kubernetes.io/")]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata},
        "spec": {**{k: v for k, v in spec.items() if k not in {"taints", "unschedulable"}}, "taints": taints},
        "status": {key: status[key] for key in ("capacity", "allocatable") if key in status},
    }


async def _delete(world: World, plan: Plan) -> None:
    for name in plan["nodes"]:
        await world.api.delete(paths.nodes(name), missing_ok=True)


async def _create_again(world: World, plan: Plan) -> None:
    for node in plan["saved"]:
        try:
            await world.api.create(paths.nodes(), node)
        except ApiError as error:
            if error.status != 409:
                raise
    if world.bed is not None:
        await emulated.wait_ready(world.api, plan["nodes"])
        await emulated.catch_up(world.api, set(plan["nodes"]))


async def plan_slow(
    world: World, *, nodes: str = "", count: int = 0, percent: float = 0, factor: float = 5, seed: int = 0
) -> Plan:
    """Make nodes answer slower: the latencies that they declare are multiplied by `factor`."""
    if factor <= 0:
        raise ChaosError(f"factor is {factor:g}: give more than 0")
    struck = draw.choose(await draw.fleet(world.api), nodes=nodes, count=count, percent=percent, seed=seed)
    before = {}
    for name in struck:
        annotations = (await world.api.get(paths.nodes(name)))["metadata"].get("annotations", {})
        if names.ANNOTATION_LATENCY not in annotations:
            raise ChaosError(
                f"node {name} has no annotation {names.ANNOTATION_LATENCY}: nothing to make slower"
            )
        before[name] = annotations[names.ANNOTATION_LATENCY]
    return {
        "what": f"{_listed(struck)} {factor:g} times slower",
        "nodes": struck,
        "factor": factor,
        "before": before,
    }


async def _slow(world: World, plan: Plan) -> None:
    for name, before in plan["before"].items():
        slower = ",".join(f"{float(each) * plan['factor']:.6g}" for each in before.split(","))
        await _annotate(world.api, name, slower)


async def _fast_again(world: World, plan: Plan) -> None:
    for name, before in plan["before"].items():
        await _annotate(world.api, name, before)


async def _annotate(api: Api, node: str, latency: str) -> None:
    await _patch_if_there(api, node, {"metadata": {"annotations": {names.ANNOTATION_LATENCY: latency}}})


def _listed(struck: list[str]) -> str:
    if len(struck) == 1:
        return f"node {struck[0]}"
    return f"{len(struck)} nodes ({', '.join(struck[:4])}{', ...' if len(struck) > 4 else ''})"


CUT = Fault("node-cut", plan_cut, _cut, _reconnect)
FLAPPING = Fault("node-flapping", plan_flapping, _flap, _reconnect)
DRAIN = Fault("node-drain", plan_drain, _drain, _uncordon)
DELETE = Fault("node-delete", plan_delete, _delete, _create_again)
SLOW = Fault("node-slow", plan_slow, _slow, _fast_again)
