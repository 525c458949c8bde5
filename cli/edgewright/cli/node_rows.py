"""What is taken of each node of a region, as its agent counts it, and the table of it."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgewright.cli.columns import Table, bar

if TYPE_CHECKING:
    from edgewright.agents.region import Region
    from edgewright.kube.api import Api

Row = dict[str, Any]
RESOURCES = ("cpu", "memory", "gpu", "npu", "radioMbps")
"""In core's order."""


async def node_rows(api: "Api", namespace: str | None) -> list[Row]:
    """Every node of the namespace's region, or of all regions, the fullest first."""
    from edgewright.cli import picture

    known = await picture.controllers(api)
    chosen = known if namespace is None else [picture.governor(known, namespace)]
    now = time.monotonic()
    regions = await picture.regions(api, chosen, now)
    rows = [row for region in regions for row in _region_rows(region, now)]
    return sorted(rows, key=lambda row: (row["region"], -row["used"], row["node"]))


def _region_rows(region: "Region", now: float) -> list[Row]:
    from edgewright.agents.questions import world_of
    from edgewright.core.service import PODS, RADIO
    from edgewright.core.units import MBPS
    from edgewright.kube.names import LABEL_DAG

    world = world_of(region, now)
    if world is None:
        return []
    rows = []
    for node, used in zip(world.substrate.nodes, world.used, strict=True):
        ours = sum(LABEL_DAG in pod.metadata.labels for pod in region.pods_on(node.name))
        scale = [MBPS if r == RADIO else 1.0 for r in range(len(RESOURCES))]
        taken = [float(used[r]) / scale[r] for r in range(len(RESOURCES))]
        has = [node.capacity[r] / scale[r] for r in range(len(RESOURCES))]
        rows.append(
            {
                "region": region.key[0],
                "node": node.name,
                "tier": node.tier,
                "fraction": region.terrain.grant.fraction(node.labels),
                "requested": dict(zip(RESOURCES, taken, strict=True)),
                "allocatable": dict(zip(RESOURCES, has, strict=True)),
                "used": round(max((t / h for t, h in zip(taken, has, strict=True) if h), default=0.0), 4),
                "replicas": ours,
                "otherPods": round(float(used[PODS]) - ours, 3),
                "schedulable": node.schedulable,
            }
        )
    return rows


def node_table(rows: Sequence[Row]) -> Table:
    """The rows for people: `requested/allocatable`, with a bar of each on a terminal."""
    several = len({row["region"] for row in rows}) > 1
    header = (
        "REGION",
        "NODE",
        "TIER",
        "CPU",
        "MEMORY GiB",
        "GPU",
        "NPU",
        "RADIO Mbps",
        "OURS",
        "OTHERS",
        "STATE",
    )
    cells = [
        (
            row["region"],
            row["node"],
            row["tier"] + ("" if row["fraction"] == 1 else f" {100 * row['fraction']:g} %"),
            *(_share(row, name) for name in RESOURCES),
            str(row["replicas"]),
            f"{row['otherPods']:g}",
            "ok" if row["schedulable"] else "closed",
        )
        for row in rows
    ]
    empty = [3 + i for i, name in enumerate(RESOURCES) if not any(row["allocatable"][name] for row in rows)]
    kept = [i for i in range(len(header)) if i not in empty and (i or several)]
    return Table(
        [header[i] for i in kept],
        [[row[i] for i in kept] for row in cells],
        right=[kept.index(i) for i in range(3, 10) if i in kept],
        wrong=("closed",),
        spare=("NPU", "GPU", "TIER", "REGION"),
    )


def _share(row: Row, name: str) -> str:
    has, taken = row["allocatable"][name], row["requested"][name]
    if not has and not taken:
        return "-"
    unit = 2**30 if name == "memory" else 1
    text = f"{_short(taken / unit)}/{_short(has / unit)}"
    if name in {"cpu", "memory"} and (drawing := bar(taken / has if has else 1.0, 5)):
        return f"{drawing} {text}"
    return text


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
