"""`edgewright chaos`: failures and bursts on purpose, each healed again, with a verdict and a report."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.columns import columns
from edgewright.cli.target import Context

if TYPE_CHECKING:
    from edgewright.emulation.chaos.findings import Report
    from edgewright.emulation.chaos.target import Target

app = typer.Typer(
    no_args_is_help=True,
    help="""Break things on purpose and see whether every ServiceDAG gets through it.

    A scenario is an experiment of Chaos Toolkit: a steady state that must hold before and after, what is
    injected, and how it is healed. Each run ends in a verdict and a report (JSON, and HTML with a
    picture). What was injected is healed whatever happens, also on Ctrl-C. A first game day:

        edgewright testbed up --heartbeat edge
        edgewright chaos list
        edgewright chaos run node-loss --with-samples
        edgewright chaos run node-loss --set percent=25

    On a cluster that is no testbed of this machine nothing is injected without --yes-this-is-production.""",
)

Name = Annotated[
    str | None, typer.Option("--name", help="Name of a testbed of this machine.", show_default="edgewright")
]
Kubeconfig = Annotated[
    str | None,
    typer.Option("--kubeconfig", envvar="KUBECONFIG", help="Instead: a kubeconfig file.", show_default=False),
]
Production = Annotated[
    bool, typer.Option("--yes-this-is-production", help="Break a cluster that is no testbed of this machine.")
]


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with Edgewright."""
    with _refusals():
        from edgewright.emulation.chaos import scenario

        loaded = {name: scenario.load(name) for name in scenario.names()}
    where = {
        name: "testbed" if "testbed" in each.get("tags", []) else "any cluster"
        for name, each in loaded.items()
    }
    columns(
        ("SCENARIO", "WHERE", "WHAT"), [(name, where[name], each["title"]) for name, each in loaded.items()]
    )


@app.command()
def show(scenario: Annotated[str, typer.Argument(help="Name of a scenario, or a file.")]) -> None:
    """Show what a scenario does, its variables and their defaults."""
    with _refusals():
        from edgewright.emulation.chaos import scenario as scenarios

        found = scenarios.load(scenario)
        variables = scenarios.variables(scenario)
    typer.echo(f"{found['title']}\n\n{found['description']}\n")
    columns(("VARIABLE", "DEFAULT", "MEANING"), variables)
    typer.echo()
    steps = [("inject", each) for each in found["method"]] + [
        ("heal", each) for each in found.get("rollbacks", [])
    ]
    columns(
        ("STEP", "WHAT"),
        [("wait" if each["type"] == "probe" else kind, each["name"]) for kind, each in steps],
    )


@app.command()
def run(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario (`list` names them), or an experiment's file.")
    ],
    variables: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a variable of the scenario, as percent=5; may be repeated."),
    ] = None,
    name: Name = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for journal and report.", show_default="chaos-SCENARIO-TIME, here"
        ),
    ] = None,
    with_samples: Annotated[
        bool, typer.Option("--with-samples", help="First apply two sample DAGs to a testbed; they stay.")
    ] = False,
    production: Production = False,
) -> None:
    """Run a scenario: steady state, injections, steady state again, healing, verdict, report.

    The exit status is 0 if everything got through, 1 if not or if the run is refused, 130 if it was
    interrupted. Nothing is injected if the steady state does not hold before, or if a target does not exist.
    """
    with _refusals():
        from datetime import UTC, datetime

        from edgewright.emulation.chaos import run as runs
        from edgewright.emulation.chaos import samples
        from edgewright.emulation.chaos import scenario as scenarios

        experiment = scenarios.load(scenario)
        scenarios.set_variables(experiment, variables or [])
        target = _target(name, kubeconfig, context, production)
        folder = out or Path(f"chaos-{Path(scenario).stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        from rich.console import Console

        from edgewright.cli.progress import reporter

        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        with reporter(console) as step:
            if with_samples:
                samples.apply(target, step)
            outcome = runs.run(experiment, target, folder, report=step)
        _tell(outcome.report, outcome.folder)
    raise typer.Exit({"passed": 0, "failed": 1, "interrupted": 130}[outcome.report.verdict])


def _tell(report: "Report", folder: Path) -> None:
    from edgewright.emulation.chaos.page import ASKED_COLUMNS, asked_row, injection_row, unanswered

    if report.injections:
        typer.echo()
        columns(
            ("INJECTION", "AT", "LASTED", "RECOVERY", "REPLACED", "STATUS/LIMIT", "BROKEN"),
            [
                (what, f"{at} s", lasted, recovery, replaced, f"{before} -> {worst}", f"{broken} s")
                for what, at, lasted, recovery, replaced, _, before, worst, broken in map(
                    injection_row, report.injections
                )
            ],
        )
    if report.asked:
        typer.echo()
        columns([each.upper() for each in ASKED_COLUMNS], [asked_row(each) for each in report.asked])
        typer.echo(f"\n{unanswered(report.asked)}")
    typer.echo(f"\nLost of ServiceDAGs and replicas: {', '.join(report.lost + report.doubled) or 'nothing'}.")
    for line in report.reasons + report.remarks:
        typer.echo(f"- {line}")
    colour = {"passed": "green", "failed": "red"}.get(report.verdict, "yellow")
    typer.secho(f"{report.verdict.upper()}", fg=colour, nl=False)
    typer.echo(f": {report.title}. Report: {folder / 'report.html'}")


@app.command()
def heal(
    name: Name = None, kubeconfig: Kubeconfig = None, context: Context = None, production: Production = False
) -> None:
    """Undo what a run injected and could not heal itself, because it was killed.

    May be run as often as you like."""
    with _refusals():
        from edgewright.emulation.chaos import actions

        target = _target(name, kubeconfig, context, production)
        with target.ledger.locked():
            left = {entry.id: entry.plan["what"] for entry in target.ledger.entries()}
            healed = actions.heal(configuration=target.configuration)["healed"]
    typer.echo("\n".join(f"healed: {left[each]}" for each in healed) or f"{target.name}: nothing to heal")


@app.command()
def report(
    journal: Annotated[Path, typer.Argument(help="journal.json of a run, or its folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report.", show_default="the journal's own")
    ] = None,
) -> None:
    """Write the report of a run again from its journal, for example with a newer version."""
    with _refusals():
        from edgewright.emulation.chaos import run as runs

        read = runs.read(journal)
        outcome = runs.write(read, out or (journal if journal.is_dir() else journal.parent))
    _tell(outcome.report, outcome.folder)


def _target(name: str | None, kubeconfig: str | None, context: str | None, production: bool) -> "Target":
    from edgewright.emulation.chaos import target

    return target.find(name, kubeconfig, context, production=production)


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be done is one line and exit status 1, not a traceback."""
    from edgewright.emulation.chaos.errors import ChaosError
    from edgewright.emulation.testbed import TestbedError
    from edgewright.kube.errors import ApiError

    try:
        yield
    except ImportError as missing:
        if missing.name is None or missing.name.startswith("edgewright"):
            raise
        typer.secho(f"error: {missing.name} is missing: pip install 'edgewright[chaos]'", fg="red", err=True)
        raise typer.Exit(1) from None
    except (ChaosError, TestbedError, ApiError) as refusal:
        typer.secho(f"error: {refusal}", fg="red", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
