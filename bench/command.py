"""Runs one part of the benchmarks from the command line: progress, result files, the table."""

import logging
from collections.abc import Callable

from rich.console import Console

from bench.rig import terminable
from bench.table import OUT, Findings, environment, save, show
from edgewright.cli.progress import reporter
from edgewright.emulation.testbed.report import Report


def part(name: str, measure: Callable[[Report], Findings]) -> None:
    """Measure, write bench/out/`name`.csv and .md, and show the table."""
    logging.getLogger("edgewright").setLevel(logging.ERROR)  # watches that reconnect are no news here
    console = Console()
    facts = environment()
    with terminable(), reporter(console) as report:
        found = measure(report)
    save(found, f"{name}-summary", facts)
    show(console, found.rows, facts)
    console.print(f"written to bench/{OUT.name}/{name}*")
