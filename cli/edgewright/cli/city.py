"""`edgewright city`: the cities of scenario files, as a table and as a map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgewright.emulation.city import City
    from edgewright.emulation.demand.coverage import Coverage
    from edgewright.emulation.demand.groups import Groups
    from edgewright.emulation.demand.templates import Pool

app = typer.Typer(
    no_args_is_help=True,
    help="""The emulated cities that simulators and testbeds run. Pictures need the extra `experiments`
    (pip install 'edgewright[experiments]'). For example:

        edgewright city show metro -o metro.png""",
)
PICTURES = (".png", ".svg", ".pdf", ".html")


@app.command("list")
def list_() -> None:
    """List the scenarios that come with Edgewright."""
    from rich.console import Console
    from rich.table import Table

    from edgewright.emulation import scenario

    table = Table(box=None, pad_edge=False)
    for title in ("scenario", "nodes", "regions", "what"):
        table.add_column(title)
    for name in scenario.known():
        found = scenario.load(name)
        table.add_row(name, str(found.nodes), str(found.regions), found.description)
    Console().print(table)


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or path of a scenario file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Map to write: .png, .svg, .pdf or .html.")
    ] = None,
) -> None:
    """Describe the city of a scenario region by region, and draw its map.

    Exit status 1 for a scenario that is wrong or impossible, and for a file that cannot be written.
    """
    from edgewright.emulation import city
    from edgewright.emulation import scenario as scenarios
    from edgewright.emulation.demand import coverage, groups

    if output is not None and output.suffix not in PICTURES:
        _refuse(f"{output}: a map is written as {', '.join(PICTURES)}")
    try:
        built = city.build(scenarios.load(scenario))
        radio = coverage.survey(built)
        users = groups.survey(built, radio)
        _describe(built, radio, users)
    except scenarios.ScenarioError as error:
        _refuse(str(error))
    if output is not None:
        _draw(built, users, output)


@app.command()
def demand(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or path of a scenario file.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same DAGs.")] = 0,
) -> None:
    """Draw the pool of DAGs of a scenario's workload, and say what they ask for and how many were rejected.

    Takes seconds to a minute: each is placed on the idle city before it is accepted. Exit status 1 for a
    workload that the city cannot serve.
    """
    from edgewright.emulation import city
    from edgewright.emulation import scenario as scenarios
    from edgewright.emulation.demand import coverage, groups, templates, workload

    try:
        built = city.build(scenarios.load(scenario))
        mix = workload.load(built.scenario.demand.workload)
        users = groups.survey(built, coverage.survey(built))
        pool = templates.make_pool(built, users, mix, seed=seed)
    except scenarios.ScenarioError as error:
        _refuse(str(error))
    _tell(pool, [each.name for each in mix.classes])


def _tell(pool: "Pool", classes: list[str]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from edgewright.core.arrays import compile_visits
    from edgewright.core.units import CORE_SPEED, MS

    console, table = Console(), Table(box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    resources = ("reserved", "used", "M instr")
    for title in ("DAGs", "stages", "req/s", *resources, "limit", "p95/limit"):
        table.add_column(title, justify="right")
    for name in classes:
        rows = [row for row, kind in enumerate(pool.kind) if kind == name]
        dags = [pool.dags[row] for row in rows]
        work = [float(compile_visits(dag) @ [m.work for m in dag.microservices]) for dag in dags]
        columns = (
            [len(dag.microservices) for dag in dags],
            [dag.demand.rate for dag in dags],
            [sum(m.request[0] for m in dag.microservices) for dag in dags],
            [each * dag.demand.rate / CORE_SPEED for each, dag in zip(work, dags, strict=True)],
            [each / 1e6 for each in work],
            [(dag.qos.max_latency or np.inf) / MS for dag in dags],
            pool.idle[rows],
        )
        table.add_row(name, str(len(rows)), *(f"{np.mean(column):.3g}" for column in columns if len(rows)))
    console.print(table)
    console.print(
        "Means over the class. Requests: of the busiest hour. Reserved, used: CPU. Limit: ms. p95/limit: of "
        "the best placement found on the idle city.",
        style="dim",
        highlight=False,
    )
    for why, count in pool.rejected.items():
        console.print(f"rejected: {count} x {why}", highlight=False)


def _draw(built: "City", users: "Groups", output: Path) -> None:
    from importlib.util import find_spec

    needed = "plotly" if output.suffix == ".html" else "matplotlib"
    if find_spec(needed) is None or find_spec("matplotlib") is None:
        _refuse(f"{needed} is not installed: pip install 'edgewright[experiments]'")
    from edgewright.emulation import picture

    try:
        if output.suffix == ".html":
            picture.write_page(built, users.venue, str(output))
        else:
            picture.draw(built, users.venue, str(output))
    except OSError as error:
        _refuse(f"{output} cannot be written: {error}")
    typer.echo(f"written to {output}")


def _describe(built: "City", radio: "Coverage", users: "Groups") -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

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
    console.print(
        "CPU: what DAGs may take. Requests: of the busiest hour. DAGs: active at a time. Mbps: median user, "
        "alone in its cell.",
        style="dim",
        highlight=False,
    )


def _refuse(why: str) -> None:
    typer.echo(f"error: {why}", err=True)
    raise typer.Exit(1)
