"""Kills agents, operators and the API server while DAGs come and go; counts what was lost or doubled.

python -m bench.kills [--repetitions 50] [--victims agent,operator,apiserver] [--lease-seconds 3]
"""

import asyncio
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from bench.churn import Churn
from bench.command import part
from bench.rig import Rig, rig
from bench.table import OUT, Findings, Row, verdict
from bench.usage import Meter
from edgewright.emulation.testbed import local, processes
from edgewright.emulation.testbed import nodes as emulated
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube import names, paths
from edgewright.kube.api import Api

SCENARIO, REPETITIONS, SEED = "melbourne-small", 50, 11
QUIET, IDLE = 15.0, 30.0
"""Seconds of rest before, and of measuring, what leaders and standbys cost while nothing changes."""
START_SECONDS, RESUME_SECONDS = local.START_SECONDS, 90.0
POLL = 0.02


class Victim(StrEnum):
    """What is killed."""

    AGENT = "agent"
    OPERATOR = "operator"
    APISERVER = "apiserver"


TARGET: dict[Victim, float | None] = {Victim.AGENT: 5.0, Victim.OPERATOR: 15.0, Victim.APISERVER: None}
"""Seconds until decisions resume."""


class Pair:
    """Two processes of one kind, of which one leads: `kill` takes the leader and starts another standby."""

    def __init__(self, stand: Rig, api: Api, role: str, arguments: Sequence[str]) -> None:
        self._stand, self._api, self._role = stand, api, role
        self._arguments = arguments
        self._started = 0

    async def start(self) -> None:
        """Start one more; returns when it leads or stands by."""
        layout, name = self._stand.bed.layout, f"{self._role}-{self._started}"
        self._started += 1
        command = [sys.executable, "-m", "edgewright.cli.main", *self._arguments]
        process = processes.spawn(name, command, log=layout.logs / f"{name}.log", pids=layout.pids)
        log = layout.logs / f"{name}.log"

        async def candidate() -> bool:
            if not process.alive:
                raise TimeoutError(f"{name} ended: {log.read_text()[-1000:]}")
            return " leads " in log.read_text()

        await until(f"{name} is a candidate", candidate, START_SECONDS)

    async def kill(self, lease: str) -> None:
        """Kill the holder of a Lease without warning."""
        holder = (await self._api.get(lease))["spec"].get("holderIdentity") or ""
        os.kill(int(holder.replace("_", "-").split("-")[-2]), signal.SIGKILL)


async def until(what: str, done: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Poll until `done`; TimeoutError naming what did not happen."""
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(POLL)


class Bout:
    """A testbed with two operators and two agent processes, and DAGs that come and go."""

    def __init__(self, stand: Rig, api: Api, lease_seconds: int) -> None:
        self._stand, self._api = stand, api
        self._regions = [region.name for region in stand.city.regions]
        folder = stand.bed.layout.kubeconfigs
        self._operators = Pair(stand, api, "operator", ["operator", "--kubeconfig", str(folder / "operator")])
        agents = ["agent", "--all", "--kubeconfig", str(folder / "agents")]
        agents += ["--lease-seconds", str(lease_seconds)]
        self._agents = Pair(stand, api, "agents", agents)
        self.churn = Churn(api, self._regions)

    async def prepare(self) -> None:
        """Start everything; returns when both regions decide."""
        layout, folder = self._stand.bed.layout, self._stand.bed.layout.kubeconfigs
        account = (names.OPERATOR_NAMESPACE, names.OPERATOR_ACCOUNT)
        await local.write_kubeconfig(self._api, layout, folder / "operator", {"operator": account})
        await self._operators.start()
        await self._operators.start()
        for region in self._regions:

            async def there(region: str = region) -> bool:
                found = await self._api.items(paths.serviceaccounts(region))
                return any(item["metadata"]["name"] == names.AGENT_ACCOUNT for item in found)

            await until(f"the account of {region}", there, START_SECONDS)
        accounts = {region: (region, names.AGENT_ACCOUNT) for region in self._regions}
        await local.write_kubeconfig(self._api, layout, folder / "agents", accounts)
        await self._agents.start()
        await self._agents.start()

    async def once(self, victim: Victim, chance: random.Random) -> tuple[float, float]:
        """One kill at a random moment of the churn, and a ServiceDAG after it.

        Seconds from the kill until Kubernetes has made all its pods, and until all are bound.
        """
        region = chance.choice(self._regions)
        self.churn.go()
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        began = time.monotonic()
        if victim is Victim.AGENT:
            await self._agents.kill(paths.leases(region, names.LEASE_AGENT))
        elif victim is Victim.OPERATOR:
            await self._operators.kill(paths.leases(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR))
        else:
            await asyncio.to_thread(self._stand.bed.stop_component, "kube-apiserver")
            await asyncio.to_thread(self._stand.bed.start_component, "kube-apiserver")
        probe = await self.churn.probe(region)
        try:
            await until("pods are made", lambda: self.churn.made(probe), RESUME_SECONDS)
            made = time.monotonic() - began
            await until("decisions resume", lambda: self.churn.bound(probe), RESUME_SECONDS)
        except TimeoutError as error:
            ended = [process.name for process in self._stand.bed.processes if not process.alive]
            raise TimeoutError(f"{error}: {await self.churn.story(probe)}; ended: {ended}") from error
        resumed = time.monotonic() - began
        if victim is Victim.APISERVER:
            await self.churn.pause()
            await emulated.reach_again(self._api)
        await self.churn.settle()
        if victim is not Victim.APISERVER:
            await (self._agents if victim is Victim.AGENT else self._operators).start()
        return made, resumed


async def bout(
    stand: Rig, victims: Sequence[Victim], repetitions: int, lease_seconds: int, idle: float, report: Report
) -> Findings:
    """All kills, the victims one after the other."""
    found, chance = Findings(), random.Random(SEED)
    async with await stand.connect() as api:
        ring = Bout(stand, api, lease_seconds)
        await ring.prepare()
        if idle:
            report(f"measuring {idle:.0f} s without changes")
            await rest(stand, found, lease_seconds, idle)
        async with ring.churn.watched() as seen:
            for victim in victims:
                times: list[tuple[float, float]] = []
                try:
                    for number in range(repetitions):
                        times.append(await ring.once(victim, chance))
                        made, resumed = (f"{seconds:.2f}" for seconds in times[-1])
                        report(
                            f"{victim} killed {number + 1} of {repetitions} times: pods after {made} s, "
                            f"decisions after {resumed} s, {len(seen.lost)} lost, {len(seen.doubled)} doubled"
                        )
                        found.sample(
                            "kills", victim=victim, repetition=number, pods_s=made, resumed_s=resumed
                        )
                except TimeoutError as error:
                    case = f"{victim} killed {len(times) + 1} times"
                    found.rows.append(Row("kills", case, "all goes on", "", str(error), "missed"))
                    keep_logs(stand, victim)
                if times:
                    record(found, victim, times, seen.lost, seen.doubled, seen.bound)
                seen.forget()
    return found


def keep_logs(stand: Rig, victim: Victim) -> None:
    """Copy the logs of our processes to where results are: the testbed takes its own away."""
    folder = OUT / f"kills-{victim}-logs"
    folder.mkdir(parents=True, exist_ok=True)
    for log in stand.bed.layout.logs.glob("*.log"):
        shutil.copy(log, folder)


async def rest(stand: Rig, found: Findings, lease_seconds: int, idle: float) -> None:
    """What two operators, two agents of both regions and the API server cost while nothing changes."""
    await asyncio.sleep(QUIET)
    meter = Meter.start(stand.pids())
    await asyncio.sleep(idle)
    for process, seconds in meter.read().items():
        percent = f"{100 * seconds / idle:.1f}"
        found.sample("kills-idle", lease_s=lease_seconds, process=process, percent=percent)


def record(
    found: Findings,
    victim: Victim,
    times: Sequence[tuple[float, float]],
    lost: set[str],
    doubled: set[str],
    bound: int,
) -> None:
    """Rows of one victim."""
    case, target = f"{victim} killed {len(times)} times", TARGET[victim]
    made, resumed = zip(*times, strict=True)
    wrong = len(lost) + len(doubled)
    words = f"{len(lost)} lost, {len(doubled)} doubled of {bound}"
    found.rows += [
        Row("kills", case, "bindings", "0 lost, 0 doubled", words, verdict(wrong == 0)),
        Row("kills", case, "Kubernetes makes pods", "", spread(made), ""),
        Row(
            "kills",
            case,
            "decisions resume",
            f"< {target:.0f} s" if target is not None else "",
            spread(resumed),
            verdict(max(resumed) < target) if target is not None else "",
        ),
    ]


def spread(times: Sequence[float]) -> str:
    """Median and worst of some seconds, in words."""
    return f"median {statistics.median(times):.1f} s, worst {max(times):.1f} s"


def measure(
    *,
    victims: Sequence[Victim] = tuple(Victim),
    repetitions: int = REPETITIONS,
    lease_seconds: int = names.LEASE_AGENT_SECONDS,
    idle: float = IDLE,
    report: Report = silent,
) -> Findings:
    """Kill each victim so often."""
    with rig("kills", SCENARIO, "edge", report=report) as stand:
        return asyncio.run(bout(stand, victims, repetitions, lease_seconds, idle, report))


def main(
    repetitions: Annotated[int, typer.Option(min=1, help="Kills of each victim.")] = REPETITIONS,
    victims: Annotated[str, typer.Option(help=f"By comma: {', '.join(Victim)}.")] = ",".join(Victim),
    lease_seconds: Annotated[int, typer.Option(min=3, help="Of the agents.")] = names.LEASE_AGENT_SECONDS,
) -> None:
    """Kill agents, operators and the API server while DAGs come and go."""
    chosen = []
    for name in victims.split(","):
        if name.strip() not in set(Victim):
            raise typer.BadParameter(f"--victims: no {name.strip()!r}; there are {', '.join(Victim)}")
        chosen.append(Victim(name.strip()))
    part(
        "kills",
        lambda report: measure(
            victims=chosen, repetitions=repetitions, lease_seconds=lease_seconds, report=report
        ),
    )


if __name__ == "__main__":
    typer.run(main)
