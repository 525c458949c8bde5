"""The three trials in which no replica may be evicted: an API outage, late renewals, skewed clocks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from bench.cut import RETURN_SECONDS, choose, evicted
from bench.leases import Driver, Record, Rhythm, give_back
from bench.rig import Rig
from bench.sightings import Sightings
from edgewright.emulation.testbed import nodes
from edgewright.emulation.testbed.control_plane import APISERVER, Heartbeat
from edgewright.emulation.testbed.report import Report
from edgewright.kube.api import Api

OUTAGE = 30.0
DRIVEN = 60
"""Nodes whose Leases the benchmark renews; fewer than the 55 % of a region that suspend all evictions."""
INTERVAL: Mapping[Heartbeat, float] = {"edge": 1.0, "production": 10.0}
ROUNDS = 40
"""Intervals for which late or skewed renewals go on with edge heartbeats, a quarter of it with production."""
CONTROLS = 2
"""Nodes that fall silent at the end of a trial: their pods must be evicted, or the trial proves nothing."""
SKEW = 60.0


@dataclass(frozen=True)
class Trial:
    """What a trial did and what it cost."""

    name: str
    false_evictions: int
    """Pods evicted from nodes that kept their rhythm."""
    others: int
    """Pods evicted from nodes that, on a busy machine, really were later than two intervals."""
    did: str
    control: float | None
    """Seconds until all pods of the nodes that really fell silent were evicted."""


async def run(
    rig: Rig, api: Api, seen: Sightings, heartbeat: Heartbeat, report: Report
) -> AsyncIterator[Trial]:
    """All three, one after the other, on a testbed where operator and agents keep DAGs placed."""
    interval = INTERVAL[heartbeat]
    report(f"trial: API server away for {OUTAGE:.0f} s ({heartbeat} heartbeats)")
    yield await outage(rig, api, seen, interval)
    rounds = ROUNDS if heartbeat == "edge" else ROUNDS // 4
    late = Rhythm(interval, delayed=0.2)
    report(f"trial: 20 % of renewals come after 1.8 intervals ({heartbeat} heartbeats)")
    yield await driven(rig, api, seen, "20 % of renewals at 1.8 intervals", lambda i: late, rounds)
    report(f"trial: clocks 60 s ahead and behind ({heartbeat} heartbeats)")
    clocks = (Rhythm(interval, skew=SKEW), Rhythm(interval, skew=-SKEW))
    yield await driven(rig, api, seen, "clocks +-60 s off", lambda i: clocks[i % 2], rounds)


async def outage(rig: Rig, api: Api, seen: Sightings, interval: float) -> Trial:
    """Stop the API server for 30 s, then watch until everybody has had the time to judge.

    A process that gave up its Lease and ended is started again, as a supervisor would.
    """
    began = time.monotonic()
    bed = rig.bed
    await asyncio.to_thread(bed.stop_component, APISERVER)
    await asyncio.sleep(OUTAGE)
    await asyncio.to_thread(bed.start_component, APISERVER)
    ended = await rig.revive(api)
    await asyncio.sleep(max(20.0, 4 * interval))
    left = f"; {' and '.join(ended)} gave up their Leases and ended" if ended else ""
    return Trial(
        "API server away for 30 s", evicted(seen, began), 0, f"{len(seen.living)} pods watched{left}", None
    )


async def driven(
    rig: Rig, api: Api, seen: Sightings, name: str, rhythm: Callable[[int], Rhythm], rounds: int
) -> Trial:
    """Renew the Leases of some nodes by `rhythm`, then let two of them fall silent as a control."""
    chosen = choose(rig, seen, DRIVEN, seed=7)
    rhythms = {node: rhythm(i) for i, node in enumerate(chosen)}
    interval = rhythms[chosen[0]].interval
    driver, record = Driver(api, rhythms), Record(api)
    began = time.monotonic()
    await driver.start()
    try:
        async with record.keeping():
            await asyncio.sleep(rounds * interval)
            # A renewal that is late now must be written before its gap can be judged.
            now = time.monotonic()
            await asyncio.sleep(2 * interval)
        gone = [pod for pod in seen.pods.values() if pod.deleted is not None and began < pod.deleted < now]
        late = sum(record.really_late(pod.node, interval) for pod in gone)
        count, stretched, silent = driver.renewals, driver.late, chosen[:CONTROLS]
        hushed = time.monotonic()
        await driver.stop(silent)
        lost = [pod for pod in seen.living if pod.node in silent]
        await seen.until(
            "pods of silent nodes are evicted", lambda: all(p.deleted for p in lost), 20 + 6 * interval
        )
        control = max((pod.deleted or 0.0) for pod in lost) - hushed
        await driver.stop()
    finally:
        await give_back(api, chosen)
    await nodes.wait_ready(api, chosen, RETURN_SECONDS)
    pods = sum(pod.node in rhythms for pod in seen.living)
    did = f"{len(chosen)} nodes with {pods} pods, {count} renewals"
    did += f", {stretched} of them late" if stretched else ""
    return Trial(name, len(gone) - late, late, did, control)
