"""locust, run as a user runs it, sends the workload to a real gateway, whether or not it is answered."""

import asyncio
import csv
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from tests.unit.gateway.builders import KEY, dag, lease, picture, pod

from edgewright.emulation.gateway.desk import Answer, Desk
from edgewright.emulation.gateway.picture import Picture
from edgewright.emulation.gateway.plane import Plane
from edgewright.emulation.gateway.process import rehearse
from edgewright.emulation.gateway.server import Connection
from edgewright.emulation.gateway.timers import RealTimers, Timers
from edgewright.emulation.workloads import Target, Workload, arrivals

RATE, SECONDS = 60.0, 6.0


class Gateway(Desk):
    """In this process, for a load generator in another; notes when requests come."""

    def __init__(self, made: Picture, timers: Timers) -> None:
        super().__init__(Plane(), timers)
        self.made, self.url = made, ""
        self.came: list[float] = []
        self.change()

    def request(self, target: bytes, answer: Answer) -> None:
        self.came.append(self._timers.now())
        super().request(target, answer)

    def change(self) -> None:
        self.plane.show(self.made.scene())


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    rehearse()
    timers = RealTimers()
    made = Gateway(picture(pods=(pod("decode", "n1"), pod("render", "n2"))), timers)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(made, lambda: True), "127.0.0.1", 0
    )
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    timers.close()


async def locust(gateway: Gateway, folder: Path, *options: str) -> tuple[int, str, dict[str, str]]:
    """Exit status, what it said, and its row of all requests."""
    command = [sys.executable, "-m", "edgewright.cli.main", "load", "run", "--url", gateway.url]
    command += ["--rate", f"{RATE}", "--duration", f"{SECONDS}", "--seed", "7", *options]
    environment = os.environ | {"LOCUST_CSV": str(folder / "run")}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    table = folder / "run_stats.csv"
    rows = list(csv.DictReader(table.open())) if table.exists() else []
    return (
        done.returncode,
        done.stdout + done.stderr,
        next((r for r in rows if r["Name"] == "Aggregated"), {}),
    )


async def test_it_sends_what_the_workload_says(gateway: Gateway, tmp_path: Path) -> None:
    record = tmp_path / "requests.csv"
    status, said, row = await locust(gateway, tmp_path, "--dags", "city/overlay", "--record", str(record))
    assert status == 0, said
    lines = list(csv.reader(record.open()))
    assert int(row["Request Count"]) <= len(lines) <= len(gateway.came)
    assert {(line[0], line[4]) for line in lines} == {("/city/overlay", "1")}
    dues = np.array([float(line[1]) + float(line[2]) for line in lines])
    assert np.median(np.abs(np.sort(dues) - np.sort(gateway.came)[: len(dues)])) < 0.1, "one clock"
    times, _ = next(arrivals(Workload(rate=RATE, seed=7), (Target("/city/overlay", 20.0, (0.0, 0.0)),)))
    came = np.array(gateway.came)
    assert len(came) > RATE  # how many is up to how fast locust starts; at most SECONDS' worth
    planned = times[: len(came)]
    # The whole sequence is there, at its moments, as far as a busy machine lets it.
    assert np.median(np.abs((came - came[0]) - (planned - planned[0]))) < 0.1
    assert "99 % of them at most" in said
    assert 0.8 * len(came) <= int(row["Request Count"]) <= len(came)  # the last ones may be under way
    assert row["Failure Count"] == "0"
    assert gateway.plane.lines[KEY].ok >= int(row["Request Count"])


async def test_a_service_that_does_not_answer_is_asked_no_less(gateway: Gateway, tmp_path: Path) -> None:
    gateway.made.lease_changed("n2", lease())
    gateway.change()
    status, said, row = await locust(gateway, tmp_path)
    assert status == 0, said
    # Every request takes a second to fail: a user who waited for answers would send one in a second.
    assert max(sum(began <= came < began + 0.9 for came in gateway.came) for began in gateway.came) > RATE / 3
    assert row["Failure Count"] == row["Request Count"] != "0"
    assert "code=504" in said


@pytest.mark.parametrize("served", [False, True], ids=["nothing served", "no gateway"])
async def test_without_a_target_it_says_so_and_fails(gateway: Gateway, tmp_path: Path, served: bool) -> None:
    if served:
        gateway.url = "http://127.0.0.1:9"
    else:
        gateway.made.dag_changed(KEY, dag(generation=2, microservices=[]))
        gateway.change()
    status, said, _ = await locust(gateway, tmp_path)
    assert status == 1
    assert ("is no gateway that answers" if served else "serves nothing (/city/overlay: ") in said


async def test_a_service_that_is_not_there_is_named(gateway: Gateway, tmp_path: Path) -> None:
    status, said, _ = await locust(gateway, tmp_path, "--dags", "city/overlay, city/nowhere")
    assert status == 1
    assert "does not serve /city/nowhere: no such ServiceDAG; it knows /city/overlay" in said


async def test_a_picture_of_the_workload_is_drawn(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "workload.png"
    command = [sys.executable, "-m", "edgewright.cli.main", "load", "plot", str(file), "--url", gateway.url]
    command += ["--workload", "day", "--rate", "20"]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    assert file.read_bytes().startswith(b"\x89PNG")
    refused = await asyncio.to_thread(
        subprocess.run,
        [*command[:5], str(tmp_path / "workload.doc"), *command[6:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "cannot be written" in refused.stderr
