"""A simulated node loss, as data and as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from edgewright.cli.columns import columns, wrapped

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.agents.whatif import Loss, Touched
    from edgewright.core.problem import Prediction

MS = 1e3
SHOWN = 8
"""Names in a list before `and 5 more`."""
WHEN = {"fast": "in seconds", "safe": "after eviction", "keep": "with its node"}


@dataclass(frozen=True)
class Report:
    """What would happen, region by region."""

    nodes: tuple[str, ...]
    losses: "tuple[Loss, ...]"
    strangers: int | None
    """Pods on the lost nodes outside the regions' namespaces; None: not allowed to look."""


def plain(report: Report) -> dict[str, Any]:
    """The report as plain data, in the units of the API."""
    return {
        "nodes": list(report.nodes),
        "otherPods": report.strangers,
        "regions": [
            {
                "region": "/".join(loss.region),
                "governed": loss.governed,
                "lost": list(loss.nodes),
                "evictionsSuspended": loss.suspended,
                "otherPods": list(loss.others),
                "dags": [_plain_dag(dag) for dag in loss.dags],
            }
            for loss in report.losses
        ],
    }


def _plain_dag(dag: "Touched") -> dict[str, Any]:
    from edgewright.agents import report

    return {
        "namespace": dag.key[0],
        "name": dag.key[1],
        "onNodeLoss": dag.on_node_loss,
        "lost": [
            {"pod": r.pod, "microservice": r.microservice, "node": r.node, "replacement": r.replacement}
            for r in dag.lost
        ],
        "limitMs": None if dag.limit is None else dag.limit * MS,
        "percentile": dag.percentile,
        "before": None if dag.before is None else report.predicted(dag.before),
        "after": None if dag.after is None else report.predicted(dag.after),
        "unplaced": report.unplaced(dag.unplaced),
    }


def show(report: Report) -> None:
    """Print it for people."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]If {_listed(report.nodes)} were lost[/] (nothing has been changed)", soft_wrap=True)
    for loss in report.losses:
        _show_region(console, loss)
    if not report.losses:
        console.print("No EdgeController governs any of them: no ServiceDAG would lose a replica.")
    if report.strangers is None:
        console.print("\nPods of other namespaces on them: not allowed to look.")
    elif report.strangers:
        console.print(f"\n{report.strangers} pods of other namespaces run on them.")


def _show_region(console: "Console", loss: "Loss") -> None:
    lost = sum(len(dag.lost) for dag in loss.dags)
    homeless = sum(dag.homeless for dag in loss.dags if dag.on_node_loss != "keep")
    share = 100 * len(loss.nodes) / max(loss.governed, 1)
    said = "no replica lost" if not lost else f"{lost} replicas lost"
    if homeless:
        said += f", [red]{homeless} without a place[/]"
    if loss.others:
        said += f"; {len(loss.others)} pods of no ServiceDAG"
    console.print(
        f"\nRegion [bold]{'/'.join(loss.region)}[/]: {len(loss.nodes)} of {loss.governed} nodes "
        f"({share:.0f} %), {said}",
        soft_wrap=True,
    )
    if loss.suspended:
        console.print(
            "[yellow]So much at once looks like a fault of the network: the agent would evict nobody. "
            "Shown is what happens once Kubernetes has evicted.[/]",
            soft_wrap=True,
        )
    if not loss.dags:
        console.print("No ServiceDAG is touched.")
        return
    console.print()
    columns(
        ("DAG", "LOST", "REPLACED", "BEFORE", "AFTER", "LIMIT", "RECOVERS", "VERDICT"),
        [_row(dag) for dag in loss.dags],
        right=range(1, 6),
        wrong=("no place", "over limit", "down"),
        spare=("BEFORE", "RECOVERS"),
    )
    moves = [
        (dag.key[1], replica.microservice, replica.node, replica.replacement or "-")
        for dag in loss.dags
        for replica in dag.lost
    ]
    if moves:
        console.print()
        columns(("DAG", "MICROSERVICE", "LOST ON", "REPLACED ON"), moves, wrong=("-",))
    for dag in loss.dags:
        _show_unplaced(dag)


def _row(dag: "Touched") -> tuple[str, ...]:
    limit = "-" if dag.limit is None else f"{dag.limit * MS:g} p{dag.percentile:g}"
    recovers = WHEN[dag.on_node_loss] if dag.lost else "-"
    replaced = len(dag.lost) - dag.homeless
    return (
        dag.key[1],
        str(len(dag.lost)),
        str(replaced),
        _ms(dag.before),
        _ms(dag.after),
        limit,
        recovers,
        _verdict(dag),
    )


def _verdict(dag: "Touched") -> str:
    if dag.homeless and dag.on_node_loss != "keep":
        return "no place"
    if dag.homeless:
        return "down"
    if dag.after is not None and dag.limit is not None and dag.after.percentile > dag.limit:
        return "over limit"
    return "ok"


def _show_unplaced(dag: "Touched") -> None:
    """Why replacements have no place; microservices that lack the same are told together."""
    from edgewright.cli.remedies import about

    told: dict[tuple[str, str], list[str]] = {}
    for violation in dag.unplaced:
        text = about(violation.message, violation.microservice)
        told.setdefault((violation.constraint.value, text), []).append(violation.microservice)
    if told:
        typer.echo(f"\n{dag.key[1]}: no place, because")
    for (constraint, text), names in told.items():
        who = f" ({_listed([name for name in names if name])})" if any(names) else ""
        typer.secho(f"  {constraint}", fg="yellow", nl=False)
        typer.echo(wrapped(f": {text}{who}", 4, first=2 + len(constraint)))


def _ms(prediction: "Prediction | None") -> str:
    return "-" if prediction is None else f"{prediction.percentile * MS:.2f}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
