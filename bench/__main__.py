"""Measures the figures of docs/reference/benchmarks.md: CSV in bench/out, a summary on the terminal.

python -m bench [--only placement,recovery,footprint,core,decision,city,environments,events,gaps,kills,
    gateway] [--quick]
"""

import importlib
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from bench import footprint, kills, placement, recovery
from bench.rig import terminable
from bench.table import OUT, Findings, environment, save, show
from edgewright.cli.progress import reporter
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.report import Report


def _placement(quick: bool, report: Report) -> Findings:
    if quick:
        return placement.measure(scenarios=("grid-200",), repetitions=1, report=report)
    return placement.measure(report=report)


def _recovery(quick: bool, report: Report) -> Findings:
    if quick:
        systems = (recovery.System.EDGEWRIGHT, recovery.System.TUNED)
        return recovery.measure(systems=systems, beats=(recovery.Beat.EDGE,), report=report)
    return recovery.measure(report=report)


def _footprint(quick: bool, report: Report) -> Findings:
    if quick:
        return footprint.measure(dags=50, foreign=200, report=report)
    return footprint.measure(report=report)


def _kills(quick: bool, report: Report) -> Findings:
    return kills.measure(repetitions=2 if quick else kills.REPETITIONS, report=report)


def _of_module(name: str) -> Callable[[bool, Report], Findings]:
    """A part that needs no testbed, in a module of its own."""

    def measure(quick: bool, report: Report) -> Findings:
        report(f"measuring {name}")
        found: Findings = importlib.import_module(f"bench.{name}").measure(quick=quick, report=report)
        return found

    return measure


PARTS: dict[str, Callable[[bool, Report], Findings]] = {
    "core": _of_module("core"),
    "decision": _of_module("decision"),
    "events": _of_module("events"),
    "gaps": _of_module("gaps"),
    "city": _of_module("city"),
    "environments": _of_module("environments"),
    "placement": _placement,
    "recovery": _recovery,
    "footprint": _footprint,
    "kills": _kills,
    "gateway": _of_module("gateway"),
}


def main(
    only: Annotated[str, typer.Option(help=f"Parts, by comma: {', '.join(PARTS)}.")] = ",".join(PARTS),
    quick: Annotated[
        bool, typer.Option(help="Smaller and once: to see that it works, not for figures.")
    ] = False,
) -> None:
    """Run the benchmarks one after the other; what fails is reported and the rest still runs."""
    chosen = [name.strip() for name in only.split(",")]
    if unknown := [name for name in chosen if name not in PARTS]:
        raise typer.BadParameter(f"--only: no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    console, facts, everything, failed = Console(), environment(), Findings(), []
    with terminable(), reporter(console) as report:
        for name in chosen:
            try:
                found = PARTS[name](quick, report)
            except (TestbedError, TimeoutError) as error:
                failed.append(name)
                console.print(f"{name} failed: {error}", style="red", markup=False)
                continue
            save(found, f"{name}-summary", facts)
            everything.rows += found.rows
    save(everything, "summary", facts)
    show(console, everything.rows, facts)
    console.print(f"written to bench/{OUT.name}")
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
