"""`edgewright simulate-node-loss`: what losing nodes would do, as a dry run of the agents' own decisions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli import complete
from edgewright.cli.columns import wrapped
from edgewright.cli.target import Context, Format, Kubeconfig, Output, dump, run

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.agents.whatif import Loss, Touched
    from edgewright.core.problem import Prediction
    from edgewright.kube.api import Api

MS = 1e3
SHOWN = 8
"""Names in a list before `and 5 more`."""
WHEN = {"fast": "in seconds", "safe": "after eviction", "keep": "with its node"}


@dataclass(frozen=True)
class Choice:
    """What the user asks to lose."""

    nodes: tuple[str, ...]
    region: str | None
    percent: float | None
    seed: int


@dataclass(frozen=True)
class Report:
    """What would happen, region by region."""

    nodes: tuple[str, ...]
    losses: "tuple[Loss, ...]"
    strangers: int | None
    """Pods on the lost nodes outside the regions' namespaces; None: not allowed to look."""


def simulate_node_loss(
    node: Annotated[
        list[str] | None,
        typer.Argument(help="Names of nodes.", show_default=False, autocompletion=complete.nodes),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="All nodes of this region, or those that --percent draws of it: the namespace of its "
            "EdgeController.",
            autocompletion=complete.regions,
        ),
    ] = None,
    percent: Annotated[
        float | None,
        typer.Option("--percent", help="Instead of names: this share of the edge nodes, drawn by --seed."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws the nodes of --percent.")] = 0,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show what losing nodes would do: replicas lost, where they would go, latencies after. Changes nothing.

    The cluster is read once, with your own credentials, and the agents' own code decides on that picture:
    which DAGs are touched, where each replacement goes, the predicted latency against the limit, and what
    finds no place and why. Nothing is written, not even as a dry run of the API server.

        edgewright simulate-node-loss edge-51622 edge-51624

        edgewright simulate-node-loss --region melbourne-1 --percent 25 --seed 1

    `edgewright testbed nodes cut --percent 25 --seed 1` draws the same nodes as --percent 25 --seed 1 here.
    """
    chosen = Choice(tuple(dict.fromkeys(node or ())), region, percent, seed)
    _check(chosen)
    run(_simulate(kubeconfig, context, chosen, output))


def _check(chosen: Choice) -> None:
    if chosen.nodes and (chosen.percent is not None or chosen.region is not None):
        raise typer.BadParameter("give the names of nodes, or --region and --percent, not both")
    if not chosen.nodes and chosen.percent is None and chosen.region is None:
        raise typer.BadParameter("say what is lost: names of nodes, --percent, or --region")
    if chosen.percent is not None and not 0 < chosen.percent <= 100:
        raise typer.BadParameter(f"--percent is {chosen.percent:g}; give more than 0 and at most 100")


async def _simulate(kubeconfig: str | None, context: str | None, chosen: Choice, output: Format) -> None:
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context) as api:
        report = await simulate(api, chosen)
    if output is not Format.TABLE:
        dump(plain(report), output)
    else:
        _show(report)


async def simulate(api: "Api", chosen: Choice) -> Report:
    """Let every region that governs some of the nodes decide; raises BadParameter for unknown names."""
    from edgewright.agents import whatif
    from edgewright.agents.machine_code import complete as compiled
    from edgewright.agents.thinking import Thinking
    from edgewright.cli import snapshot

    known = await snapshot.controllers(api)
    nodes = await _nodes(api, chosen, known)
    now = time.monotonic()
    concerned = [each for each in known if not nodes.isdisjoint(each.status.get("nodes") or ())]
    regions = await snapshot.regions(api, concerned, now)
    thinking = Thinking()
    try:
        if not compiled():
            typer.echo("Compiling the model, once per installation; this takes a minute.", err=True)
        await thinking.warm_up()
        losses = [await whatif.lose(api, region, nodes, thinking, now) for region in regions]
    finally:
        thinking.close()
    spaces = {space for region in regions for space in region.terrain.grant.namespaces}
    return Report(tuple(sorted(nodes)), tuple(losses), await _strangers(api, nodes, spaces))


async def _nodes(api: "Api", chosen: Choice, known: Sequence[Any]) -> set[str]:
    from edgewright.emulation.testbed.nodes import sample
    from edgewright.kube import paths
    from edgewright.kube.names import LABEL_TIER

    listed = {item["metadata"]["name"]: item for item in await api.items(paths.nodes())}
    if chosen.nodes:
        _refuse_unknown("node", sorted(set(chosen.nodes) - listed.keys()), listed, "kubectl get nodes")
        return set(chosen.nodes)
    pool = set(listed)
    if chosen.region is not None:
        regions = {each.metadata.namespace: each for each in known}
        unknown = [] if chosen.region in regions else [chosen.region]
        _refuse_unknown("region", unknown, regions, "kubectl get ec --all-namespaces")
        pool &= set(regions[chosen.region].status.get("nodes") or ())
    if chosen.percent is not None:
        edge = {n for n in pool if (listed[n]["metadata"].get("labels") or {}).get(LABEL_TIER) == "edge"}
        pool = set(sample(edge, chosen.percent, chosen.seed))
    if not pool:
        raise typer.BadParameter("there is no node to lose; see: kubectl get nodes --show-labels")
    return pool


def _refuse_unknown(what: str, unknown: Sequence[str], known: Any, command: str) -> None:
    import difflib

    if unknown:
        close = difflib.get_close_matches(unknown[0], list(known), n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        names = ", ".join(repr(name) for name in unknown)
        raise typer.BadParameter(f"there is no {what} {names}{meant} See: {command}")


async def _strangers(api: "Api", nodes: set[str], spaces: set[str]) -> int | None:
    """How many pods of namespaces that no simulated region governs are on the lost nodes."""
    from edgewright.cli.reading import seen
    from edgewright.kube import paths

    pods = await seen(api, paths.pods())
    if pods.unknown:
        return None
    return sum(
        pod["spec"].get("nodeName") in nodes
        and pod["metadata"]["namespace"] not in spaces
        and pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
        for pod in pods.items
    )


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


def _show(report: Report) -> None:
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
    from edgewright.cli.columns import columns

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
