"""Tables of `edgewright city`: a city's regions, its pool of DAGs, and why requests are late."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgewright.emulation.city import City
    from edgewright.emulation.demand.coverage import Coverage
    from edgewright.emulation.demand.groups import Groups
    from edgewright.emulation.demand.templates import Pool
    from edgewright.emulation.playing import Frame


def pool(drawn: "Pool", classes: list[str]) -> None:
    """What a pool asks for, class by class, beside what was drawn, and what was rejected."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from edgewright.emulation.demand.figures import FIGURES, means

    console, table = Console(), Table(box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for title in ("DAGs", *FIGURES, "p95/limit"):
        table.add_column(title, justify="right")
    for name in classes:
        rows = [row for row, kind in enumerate(drawn.kind) if kind == name]
        if rows:
            told = [
                [f"{value:.3g}" for value in means([dags[row] for row in rows])]
                for dags in (drawn.dags, drawn.first)
            ]
            table.add_row(name, str(len(rows)), *told[0], f"{np.mean(drawn.idle[rows]):.2f}")
            table.add_row("  as drawn", "", *told[1], "", style="dim")
    console.print(table)
    console.print(
        "Means over the class; as drawn: of the first draw for each DAG, accepted or not. Requests: of the "
        "busiest hour. Reserved, used: CPU. M instr: of a request. Limit: ms. Gbps: of the users in their "
        "cell. p95/limit: of the best placement found on the idle region.",
        style="dim",
        highlight=False,
    )
    for why, count in drawn.rejected.items():
        console.print(f"rejected: {count} x {why}", highlight=False)


def causes(frames: "Sequence[Frame]") -> None:
    """Which share of each class's requests was not served in time, and why."""
    from rich.console import Console
    from rich.table import Table

    from edgewright.emulation.causes import CAUSES, FILLED, tally

    console, table = Console(), Table(box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for title in ("requests", "not in time", *CAUSES):
        table.add_column(title, justify="right")
    for kind, (share, late) in tally(frames).items():
        table.add_row(kind, f"{share:.0%}", *(f"{value:.1%}" for value in (late.sum(), *late)))
    console.print(table)
    console.print(
        f"Of all requests after the first {FILLED} periods. placement: late on an idle city, whatever the "
        "radio; radio: late at the users' own rate on an idle city; queues: what else is late or lost.",
        style="dim",
        highlight=False,
    )


def regions(built: "City", radio: "Coverage", users: "Groups") -> None:
    """A city, region by region, and its slices."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from edgewright.core.substrate import LABEL_SLICE

    console, given = Console(), built.scenario
    east, north = (value / 1000 for value in radio.extent)
    console.print(f"[bold]{given.name}[/]: {given.description}", highlight=False)
    delay = built.substrate.path_delay
    console.print(
        f"{len(built.nodes)} nodes, {len(built.links)} links, {east:.1f} x {north:.1f} km, seed {given.seed}",
        f"{1e3 * delay[delay > 0].mean():.1f} ms between two nodes, {1e3 * delay.max():.1f} at most",
        sep="; ",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("region", no_wrap=True, min_width=max(len(region.name) for region in built.regions))
    for title in ("sites", "edge CPU", "controller", "users", "req/s", "DAGs", "Mbps"):
        table.add_column(title, justify="right")
    node = built.substrate.index
    rate = radio.rate[radio.point(users.position[: len(built.users)]), 0]
    for row, region in enumerate(built.regions):
        inside = users.region[: len(built.users)] == row
        cpu = [built.nodes[node[name]].capacity[0] for name in region.nodes]
        asked = users.requests[row]
        table.add_row(
            region.name,
            str(len(cpu) - 1),
            f"{sum(cpu[1:]):.0f}",
            f"{cpu[0]:.0f}",
            str(int(inside.sum())),
            f"{asked:.0f}",
            f"{asked / given.demand.requests_per_dag:.1f}",
            f"{np.median(rate[inside]) / 1e6:,.0f}" if inside.any() else "-",
        )
    console.print(table)
    for each in given.slices:
        own = sum(n.labels.get(LABEL_SLICE) == each.name for n in built.nodes)
        console.print(f"slice {each.name}: {own} sites, {each.dags:.0%} of the DAGs", highlight=False)
    console.print(
        "CPU: what DAGs may take. Requests: of the busiest hour. DAGs: active at a time. Mbps: median user, "
        "alone in its cell.",
        style="dim",
        highlight=False,
    )
