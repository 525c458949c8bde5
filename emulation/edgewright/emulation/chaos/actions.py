"""Actions for Chaos Toolkit: each plans, writes its plan into the ledger, injects; `heal` undoes them.

An experiment names them as `module: edgewright.emulation.chaos.actions` and `func: cut_nodes` and so on.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from edgewright.emulation.chaos import connection, killed, links, load, nodes, target, users
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, World
from edgewright.emulation.chaos.ledger import Entry, Ledger
from edgewright.emulation.chaos.target import Target

Configuration = Mapping[str, Any] | None
Action = Callable[..., dict[str, Any]]
MODULE = __name__
FAULTS: dict[str, Fault] = {}
"""Every fault by its name, as the ledger knows it."""


def _action(fault: Fault) -> Action:
    """A function with the signature of the fault's plan, as Chaos Toolkit checks and calls it."""

    def act(*, configuration: Configuration = None, **arguments: Any) -> dict[str, Any]:
        return asyncio.run(_inject(fault, target.of(configuration), arguments))

    planned = [p for name, p in inspect.signature(fault.plan).parameters.items() if name != "world"]
    own = inspect.Parameter("configuration", inspect.Parameter.KEYWORD_ONLY, default=None)
    act.__signature__ = inspect.Signature([*planned, own])  # type: ignore[attr-defined]
    act.__doc__ = fault.plan.__doc__
    act.__name__ = fault.name.replace("-", "_")
    act.fault = fault  # type: ignore[attr-defined]
    FAULTS[fault.name] = fault
    return act


async def _inject(fault: Fault, where: Target, arguments: Mapping[str, Any]) -> dict[str, Any]:
    async with where.world() as world:
        plan = await fault.plan(world, **arguments)
        entry = where.ledger.begin(fault.name, plan)
        await fault.inject(world, plan)
        return {
            "id": entry.id,
            "fault": fault.name,
            "what": plan["what"],
            "down": plan.get("down", []),
            "record": (plan.get("load") or {}).get("record", ""),
        }


cut_nodes = _action(nodes.CUT)
flap_nodes = _action(nodes.FLAPPING)
drain_nodes = _action(nodes.DRAIN)
delete_nodes = _action(nodes.DELETE)
slow_nodes = _action(nodes.SLOW)
degrade_links = _action(links.DEGRADED)
ask = _action(users.ASKED)
burst = _action(load.BURST)
gather_users = _action(load.FLASH_CROWD)
kill = _action(killed.KILLED)
delete_replicas = _action(killed.REPLICAS)
route_agents = _action(connection.ROUTED)
partition_agents = _action(connection.PARTITIONED)
delay_agents = _action(connection.DELAYED)


def fault_of(func: str) -> Fault | None:
    """The fault behind the action `func`; None if that is no action, or is `heal`."""
    found = getattr(globals().get(func), "fault", None)
    return found if isinstance(found, Fault) else None


def heal(fault: str = "", configuration: Configuration = None) -> dict[str, Any]:
    """Undo every injection of this kind of `fault`, or of all kinds, that is not healed; the newest first."""
    if fault and fault not in FAULTS:
        raise ChaosError(f"no fault {fault!r}; there are {', '.join(sorted(FAULTS))}")
    return asyncio.run(_heal(fault, target.of(configuration)))


async def _heal(fault: str, where: Target) -> dict[str, Any]:
    ledger = where.ledger
    healed: list[str] = []
    failed: list[str] = []
    async with where.world() as world:
        for entry in reversed(ledger.entries()):
            if not fault or entry.fault == fault:
                await _heal_one(world, ledger, entry, healed, failed)
    if failed:
        raise ChaosError(f"not healed, `edgewright chaos heal` tries again: {'; '.join(failed)}")
    return {"healed": healed}


async def _heal_one(world: World, ledger: Ledger, entry: Entry, healed: list[str], failed: list[str]) -> None:
    """One injection; that it cannot be healed keeps no other one from it."""
    try:
        await FAULTS[entry.fault].heal(world, entry.plan)
    except Exception as error:
        failed.append(f"{entry.plan['what']}: {error}")
    else:
        ledger.end(entry)
        healed.append(entry.id)
