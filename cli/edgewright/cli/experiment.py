"""`edgewright experiment` and `edgewright report`: measure policies and models, and read what came out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.emulation.experiments import Config, Experiment

RESULTS = Path("results")


def _names(incomplete: str) -> list[str]:
    from edgewright.emulation.experiments import experiments

    return [name for name in ("list", *experiments) if name.startswith(incomplete)]


def experiment(
    name: Annotated[
        str, typer.Argument(help="Which; `list` shows them.", autocompletion=_names, show_default=False)
    ],
    scale: Annotated[
        str, typer.Option(help="small: minutes on two cores. paper: the size printed.")
    ] = "small",
    seeds: Annotated[int | None, typer.Option(help="How many; default: the scale's.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that compute at the same time.")] = 1,
    policy: Annotated[
        list[str] | None, typer.Option(help="Compare this one; repeat it; default: the experiment's.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of all results; each experiment has its own in it.")
    ] = RESULTS,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Compute on this Ray cluster; `local` starts one here."),
    ] = None,
) -> None:
    """Run an experiment: rows as CSV and Parquet, figures, and a table of ours beside the paper's.

    What is done is kept: interrupt it and give the same command to go on. Needs the extra `experiments`
    (pip install 'edgewright[experiments]').

        edgewright experiment list

        edgewright experiment optimality-gap --jobs 2

        edgewright report
    """
    import sys
    from importlib.util import find_spec

    from rich.console import Console

    missing = [
        module for module in ("pandas", "matplotlib", "pyarrow", "rliable") if find_spec(module) is None
    ]
    if missing:
        _fail(f"{', '.join(missing)} not installed: pip install 'edgewright[experiments]'")
    from edgewright.emulation.experiments import ExperimentError, Scale, experiments, find
    from edgewright.emulation.experiments.lineup import present

    console = Console(width=None if sys.stdout.isatty() else 160)
    if name == "list":
        _list(console, list(experiments.values()))
        return
    if scale not in list(Scale):
        _fail(f"--scale is {scale!r}; choose from {', '.join(Scale)}")
    try:
        chosen = find(name)
        config = chosen.scales[Scale(scale)].over(seeds, present(*(policy or ())))
        _run(console, chosen, scale, config, out / f"{name}-{scale}", jobs, ray)
    except ExperimentError as error:
        _fail(str(error))


def _run(
    console: "Console",
    chosen: "Experiment",  # type: ignore[type-arg]  # whichever was asked for
    scale: str,
    config: "Config",
    folder: Path,
    jobs: int,
    ray: str | None,
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from edgewright.emulation.experiments import Scale
    from edgewright.emulation.experiments.engine import conduct, publish

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(),
    )
    done = 0
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(chosen.name, total=None)

            def watch(finished: int, total: int) -> None:
                nonlocal done
                done = finished
                progress.update(task, completed=finished, total=total)

            frame = conduct(chosen, Scale(scale), config, folder, jobs=jobs, ray=ray, watch=watch)
        publish(chosen, config, frame, folder)
    except KeyboardInterrupt:
        console.print(f"interrupted: {done} units are done and kept; the same command goes on from there")
        raise typer.Exit(130) from None
    _show(console, folder)
    console.print(f"written to {folder}; `edgewright report {folder.parent}` makes a page of all results")


def _show(console: "Console", folder: Path) -> None:
    import json

    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from edgewright.emulation.experiments.comparison import Comparison

    about = json.loads((folder / "table.json").read_text())
    found = Comparison.read(about)
    table = Table(title=f"{about['title']} ({about['source']})", title_justify="left", box=SIMPLE_HEAD)
    for at, column in enumerate(found.columns):
        table.add_column(column, justify="left" if at == 0 else "right")
    for line in found.lines:
        table.add_row(*line)
    console.print(table)
    for note in found.notes:
        console.print(f"- {note}", markup=False)


def _list(console: "Console", known: "list[Experiment]") -> None:  # type: ignore[type-arg]  # of any config
    from rich.table import Table

    table = Table("name", "source", "what it shows", "--scale paper, CPU time")
    for one in known:
        table.add_row(one.name, one.source, one.question, f"about {one.paper_hours:g} h")
    console.print(table)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of results.")] = RESULTS,
) -> None:
    """Gather all results into one HTML page that needs no other file."""
    from edgewright.emulation.experiments import ExperimentError
    from edgewright.emulation.experiments.page import report as write

    try:
        typer.echo(f"written to {write(folder)}")
    except ExperimentError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
