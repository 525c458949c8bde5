"""Recovery from the cut of 1, 5 and 25 % of 200 nodes with 1,000 pods, and what was evicted without need.

python -m bench.recovery [--system edgewright] [--heartbeat edge] [--percent 5]
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from bench import baseline, trials, workload
from bench.command import part
from bench.cut import Recovery, choose, cut_and_recover, heal
from bench.rig import Rig, rig
from bench.sightings import Sightings, watching
from bench.table import Findings, Row, verdict
from bench.trials import Trial
from bench.usage import load
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube.api import Api, ApiError

SCENARIO, DAGS, SHARE = "grid-200", 50, 0.6
PERCENTS = (1.0, 5.0, 25.0)
PLACED_SECONDS = 600.0


class System(StrEnum):
    """Who recovers."""

    EDGEWRIGHT = "edgewright"
    TUNED = "tuned"
    DEFAULT = "default"


class Beat(StrEnum):
    """How often nodes renew."""

    EDGE = "edge"
    PRODUCTION = "production"


TITLES = {
    System.EDGEWRIGHT: "Edgewright (onNodeLoss: fast)",
    System.TUNED: "tuned Kubernetes",
    System.DEFAULT: "default Kubernetes",
}
LIMIT: Mapping[Beat, float] = {Beat.EDGE: 10.0, Beat.PRODUCTION: 25.0}
"""Seconds until all replicas of 25 % of the nodes are bound elsewhere."""
SETTLE: Mapping[Beat, float] = {Beat.EDGE: 8.0, Beat.PRODUCTION: 35.0}
"""Seconds after a healing until the next cut, so that every node has a rhythm again."""
PATIENCE: Mapping[System, float] = {System.EDGEWRIGHT: 120.0, System.TUNED: 240.0, System.DEFAULT: 900.0}
EVICTION_RATE = 100
"""Nodes per second that tuned Kubernetes may evict, for each zone (default: 0.1)."""
TUNED_ARGS = tuple(
    f"kube-controller-manager={flag}={EVICTION_RATE}"
    for flag in ("node-eviction-rate", "secondary-node-eviction-rate")
)
PLAN: tuple[tuple[System, Beat, tuple[float, ...]], ...] = (
    (System.EDGEWRIGHT, Beat.EDGE, PERCENTS),
    (System.TUNED, Beat.EDGE, PERCENTS),
    (System.EDGEWRIGHT, Beat.PRODUCTION, PERCENTS),
    (System.TUNED, Beat.PRODUCTION, PERCENTS),
    (System.DEFAULT, Beat.PRODUCTION, (5.0,)),
)


async def fill(stand: Rig, api: Api, seen: Sightings, system: System) -> None:
    """Place 1,000 pods that ask for 60 % of the edge nodes' CPU."""
    count = DAGS * workload.PODS_PER_DAG
    milli = workload.milli_cpu_for(stand.city, count, SHARE)
    dags = workload.service_dags(stand.city, DAGS, milli_cpu=milli, seed=3)
    applied = await baseline.apply(api, dags)
    if system is not System.EDGEWRIGHT:
        tolerations = baseline.TUNED if system is System.TUNED else ()
        await baseline.create(api, applied, tolerations)
    await seen.until(f"{count} pods are bound", lambda: seen.bound >= count, PLACED_SECONDS)


async def recover(
    stand: Rig, found: Findings, system: System, beat: Beat, percents: Sequence[float], report: Report
) -> None:
    """Fill the testbed, cut and heal for each share; with Edgewright the trials follow."""
    async with await stand.connect() as api, watching(api) as seen:
        if system is System.EDGEWRIGHT:
            await stand.start_edgewright(api)
        report(f"{TITLES[system]}, {beat} heartbeats: placing {DAGS * workload.PODS_PER_DAG} pods")
        await fill(stand, api, seen, system)
        await asyncio.sleep(SETTLE[beat])
        for percent in percents:
            report(f"{TITLES[system]}, {beat} heartbeats: cut of {percent:g} % of the nodes")
            before = load()
            targets = choose(stand, seen, round(len(stand.city.nodes) * percent / 100), seed=int(percent))
            recovery = await cut_and_recover(api, seen, targets, PATIENCE[system])
            record(found, system, beat, percent, recovery, before)
            if percent != percents[-1] or system is System.EDGEWRIGHT:
                report(f"{TITLES[system]}, {beat} heartbeats: healing")
                await heal(api, seen, targets, SETTLE[beat])
        if system is System.EDGEWRIGHT:
            async for trial in trials.run(stand, api, seen, beat.value, report):
                record_trial(found, beat, trial)


def record(
    found: Findings, system: System, beat: Beat, percent: float, recovery: Recovery, before: float
) -> None:
    """One cut as a sample and rows."""
    found.sample(
        "recovery",
        system=system,
        heartbeat=beat,
        percent=f"{percent:g}",
        nodes=recovery.nodes,
        pods=recovery.pods,
        first_detected_s=f"{recovery.first_detected:.2f}",
        detected_s=f"{recovery.detected:.2f}",
        replaced_s=f"{recovery.replaced:.2f}",
        bound_s=f"{recovery.bound:.2f}",
        false_evictions=recovery.false_evictions,
        load_before=f"{before:.2f}",
    )
    limited = system is System.EDGEWRIGHT and percent == PERCENTS[-1]
    found.rows.append(
        Row(
            "recovery",
            f"{percent:g} % of 200 nodes cut ({recovery.pods} pods), {beat} heartbeats",
            f"{TITLES[system]}: all bound again (detected / replaced)",
            f"< {LIMIT[beat]:.0f} s" if limited else "",
            f"{recovery.bound:.1f} s ({recovery.detected:.1f} s / {recovery.replaced:.1f} s)",
            verdict(recovery.bound < LIMIT[beat]) if limited else "",
        )
    )
    if recovery.false_evictions or system is System.EDGEWRIGHT:
        found.rows.append(
            Row(
                "recovery",
                f"{percent:g} % of 200 nodes cut, {beat} heartbeats",
                f"{TITLES[system]}: evictions on other nodes",
                "0" if system is System.EDGEWRIGHT else "",
                str(recovery.false_evictions),
                verdict(recovery.false_evictions == 0) if system is System.EDGEWRIGHT else "",
            )
        )


def record_trial(found: Findings, beat: Beat, trial: Trial) -> None:
    """One trial as a sample and a row."""
    control = "" if trial.control is None else f"{trial.control:.1f}"
    found.sample(
        "false_evictions",
        heartbeat=beat,
        trial=trial.name,
        did=trial.did,
        false_evictions=trial.false_evictions,
        evictions_from_late_nodes=trial.others,
        control_s=control,
    )
    proof = f"; nodes really silent: evicted after {control} s" if control else ""
    if trial.others:
        proof += f"; {trial.others} pods from nodes whose renewals really were over two intervals late"
    found.rows.append(
        Row(
            "false evictions",
            f"{trial.name}, {beat} heartbeats",
            f"evictions ({trial.did}{proof})",
            "0",
            str(trial.false_evictions),
            verdict(trial.false_evictions == 0),
        )
    )


def measure(
    *,
    systems: Sequence[System] = tuple(System),
    beats: Sequence[Beat] = tuple(Beat),
    percents: Sequence[float] = PERCENTS,
    report: Report = silent,
) -> Findings:
    """All of part (b)."""
    found = Findings()
    for system, beat, planned in PLAN:
        chosen = [percent for percent in planned if percent in percents]
        if system not in systems or beat not in beats or not chosen:
            continue
        arguments = TUNED_ARGS if system is System.TUNED else ()
        with rig("recovery", SCENARIO, beat.value, extra_args=arguments, report=report) as stand:
            try:
                asyncio.run(recover(stand, found, system, beat, chosen, report))
            except (ApiError, TimeoutError) as error:
                # What was measured before it is kept, and the other systems still have their turn.
                case = f"{TITLES[system]}, {beat} heartbeats"
                found.rows.append(Row("recovery", case, "did not end", "", str(error), "missed"))
    return found


def main(
    system: Annotated[list[System] | None, typer.Option(help="System; may be given again.")] = None,
    heartbeat: Annotated[list[Beat] | None, typer.Option(help="Heartbeats; may be given again.")] = None,
    percent: Annotated[list[float] | None, typer.Option(help="Share cut: 1, 5 or 25.")] = None,
) -> None:
    """Measure recovery from cut nodes, against default and tuned Kubernetes, and false evictions."""
    part(
        "recovery",
        lambda report: measure(
            systems=system or tuple(System),
            beats=heartbeat or tuple(Beat),
            percents=percent or PERCENTS,
            report=report,
        ),
    )


if __name__ == "__main__":
    typer.run(main)
