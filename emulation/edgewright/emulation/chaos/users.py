"""Users who ask: real requests through the gateway of a testbed, begun, ended and read back."""

import asyncio
import csv
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World
from edgewright.emulation.chaos.recording import USERS, Asked
from edgewright.emulation.gateway import CARRIES
from edgewright.emulation.testbed import Testbed, data_plane, local, processes
from edgewright.emulation.workloads import Target
from edgewright.emulation.workloads.discovery import NoTargetsError, targets

USUAL, MORE = 0, 1
"""Seeds: those who come on top must not come at the moments of the usual ones."""
END_SECONDS = 15.0
"""How long those who asked may wait for their answers."""


async def plan_asked(world: World) -> Plan:
    """Let users ask every ServiceDAG as often as it declares until that is healed, and record what they get.

    They ask the gateway of a testbed; where none runs, nobody asks.
    """
    if not answered(world):
        return {"what": "nobody asks: no gateway answers requests here", "load": None}
    load = await plan_load(world, (), 1.0, USUAL)
    return {"what": f"users ask as declared, {load['rate']:g} times per second", "load": load}


def answered(world: World) -> bool:
    """Whether requests are answered: a gateway runs."""
    return world.bed is not None and data_plane.running(world.bed.layout) is not None


async def plan_load(world: World, dags: Collection[str], times: float, seed: int) -> dict[str, Any]:
    """Requests at `times` the declared rates of `dags`, `namespace/name`, or of all; to be given to `begin`.

    Raises ChaosError for a ServiceDAG that is not served, and for more than a gateway carries.
    """
    bed = _bed(world)
    url = f"http://{data_plane.address(bed)}"
    try:
        every = await asyncio.to_thread(targets, url)
        asked = await asyncio.to_thread(targets, url, ",".join(dags)) if dags else every
    except NoTargetsError as error:
        raise ChaosError(str(error)) from None
    rate = times * _demand(asked)
    together = rate + (_demand(every) if dags else 0.0)
    if together > CARRIES:
        raise ChaosError(
            f"users would ask {together:,.0f} times per second, and a gateway carries {CARRIES:,}: give a "
            "smaller factor or fewer dags"
        )
    name = f"users-{uuid.uuid4().hex[:8]}"
    record = str(bed.layout.logs / f"{name}.csv")
    return {"name": name, "url": url, "dags": sorted(dags), "rate": rate, "seed": seed, "record": record}


def _demand(asked: Sequence[Target]) -> float:
    return sum(target.demand for target in asked)


async def begin(world: World, load: dict[str, Any] | None) -> None:
    """Start to send what was planned, and wait until the first requests leave; nothing for no load."""
    if load is None:
        return
    layout, name, record = _bed(world).layout, load["name"], Path(load["record"])
    command = ["load", "run", "--workload", "declared", "--cross-region", "0", "--url", load["url"]]
    command += ["--rate", f"{load['rate']:g}", "--seed", str(load["seed"]), "--record", str(record)]
    local.spawn(layout, name, [*command, "--dags", ",".join(load["dags"])])

    async def begun() -> bool:
        return await asyncio.to_thread(record.exists)

    await local.wait_for(layout, "users to ask", begun, needs=(name,))


async def end(world: World, load: dict[str, Any] | None) -> None:
    """Send nothing more, and let what is under way be answered."""
    if load is None:
        return
    layout = _bed(world).layout
    sending = [each for each in processes.recorded(layout.pids) if each.name == load["name"]]
    await asyncio.to_thread(processes.stop, sending, END_SECONDS)
    (layout.pids / f"{load['name']}.json").unlink(missing_ok=True)


def _bed(world: World) -> Testbed:
    return world.testbed("sending requests", "put load on your own services with your own tool")


def read(records: Sequence[str], began: float) -> list[Asked]:
    """What users were answered, by the time at which they asked; `began` is zero on the monotonic clock."""
    found = []
    for record in map(Path, records):
        with record.open(newline="") as file:
            for path, due, late, took, answer in csv.reader(file):
                seconds = float(took) if answer == "1" else None
                found.append(Asked(round(float(due) - began, 3), path.strip("/"), float(late), seconds))
        record.unlink()
    return sorted(found, key=lambda asked: asked.at)


async def _begin(world: World, plan: Plan) -> None:
    await begin(world, plan["load"])


async def _end(world: World, plan: Plan) -> None:
    await end(world, plan["load"])


ASKED = Fault(USERS, plan_asked, _begin, _end)
