"""`edgewright city`: the cities of scenario files, as a table and as a map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from edgewright.cli import city_tables

if TYPE_CHECKING:
    from edgewright.emulation.city import City
    from edgewright.emulation.demand.groups import Groups

app = typer.Typer(
    no_args_is_help=True,
    help="""The emulated cities that simulators and testbeds run. Pictures need the extra `experiments`
    (pip install 'edgewright[experiments]'). For example:

        edgewright city show metro -o metro.png""",
)
PICTURES = (".png", ".svg", ".pdf", ".html")
FILMS = (".gif", ".mp4", ".html")
LAST_SEED = 2**63 - 1


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
        city_tables.regions(built, radio, users)
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
        str, typer.Option(help="Who decides (docs/how-to/choose-a-policy.md), or your own as module:Class.")
    ] = "heuristic",
    periods: Annotated[int, typer.Option(min=1, max=8640, help="Periods of 10 s.")] = 60,
    fail: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the edge nodes that fail after a third of it.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, max=LAST_SEED, help="Draws DAGs and episode.")] = 0,
) -> None:
    """Play an episode in the fluid simulator, draw it, and say which share of the requests was late, and why.

    Agents let the policy place what is pending, and move replicas of what is late after its users.

    Exit status 1 for a scenario that is wrong, a policy that there is not, and a file that cannot be written.
    """
    from shutil import which

    if output.suffix not in FILMS:
        _refuse(f"{output}: a film is written as {', '.join(FILMS)}")
    if output.suffix == ".mp4" and which("ffmpeg") is None:
        _refuse(f"{output}: ffmpeg is not installed; write a .gif or .html")
    _needs("plotly" if output.suffix == ".html" else "matplotlib")
    from edgewright.agents import policies
    from edgewright.agents.policy import PolicyUnavailableError
    from edgewright.emulation import city, film
    from edgewright.emulation import scenario as scenarios
    from edgewright.emulation.demand import episode as episodes
    from edgewright.emulation.demand.settings import Failures
    from edgewright.emulation.playing import play as played

    try:
        decides = policies.load(policy)
        typer.echo("surveying the city and drawing its DAGs (seconds to a minute)")
        world = episodes.prepare(city.build(scenarios.load(scenario)), seed=seed)
    except (scenarios.ScenarioError, PolicyUnavailableError, KeyError, ValueError, TypeError) as error:
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
    city_tables.causes(frames)
    typer.echo(f"written to {output}")


@app.command()
def demand(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or path of a scenario file.")],
    seed: Annotated[int, typer.Option(min=0, max=LAST_SEED, help="Draws the DAGs.")] = 0,
) -> None:
    """Draw the pool of DAGs of a scenario's workload: asked for, drawn, rejected.

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
        drawn = templates.make_pool(built, users, mix, seed=seed)
    except scenarios.ScenarioError as error:
        _refuse(str(error))
    city_tables.pool(drawn, [each.name for each in mix.classes])


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


def _needs(library: str) -> None:
    from importlib.util import find_spec

    if find_spec(library) is None or find_spec("matplotlib") is None:
        _refuse(f"{library} is not installed: pip install 'edgewright[experiments]'")


def _refuse(why: str) -> NoReturn:
    typer.echo(f"error: {why}", err=True)
    raise typer.Exit(1)
