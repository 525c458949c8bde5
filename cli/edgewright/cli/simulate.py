"""`edgewright simulate-node-loss`: what losing nodes would do, as a dry run of the agents' own decisions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli import complete
from edgewright.cli.losses import Report, plain, show
from edgewright.cli.target import Context, Format, Kubeconfig, Output, dump, run

if TYPE_CHECKING:
    from edgewright.kube.api import Api


@dataclass(frozen=True)
class Choice:
    """What the user asks to lose."""

    nodes: tuple[str, ...]
    region: str | None
    percent: float | None
    seed: int


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
        show(report)


async def simulate(api: "Api", chosen: Choice) -> Report:
    """Let every region that governs some of the nodes decide; raises BadParameter for unknown names."""
    from edgewright.agents import whatif
    from edgewright.agents.machine_code import complete as compiled
    from edgewright.agents.thinking import Thinking
    from edgewright.cli import picture

    known = await picture.controllers(api)
    nodes = await _nodes(api, chosen, known)
    now = time.monotonic()
    concerned = [each for each in known if not nodes.isdisjoint(each.status.get("nodes") or ())]
    regions = await picture.regions(api, concerned, now)
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
