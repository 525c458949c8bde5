"""Probes for Chaos Toolkit: each says what is wrong, or `none`, which is the tolerance that experiments give.

An experiment names them as `module: edgewright.emulation.chaos.probes` and `func: dags_not_ready` and so on.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from edgewright.emulation.chaos import state, target
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.target import Target
from edgewright.kube.api import ApiError

NONE = "none"
POLL, SETTLED = 0.25, 2.0
"""Seconds between two looks, and for how long nothing must be wrong."""
Configuration = Mapping[str, Any] | None


def dags_not_ready(configuration: Configuration = None) -> str:
    """ServiceDAGs that are not Ready."""
    return _said(_look(configuration).dags_not_ready())


def replicas_missing(configuration: Configuration = None) -> str:
    """Replicas that are wanted and not Ready on a living node."""
    return _said(_look(configuration).replicas_missing())


def replicas_misplaced(configuration: Configuration = None) -> str:
    """Replicas bound to a node that does not exist, or bound once more than wanted."""
    return _said(_look(configuration).replicas_misplaced())


def limits_broken(configuration: Configuration = None) -> str:
    """ServiceDAGs with `qos.required` whose limits do not hold."""
    return _said(_look(configuration).limits_broken())


def leases_not_held(configuration: Configuration = None) -> str:
    """Leases of the operator and of the agents that nobody renews."""
    return _said(_look(configuration).leases_not_held())


def steady_within(seconds: float, configuration: Configuration = None) -> str:
    """Wait until nothing is wrong, at most so many seconds; what is wrong then."""
    return _said(asyncio.run(wait(target.of(configuration), seconds)))


async def wait(where: Target, seconds: float, *, limits: bool = True) -> list[str]:
    """What is wrong with a cluster after waiting until nothing is, at most so many seconds.

    That must last for a moment, because the status of a ServiceDAG follows its replicas. Each Lease must be
    renewed meanwhile: that of a leader who was just killed still looks held. Without `limits`, broken limits
    are not waited for.
    """
    deadline = time.monotonic() + seconds
    first: dict[str, str] = {}
    good: float | None = None
    async with where.world() as world:
        while True:
            try:
                found = await state.look(world.api, down(where))
                first = {**found.renewals, **first}
                stale = [key for key, renewed in found.renewals.items() if first[key] == renewed]
                wrong = found.wrong(limits=limits) or [f"Lease not renewed yet: {each}" for each in stale]
            except ApiError as error:
                wrong = [f"the API server does not answer: {error}"]
            now = time.monotonic()
            good = None if wrong else good or now
            if now > deadline or (good is not None and now > good + SETTLED):
                return wrong
            await asyncio.sleep(POLL)


def down(where: Target) -> set[str]:
    """Nodes that injected faults keep down."""
    return {node for entry in where.ledger.entries() for node in entry.plan.get("down", [])}


def _look(configuration: Configuration) -> state.Found:
    async def look() -> state.Found:
        where = target.of(configuration)
        async with where.world() as world:
            return await state.look(world.api, down(where))

    found = asyncio.run(look())
    if not found.dags:
        raise ChaosError(
            "there is no ServiceDAG: nothing could suffer. Apply one, or run with --with-samples"
        )
    return found


def hold(seconds: float) -> None:
    """Let a fault last for so many seconds."""
    time.sleep(seconds)


def _said(wrong: list[str]) -> str:
    return ", ".join(wrong) or NONE
