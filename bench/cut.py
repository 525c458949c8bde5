"""Cuts part of a fleet under its pods and times detection, replacement and binding, each by itself."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.rig import Rig
from bench.sightings import Sighting, Sightings
from edgewright.emulation.testbed import nodes
from edgewright.kube.api import Api

AFTERMATH = 10.0
"""Seconds after the recovery for which false evictions are still counted."""
RETURN_SECONDS = 180.0


@dataclass(frozen=True)
class Recovery:
    """One cut; seconds after it unless said otherwise."""

    nodes: int
    pods: int
    """Replicas that were on them."""
    first_detected: float
    """The first of those pods was told to go."""
    detected: float
    """The last of them was."""
    replaced: float
    """As many new pods existed."""
    bound: float
    """And were bound."""
    false_evictions: int
    """Pods deleted on nodes that were not cut."""


def choose(rig: Rig, seen: Sightings, count: int, seed: int) -> list[str]:
    """`count` edge nodes that have pods, drawn in turn from each region: every one loses its share."""
    draw = random.Random(seed)
    used = {pod.node for pod in seen.living}
    pools = [sorted(used.intersection(region.nodes)) for region in rig.city.regions]
    for pool in pools:
        draw.shuffle(pool)
    return [pool[i] for i in range(max(map(len, pools))) for pool in pools if i < len(pool)][:count]


async def cut_and_recover(api: Api, seen: Sightings, targets: Sequence[str], patience: float) -> Recovery:
    """Cut the nodes, wait until every replica is bound elsewhere, at most `patience` seconds."""
    lost = [pod for pod in seen.living if pod.node in set(targets)]
    began = time.monotonic()
    await nodes.cut(api, targets)

    def fresh() -> list[Sighting]:
        return [pod for pod in seen.pods.values() if pod.created > began and pod.bound is not None]

    def recovered() -> bool:
        return all(pod.deleted is not None for pod in lost) and len(fresh()) >= len(lost)

    await seen.until(f"{len(lost)} pods of {len(targets)} cut nodes are replaced", recovered, patience)
    await asyncio.sleep(AFTERMATH)
    created = sorted(pod.created for pod in seen.pods.values() if pod.created > began)
    bound = sorted(pod.bound for pod in fresh() if pod.bound is not None)
    deleted = [pod.deleted for pod in lost if pod.deleted is not None]
    return Recovery(
        nodes=len(targets),
        pods=len(lost),
        first_detected=min(deleted) - began,
        detected=max(deleted) - began,
        replaced=created[len(lost) - 1] - began,
        bound=bound[len(lost) - 1] - began,
        false_evictions=evicted(seen, began, targets),
    )


def evicted(seen: Sightings, since: float, but_on: Sequence[str] = ()) -> int:
    """How many pods were deleted after `since` on nodes other than those named."""
    return sum(
        pod.deleted is not None and pod.deleted > since and pod.node not in set(but_on)
        for pod in seen.pods.values()
    )


async def heal(api: Api, seen: Sightings, targets: Sequence[str], settle: float) -> None:
    """Give the nodes back; returns when they are Ready, rid of Terminating pods, and `settle` seconds on."""
    await nodes.heal(api, targets)
    await nodes.wait_ready(api, targets, RETURN_SECONDS)
    await seen.until(
        "Terminating pods go from healed nodes",
        lambda: all(pod.gone is not None for pod in seen.pods.values() if pod.deleted is not None),
        RETURN_SECONDS,
    )
    await asyncio.sleep(settle)
