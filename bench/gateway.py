"""How late the gateway answers beyond the delay that it drew, at a given rate of real HTTP requests.

The gateway runs in a process of its own on one core, the generator on another: open-loop Poisson arrivals
over kept connections. No cluster is needed: the ServiceDAGs are those of `bench.accuracy`.

Where the user may, both run at real-time priority, so that the gateway is measured and not who else
wants the core; `--ordinary` leaves that out.

python -m bench.gateway [--rate 2000] [--seconds 30] [--dags 6] [--ordinary]
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, cast

import numpy as np
import typer
import uvloop

from bench.accuracy import metro, spread
from bench.command import part
from bench.table import Findings, Row, verdict
from edgewright.core.load import station_load
from edgewright.core.problem import PlacedDag
from edgewright.core.substrate import Substrate
from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.histograms import ERRORS
from edgewright.emulation.gateway.picture import Scene, Service
from edgewright.emulation.gateway.plane import Plane
from edgewright.emulation.gateway.process import rehearse, steady
from edgewright.emulation.gateway.server import Connection
from edgewright.emulation.gateway.timers import RealTimers, Timers
from edgewright.emulation.testbed.report import Report, silent

PORT = 18_099
CONNECTIONS = 128
LOAD = 0.6
"""Utilisation of the busiest station at the full rate."""
WARM_UP = 3.0
TARGET = 1e-3
URL = f"http://127.0.0.1:{PORT}"


def main(
    rate: Annotated[float, typer.Option(help="Requests per second.")] = 2000.0,
    seconds: Annotated[float, typer.Option(help="How long, after a warm-up of 3 s.")] = 30.0,
    dags: Annotated[int, typer.Option(help="ServiceDAGs of 8 microservices that the requests are for.")] = 6,
    ordinary: Annotated[bool, typer.Option(help="Share the cores with whoever else is there.")] = False,
    serve: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Measure the gateway."""
    if serve:
        uvloop.run(_serve(rate, dags))
    else:
        part(
            "gateway",
            lambda report: measure(rate=rate, seconds=seconds, dags=dags, ordinary=ordinary, report=report),
        )


def measure(
    *,
    quick: bool = False,
    report: Report = silent,
    rate: float = 2000.0,
    seconds: float = 30.0,
    dags: int = 6,
    ordinary: bool = False,
) -> Findings:
    """Lateness at the gateway and as a client sees it; CPU of both sides."""
    seconds = 5.0 if quick else seconds
    report(f"{rate:g} requests per second for {seconds:g} s")
    cores = os.sched_getaffinity(0)
    with _gateway(rate, dags) as pid:
        priority = "ordinary priority" if ordinary else _hurry(pid, os.getpid())
        os.sched_setaffinity(pid, {min(cores)})
        os.sched_setaffinity(0, {max(cores)})
        try:
            seen = uvloop.run(_generate(pid, rate, seconds, dags))
        finally:
            os.sched_setaffinity(0, cores)
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    found, case = Findings(), f"{rate:g} requests/s, {dags} DAGs, one core, {priority}"

    def row(figure: str, value: str, target: str = "", met: bool | None = None) -> None:
        found.rows.append(Row("gateway", case, figure, target, value, "" if met is None else verdict(met)))

    within, counts = np.cumsum(seen.lateness) / seen.lateness.sum(), seen.answered / seen.seconds
    soon = float(within[ERRORS.index(TARGET)])
    row("answers less than 1 ms later than drawn", f"{soon:.2%}", "at least 99 %", met=soon >= 0.99)
    row("answered per second", f"{counts:,.0f}", f"{rate:,.0f}", met=counts > 0.99 * rate)
    row("lateness at the gateway, p50 / p99, at most", " / ".join(_bound(within, q) for q in (0.5, 0.99)))
    client = np.percentile(seen.client, (50, 99)) * 1e3
    row("lateness that the client sees, p50 / p99", f"{client[0]:.2f} / {client[1]:.2f} ms")
    row("mean delay drawn", f"{np.mean(seen.drawn) * 1e3:.2f} ms")
    row("CPU of the gateway", f"{seen.gateway_cpu / seen.seconds:.0%} of a core")
    row("CPU of the generator", f"{seen.generator_cpu / seen.seconds:.0%} of a core")
    row("written late by the generator, p99", f"{np.percentile(seen.behind, 99) * 1e3:.2f} ms")
    return found


def _bound(within: "np.typing.NDArray[np.float64]", share: float) -> str:
    """Upper bound of the histogram's bucket in which the quantile lies."""
    at = int(np.searchsorted(within, share))
    return f"{ERRORS[at] * 1e3:g} ms" if at < len(ERRORS) else f"over {ERRORS[-1] * 1e3:g} ms"


@dataclass
class Seen:
    """What the generator noted after the warm-up."""

    answered: int = 0
    seconds: float = 0.0
    lateness: "np.typing.NDArray[np.float64]" = field(default_factory=lambda: np.zeros(len(ERRORS) + 1))
    """Of the gateway's own histogram."""
    client: list[float] = field(default_factory=list)
    """Seconds from writing a request to its answer, less the delay that the answer names."""
    drawn: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    """Seconds by which requests were written later than planned."""
    gateway_cpu: float = 0.0
    generator_cpu: float = 0.0


@contextlib.contextmanager
def _gateway(rate: float, dags: int) -> Iterator[int]:
    """The gateway's process, ready."""
    command = [sys.executable, "-m", "bench.gateway", "--serve", "--rate", str(rate), "--dags", str(dags)]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 120
        while not _answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError("the gateway does not answer")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _hurry(*pids: int) -> str:
    """Give processes real-time priority if we may; what they have then."""
    try:
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return "ordinary priority"
    return "real-time priority"


def _answers() -> bool:
    try:
        return bool(urllib.request.urlopen(f"{URL}/readyz", timeout=1).status == 200)
    except OSError:
        return False


async def _serve(rate: float, dags: int) -> None:
    """The gateway with `dags` pipelines, so small that `rate` requests load the busiest station to LOAD."""
    rehearse()
    draw = random.Random("gateway")
    substrate = metro(draw)
    placed = [spread(draw, q, "compact", len(substrate.nodes)) for q in range(dags)]
    placed = [_resized(one, rate / dags, 1.0) for one in placed]
    busiest = float(np.sum([station_load(one, substrate) for one in placed], axis=0).max())
    placed = [_resized(one, rate / dags, LOAD / busiest) for one in placed]
    plane = Plane()
    plane.show(_scene(placed, substrate))
    desk = Desk(plane, RealTimers())
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(desk, lambda: True), "127.0.0.1", PORT
    )
    steady()
    async with server:
        await server.serve_forever()


def _resized(one: PlacedDag, rate: float, factor: float) -> PlacedDag:
    dag = one.dag
    demand = replace(
        dag.demand, rate=rate, payload=dag.demand.payload * factor, response=dag.demand.response * factor
    )
    stages = tuple(replace(m, work=m.work * factor) for m in dag.microservices)
    edges = tuple(replace(i, payload=i.payload * factor) for i in dag.invocations)
    return PlacedDag(
        replace(dag, demand=demand, microservices=stages, invocations=edges), one.stage, one.node
    )


def _scene(placed: list[PlacedDag], substrate: Substrate) -> Scene:
    services = {}
    for one in placed:
        names = tuple(
            (f"{m.name}={substrate.nodes[n].name}/{m.name}-7d9c5b9f4-x2x4z",)
            for m, n in zip(one.dag.microservices, one.node, strict=True)
        )
        services[one.dag.key] = Service(one.dag.key, 1, one.dag, one, names)
    return Scene(substrate, services, np.zeros(len(substrate.station_capacity)))


class _Client(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self, idle: list["_Client"], timers: Timers, seen: Seen) -> None:
        self._idle, self._timers, self._seen = idle, timers, seen
        self._written = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._idle.append(self)

    def ask(self, request: bytes) -> None:
        assert self.transport is not None
        self._written = self._timers.now()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        taken = self._timers.now() - self._written
        at = data.index(b"edgewright-delay-ms: ") + 21
        delay = float(data[at : data.index(b"\r", at)]) / 1e3
        self._seen.client.append(taken - delay)
        self._seen.drawn.append(delay)
        self._seen.answered += 1
        self._idle.append(self)


async def _generate(pid: int, rate: float, seconds: float, dags: int) -> Seen:
    timers, seen, idle = RealTimers(), Seen(), list[_Client]()
    loop, chance = asyncio.get_running_loop(), random.Random(1)
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Client(idle, timers, seen), "127.0.0.1", PORT)
    requests = [f"GET /bench/dag-{q} HTTP/1.1\r\nhost: gateway\r\n\r\n".encode() for q in range(dags)]

    def send(planned: float) -> None:
        seen.behind.append(timers.now() - planned)
        if idle:
            idle.pop().ask(chance.choice(requests))
        following = planned + chance.expovariate(rate)
        timers.at(following, send, following)

    timers.at(timers.now(), send, timers.now())
    await asyncio.sleep(WARM_UP)
    before, cpu, own = await _lateness(), _cpu(pid), time.process_time()
    seen.answered, seen.client[:], seen.drawn[:], seen.behind[:] = 0, [], [], []
    began = time.monotonic()
    await asyncio.sleep(seconds)
    seen.seconds = time.monotonic() - began
    answered = seen.answered
    seen.generator_cpu, seen.gateway_cpu = time.process_time() - own, _cpu(pid) - cpu
    seen.lateness = await _lateness() - before
    seen.answered = answered
    timers.close()
    return seen


async def _lateness() -> "np.typing.NDArray[np.float64]":
    """Counts of the gateway's histogram, not cumulated."""
    text = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"{URL}/metrics", timeout=5).read().decode()
    )
    lines = [
        line for line in text.splitlines() if line.startswith("edgewright_gateway_lateness_seconds_bucket")
    ]
    return np.diff([float(line.rpartition(" ")[2]) for line in lines], prepend=0.0)


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    typer.run(main)
