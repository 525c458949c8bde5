"""Memory and CPU of operator and agents at 1,000 nodes and 5,000 pods, and their load when nothing changes.

python -m bench.footprint [--dags 200] [--foreign 1000]
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from bench import baseline, workload
from bench.command import part
from bench.rig import OURS, Rig, rig
from bench.sightings import watching
from bench.table import Findings, Row, verdict
from bench.usage import Memory, Meter, cpu_seconds, load, memory
from edgewright.emulation.testbed.report import Report, silent
from edgewright.kube import names, paths
from edgewright.kube.api import Api

SCENARIO, DAGS, FOREIGN = "grid-1000", 200, 1000
MILLI_CPU = 250
NAMESPACE = "somebody-else"
MEMORY_LIMIT, IDLE_LIMIT = 300.0, 5.0
"""MB of each process; percent of one core."""
PLACED_SECONDS, QUIET, IDLE = 420.0, 30.0, 60.0


@dataclass(frozen=True)
class Footprint:
    """What operator and agents cost; by process name."""

    placed: float
    """Seconds from the first apply to the last binding."""
    before: Mapping[str, Memory]
    """With all nodes, before the first pod."""
    full: Mapping[str, Memory]
    cpu: Mapping[str, float]
    """CPU seconds since the process began, until it was quiet again."""
    idle: Mapping[str, float]
    """Percent of one core over IDLE seconds without any change; the control plane for comparison."""
    load: float


async def weigh(stand: Rig, dags: int, foreign: int, report: Report) -> Footprint:
    """Fill the testbed and look at the processes."""
    before_load = load()
    async with await stand.connect() as api:
        report(f"creating {foreign} pods of a namespace that Edgewright does not govern")
        await _strangers(stand, api, foreign)
        await stand.start_edgewright(api)
        await asyncio.sleep(QUIET)
        pids = stand.pids()
        before = {name: memory(pids[name]) for name in OURS}
        async with watching(api) as seen:
            count = dags * workload.PODS_PER_DAG
            report(f"placing {count} pods of {dags} DAGs on {len(stand.city.nodes)} nodes")
            began = time.monotonic()
            await baseline.apply(
                api, workload.service_dags(stand.city, dags, milli_cpu=MILLI_CPU, seed=4, prefix="many")
            )
            await seen.until(f"{count} pods are bound", lambda: seen.bound >= count, PLACED_SECONDS)
            placed = max(pod.bound or 0.0 for pod in seen.living) - began
        report(f"waiting {QUIET:.0f} s, then measuring {IDLE:.0f} s without changes")
        await asyncio.sleep(QUIET)
        full = {name: memory(pids[name]) for name in OURS}
        cpu = {name: cpu_seconds(pids[name]) for name in OURS}
        meter = Meter.start(pids)
        await asyncio.sleep(IDLE)
        idle = {name: 100 * seconds / IDLE for name, seconds in meter.read().items()}
    return Footprint(placed, before, full, cpu, idle, before_load)


async def _strangers(stand: Rig, api: Api, count: int) -> None:
    """Pods that are bound already, spread over the edge nodes."""
    await api.create(
        paths.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    )
    edge = [node.name for node in stand.city.nodes if node.tier == "edge"]
    pods = (_stranger(f"stranger-{i:04d}", edge[i % len(edge)]) for i in range(count))
    await asyncio.gather(*(api.create(paths.pods(NAMESPACE), pod) for pod in pods))


def _stranger(name: str, node: str) -> dict[str, Any]:
    requests = {"cpu": "200m", "memory": "64Mi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "serviceAccountName": "default",
            "tolerations": [{"key": names.TAINT_EDGE, "operator": "Exists"}],
            "containers": [
                {"name": "main", "image": "ghcr.io/example/other:1.0", "resources": {"requests": requests}}
            ],
        },
    }


def record(found: Findings, nodes: int, dags: int, foreign: int, one: Footprint) -> None:
    """Samples and rows."""
    pods = dags * workload.PODS_PER_DAG
    case = f"{nodes} nodes, {pods} DAG pods + {foreign} others"
    for name in OURS:
        full, idle = one.full[name], one.idle[name]
        found.sample(
            "footprint",
            process=name,
            nodes=nodes,
            dag_pods=pods,
            other_pods=foreign,
            rss_before_mb=f"{one.before[name].now:.0f}",
            rss_mb=f"{full.now:.0f}",
            peak_mb=f"{full.peak:.0f}",
            cpu_s=f"{one.cpu[name]:.1f}",
            idle_percent=f"{idle:.2f}",
            placed_s=f"{one.placed:.1f}",
            load_before=f"{one.load:.2f}",
        )
        found.rows += [
            Row(
                "footprint",
                case,
                f"{name}: memory (peak)",
                f"< {MEMORY_LIMIT:.0f} MB",
                f"{full.now:.0f} MB (peak {full.peak:.0f} MB)",
                verdict(full.peak < MEMORY_LIMIT),
            ),
            Row(
                "footprint",
                case,
                f"{name}: CPU seconds until all was placed and quiet",
                "",
                f"{one.cpu[name]:.1f} s",
            ),
            Row(
                "footprint",
                case,
                f"{name}: load when nothing changes",
                f"< {IDLE_LIMIT:.0f} %",
                f"{idle:.1f} %",
                verdict(idle < IDLE_LIMIT),
            ),
        ]
    others = ", ".join(f"{name} {share:.0f} %" for name, share in one.idle.items() if name not in OURS)
    found.rows += [
        Row("footprint", case, "apply to all bound", "", f"{one.placed:.1f} s"),
        Row("footprint", case, "control plane's load when nothing changes", "", others),
    ]


def measure(*, dags: int = DAGS, foreign: int = FOREIGN, report: Report = silent) -> Findings:
    """All of part (d), with production heartbeats."""
    found = Findings()
    with rig("footprint", SCENARIO, "production", report=report) as stand:
        one = asyncio.run(weigh(stand, dags, foreign, report))
    record(found, len(stand.city.nodes), dags, foreign, one)
    return found


def main(
    dags: Annotated[int, typer.Option(min=1, help="DAGs of 20 pods.")] = DAGS,
    foreign: Annotated[int, typer.Option(min=0, help="Pods of another namespace.")] = FOREIGN,
) -> None:
    """Measure what operator and agents cost at 1,000 nodes."""
    part("footprint", lambda report: measure(dags=dags, foreign=foreign, report=report))


if __name__ == "__main__":
    typer.run(main)
