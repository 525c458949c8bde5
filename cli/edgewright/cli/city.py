"""`edgewright city`: the cities of scenario files, as a table and as a map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

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
FILMS = (".gif", ".mp4", ".html")


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
def play(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, or path of a scenario file.")
    ] = "metro",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Film to write: .gif, .mp4 (with ffmpeg), or .html.")
    ] = Path("city.gif"),
    policy: Annotated[
        str, typer.Option(help="Who decides: see docs/how-to/choose-a-policy.md.")
    ] = "heuristic",
    periods: Annotated[int, typer.Option(min=1, max=8640, help="Periods of 10 s.")] = 60,
    fail: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the edge nodes that fail after a third of it.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plays the same episode.")] = 0,
) -> None:
    """Play an episode in the fluid simulator and draw it: load, placements, failures, latencies.

    Exit status 1 for a scenario that is wrong, a policy that there is not, and a file that cannot be written.
    """
    from shutil import which

    if output.suffix not in FILMS:
        _refuse(f"{output}: a film is written as {', '.join(FILMS)}")
    if output.suffix == ".mp4" and which("ffmpeg") is None:
        _refuse(f"{output}: ffmpeg is not installed; write a .gif or .html")
    _needs("plotly" if output.suffix == ".html" else "matplotlib")
    from edgewright.agents import policies
    from edgewright.emulation import city, film
    from edgewright.emulation import scenario as scenarios
    from edgewright.emulation.demand import episode as episodes
    from edgewright.emulation.demand.settings import Failures
    from edgewright.emulation.playing import play as played

    try:
        decides = policies.create(policy)
        typer.echo("surveying the city and drawing its DAGs (seconds to a minute)")
        world = episodes.prepare(city.build(scenarios.load(scenario)), seed=seed)
    except (scenarios.ScenarioError, KeyError) as error:
        _refuse(str(error.args[0]))
    lost = Failures(share=fail, period=periods // 3, repair=max(1, periods // 3))
    episode = episodes.episode(world, seed=seed, periods=periods, failures=lost)
    typer.echo(f"playing {periods} periods with {policy}")
    frames = played(world, episode, decides, seed=seed)
    try:
        if output.suffix == ".html":
            film.page(world.city, frames, str(output), period=episode.period)
        else:
            film.film(world.city, frames, str(output), per_second=4, period=episode.period)
    except OSError as error:
        _refuse(f"{output} cannot be written: {error}")
    typer.echo(f"written to {output}")


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
    _needs("plotly" if output.suffix == ".html" else "matplotlib")
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


def _needs(library: str) -> None:
    from importlib.util import find_spec

    if find_spec(library) is None or find_spec("matplotlib") is None:
        _refuse(f"{library} is not installed: pip install 'edgewright[experiments]'")


def _refuse(why: str) -> NoReturn:
    typer.echo(f"error: {why}", err=True)
    raise typer.Exit(1)
