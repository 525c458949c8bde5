"""Apply to all bound: 50 DAGs of 10 microservices x 2 replicas, Edgewright against kube-scheduler.

python -m bench.placement [--scenario grid-200] [--repetitions 5]
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from bench import baseline, bindings, workload
from bench.command import part
from bench.rig import Rig, rig
from bench.sightings import Sightings, watching
from bench.table import Findings, Row, verdict
from bench.usage import Meter, load
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube import names, paths
from edgewright.kube.api import Api


class System(StrEnum):
    """Who binds the pods."""

    KUBE_SCHEDULER = "kube-scheduler"
    EDGEWRIGHT = "edgewright"


SCENARIOS = ("grid-200", "grid-1000")
DAGS = 50
MILLI_CPU = 250
SECONDS = 300.0
"""How long all pods may take to be bound before the benchmark gives up."""
SETTLE = 5.0
"""Seconds after the last binding for which CPU time is still counted."""
FACTOR, SLACK = 1.2, 0.7
"""The limit is the greater of 1.2 times kube-scheduler's median and 0.7 s more than it."""


@dataclass(frozen=True)
class Repetition:
    """One placement of all DAGs; seconds."""

    total: float
    """From the first apply to the last binding."""
    after_last_pod: float
    """From the moment the last pod existed to the last binding."""
    cpu: Mapping[str, float]
    violations: int
    together: int
    """Pods that share a node with another replica of their microservice."""
    load: float
    """Of the machine before it began."""


async def place(rig_: Rig, api: Api, system: System, dags: Sequence[Mapping[str, Any]]) -> Repetition:
    """Apply the DAGs, wait until every pod is bound, check every binding."""
    before, meter = load(), Meter.start(rig_.pids())
    async with watching(api) as seen:
        began = time.monotonic()
        applied = await baseline.apply(api, dags)
        if system is System.KUBE_SCHEDULER:
            await baseline.create(api, applied)
        count = len(dags) * workload.PODS_PER_DAG
        await seen.until(f"{system} binds {count} pods", lambda: seen.bound >= count, SECONDS)
        await asyncio.sleep(SETTLE)
        pods = seen.living
        last_bound = max(pod.bound or 0.0 for pod in pods)
        last_seen = max(pod.created for pod in pods)
    nodes, bound = await asyncio.gather(api.items(paths.nodes()), api.items(paths.pods()))
    ours = [pod for pod in bound if pod["metadata"].get("labels", {}).get(names.LABEL_DAG)]
    return Repetition(
        total=last_bound - began,
        after_last_pod=last_bound - last_seen,
        cpu=meter.read(),
        violations=len(bindings.violations(nodes, bound)),
        together=bindings.together(ours, (names.LABEL_DAG, names.LABEL_MICROSERVICE)),
        load=before,
    )


async def clear(api: Api) -> None:
    """Delete every ServiceDAG and wait until the garbage collector has removed all their pods."""
    existing = await api.items(paths.service_dags())
    async with watching(api) as seen:
        await asyncio.gather(
            *(
                api.delete(
                    paths.service_dags(dag["metadata"]["namespace"], dag["metadata"]["name"]), missing_ok=True
                )
                for dag in existing
            )
        )
        await seen.until("pods of deleted ServiceDAGs go", lambda: _all_gone(seen), SECONDS)


def _all_gone(seen: Sightings) -> bool:
    return all(pod.gone is not None for pod in seen.pods.values())


async def compare(
    rig_: Rig, systems: Sequence[System], repetitions: int, report: Report
) -> dict[System, list[Repetition]]:
    """The systems in turn, as often as asked; each begins warm, with one DAG per region placed and gone."""
    found: dict[System, list[Repetition]] = {system: [] for system in systems}
    dags = workload.service_dags(rig_.city, DAGS, milli_cpu=MILLI_CPU, seed=1)
    warm = workload.service_dags(
        rig_.city, len(rig_.city.regions), milli_cpu=MILLI_CPU, seed=2, prefix="warm"
    )
    async with await rig_.connect() as api:
        for number in range(repetitions):
            for system in systems:
                report(f"{len(rig_.city.nodes)} nodes, repetition {number + 1} of {repetitions}: {system}")
                if system is System.EDGEWRIGHT:
                    await rig_.start_edgewright(api)
                await place(rig_, api, system, warm)
                await clear(api)
                found[system].append(await place(rig_, api, system, dags))
                await clear(api)
                if system is System.EDGEWRIGHT:
                    await rig_.stop_edgewright()
    return found


def record(found: Findings, nodes: int, runs: Mapping[System, Sequence[Repetition]]) -> None:
    """Turn repetitions into samples and rows."""
    for system, repetitions in runs.items():
        for number, one in enumerate(repetitions):
            cpu = {f"cpu {name}": f"{seconds:.2f}" for name, seconds in one.cpu.items()}
            found.sample(
                "placement",
                nodes=nodes,
                system=system,
                repetition=number + 1,
                all_bound_s=f"{one.total:.3f}",
                after_last_pod_s=f"{one.after_last_pod:.3f}",
                violations=one.violations,
                replicas_together=one.together,
                load_before=f"{one.load:.2f}",
                **cpu,
            )
    case = f"{nodes} nodes, {DAGS} DAGs, {DAGS * workload.PODS_PER_DAG} pods"
    limit = 0.0
    for system, repetitions in runs.items():
        totals = [one.total for one in repetitions]
        median = statistics.median(totals)
        target = f"<= {limit:.1f} s" if limit else ""
        measured = f"{median:.1f} s (worst {max(totals):.1f} s)"
        found.rows.append(
            Row(
                "placement",
                case,
                f"{system}: apply to all bound",
                target,
                measured,
                verdict(median <= limit) if limit else "",
            )
        )
        limit = limit or max(FACTOR * median, median + SLACK)
        after = [one.after_last_pod for one in repetitions]
        found.rows.append(
            Row(
                "placement",
                case,
                f"{system}: last pod seen to all bound",
                "",
                f"{statistics.median(after):.2f} s (worst {max(after):.2f} s)",
            )
        )
        spent = {
            name: statistics.median(one.cpu.get(name, 0.0) for one in repetitions)
            for name in dict.fromkeys(name for one in repetitions for name in one.cpu)
        }
        found.rows.append(
            Row(
                "placement",
                case,
                f"{system}: CPU seconds",
                "",
                ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items()),
            )
        )
        broken = sum(one.violations for one in repetitions)
        found.rows.append(
            Row(
                "placement",
                case,
                f"{system}: bindings that break a rule",
                "0",
                str(broken),
                verdict(broken == 0),
            )
        )


def measure(
    *,
    scenarios: Sequence[str] = SCENARIOS,
    systems: Sequence[System] = tuple(System),
    repetitions: int = 5,
    report: Report = silent,
) -> Findings:
    """All of part (a), with production heartbeats."""
    found = Findings()
    for name in scenarios:
        with rig("placement", name, "production", report=report) as stand:
            runs = asyncio.run(compare(stand, systems, repetitions, report))
        record(found, len(stand.city.nodes), runs)
    return found


def main(
    scenario: Annotated[list[str] | None, typer.Option(help="Scenario; may be given again.")] = None,
    system: Annotated[list[System] | None, typer.Option(help="System; may be given again.")] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="Repetitions of each system, in turn.")] = 5,
) -> None:
    """Measure apply to all bound, Edgewright against kube-scheduler."""
    part(
        "placement",
        lambda report: measure(
            scenarios=scenario or SCENARIOS,
            systems=system or tuple(System),
            repetitions=repetitions,
            report=report,
        ),
    )


if __name__ == "__main__":
    typer.run(main)
