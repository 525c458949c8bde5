"""`edgewright explain`: why each replica is where it is, or why a DAG is not placed."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli import complete
from edgewright.cli.target import (
    Context,
    Format,
    Kubeconfig,
    Namespace,
    Output,
    current_namespace,
    dag_name,
    dump,
    run,
)

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.cli.picture import Picture
    from edgewright.core.explain import Alternative, Explanation
    from edgewright.core.problem import Problem
    from edgewright.core.substrate import IntArray

MS = 1e3
BAR = 20


def explain(
    dag: Annotated[str, typer.Argument(help="sdag/NAME, or just NAME.", autocompletion=complete.dags)],
    observation: Annotated[
        bool, typer.Option("--observation", help="Show the numbers that a policy which observes is told.")
    ] = False,
    namespace: Namespace = None,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say why a DAG's replicas are where they are, and what a request spends where.

    For each replica: its node, the terms of the latency, the best other nodes with the change of the
    objective J, and nodes that are refused with the constraint. Then the critical path in milliseconds
    against the limit. For a DAG that is not placed: which constraint fails on which class of nodes.

    Computed afresh from the cluster as it is, with your own credentials; the reasons recorded when each pod
    was bound stand on the pods, in the annotation edgewright.dev/reason.
    """
    where = namespace or current_namespace(kubeconfig, context)
    run(_explain(kubeconfig, context, where, dag_name(dag), output, observation=observation))


async def _explain(
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    name: str,
    output: Format,
    *,
    observation: bool,
) -> None:
    from edgewright.cli import picture
    from edgewright.cli.observation import observed, show
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context) as api:
        seen = await picture.read(api, namespace, name)
    if observation:
        numbers = observed(seen)
        show(numbers) if output is Format.TABLE else dump(numbers, output)
        return
    found = _computed(seen)
    if output is not Format.TABLE:
        dump(_plain(seen, found), output)
        return
    from rich.console import Console

    console = Console(highlight=False)
    _show_conditions(console, seen)
    if found is None:
        _show_refusal(console, seen)
    else:
        _show_replicas(console, found)
        _show_path(console, found)


def _computed(seen: "Picture") -> "Explanation | None":
    """The explanation of the placement as it is; None while some microservice has no replica on a node."""
    from edgewright.core.explain import explain as explain_placement

    asked = _question(seen)
    if asked is None:
        return None
    problem, assign = asked
    placed = set(problem.stage[assign >= 0].tolist())
    if len(placed) < len(problem.dag.microservices):
        return None
    return explain_placement(problem, assign, alternatives=2)


def _question(seen: "Picture") -> "tuple[Problem, IntArray] | None":
    """The DAG's bound replicas (or those that a dry run shows) as a problem with its answer."""
    import numpy as np

    from edgewright.agents.questions import question
    from edgewright.core.problem import UNPLACED

    region, record = seen.region, seen.record
    if any(replica.node for replica in region.replicas(record, seen.now)):
        built = question(region, record, [], seen.now)
        if built is None:
            return None
        problem = built[0]
        return replace(problem, fixed=np.full_like(problem.fixed, UNPLACED)), problem.fixed
    shown = _shown(seen)
    built = question(region, record, [replica for replica, _ in shown], seen.now)
    if built is None or not shown:
        return None
    problem, slots = built
    index = problem.world.substrate.index
    nodes = {replica.uid: node for replica, node in shown}
    return problem, np.array([index.get(nodes[slot.uid], UNPLACED) for slot in slots], np.int32)


def _shown(seen: "Picture") -> list[tuple[Any, str]]:
    """(replica, node) of the placements in the status, for a DAG without pods (a dry run)."""
    from edgewright.agents.groups import Replica

    manifest, dag = seen.record.manifest, seen.record.dag
    if manifest is None or dag is None:
        return []
    requests = {m.name: m.request for m in dag.microservices}
    return [
        (
            Replica(
                f"{p['microservice']}/{i}", f"{i:04d}", p["microservice"], "", requests[p["microservice"]]
            ),
            p["node"],
        )
        for i, p in enumerate(manifest.status.get("placements") or [])
        if p["microservice"] in requests and p.get("node")
    ]


def _status(seen: "Picture") -> dict[str, Any]:
    return dict(seen.record.manifest.status) if seen.record.manifest is not None else {}


def _plain(seen: "Picture", found: "Explanation | None") -> dict[str, Any]:
    status = _status(seen)
    return {
        "dag": "/".join(seen.record.key),
        "region": "/".join(seen.region.key),
        "conditions": status.get("conditions") or [],
        "placement": found.as_dict() if found is not None else None,
        "unplaced": status.get("unplaced") or [],
        "error": seen.record.error or None,
    }


def _show_conditions(console: "Console", seen: "Picture") -> None:
    console.print(f"[bold]{'/'.join(seen.record.key)}[/], region {'/'.join(seen.region.key)}")
    for condition in _status(seen).get("conditions") or []:
        good = (condition["status"] == "True") is (condition["type"] != "Degraded")
        style = "dim" if condition["type"] == "Planned" and not good else "green" if good else "red"
        head = f"  [{style}]{condition['type']}={condition['status']}[/] {condition['reason']}"
        message = "" if good else f": {condition.get('message', '')}"
        console.print(head, end="", soft_wrap=True)
        console.print(message, markup=False, soft_wrap=True)


def _show_refusal(console: "Console", seen: "Picture") -> None:
    if seen.record.error:
        console.print(seen.record.error, markup=False, soft_wrap=True)
    unplaced = _status(seen).get("unplaced") or []
    for entry in unplaced:
        who = entry.get("microservice") or "whole DAG"
        console.print(f"  [yellow]{who}[/] ({entry['constraint']})", end=" ")
        console.print(entry.get("message", ""), markup=False, soft_wrap=True)
    if not unplaced and not seen.record.error:
        console.print("  Nothing is placed yet, and the agent has not said why; try again in a moment.")


def _show_replicas(console: "Console", found: "Explanation") -> None:
    from edgewright.cli.columns import columns

    rows = [
        (r.microservice, r.node, *(f"{MS * t:.2f}" for t in (r.transfer, r.compute, r.waiting, r.overlap)))
        for r in found.replicas
    ]
    console.print("\n[bold]replicas[/], with their terms in milliseconds of one request")
    columns(("MICROSERVICE", "NODE", "TRANSFER", "COMPUTE", "WAITING", "OVERLAP"), rows, right=range(2, 6))
    console.print(
        f"\n[bold]instead[/]: what other nodes would do to J, now {found.objective:.4f} "
        "(latency over its limit, weighted over the DAGs touched)",
        soft_wrap=True,
    )
    others = [
        (r.microservice, ", ".join(map(_instead, r.alternatives)) or "no other node") for r in found.replicas
    ]
    columns(("MICROSERVICE", "OTHER NODES"), others)


def _instead(other: "Alternative") -> str:
    if other.refused:
        return f"{other.node} refused: {other.refused}"
    return f"{other.node} {other.difference:+.4f}" if other.difference is not None else other.node


def _show_path(console: "Console", found: "Explanation") -> None:
    from edgewright.cli.columns import columns

    prediction = found.prediction
    longest = max((hop.seconds for hop in found.path), default=1.0)
    rows = []
    for hop in found.path:
        parts = (hop.ideal, hop.waiting, hop.overlap, hop.fixed, hop.seconds)
        bar = "█" * round(BAR * hop.seconds / longest)
        rows.append((hop.name, hop.where, *(f"{MS * part:.2f}" for part in parts), bar))
    console.print("\n[bold]critical path[/] of a request, mean milliseconds")
    columns(("HOP", "WHERE", "IDLE", "WAITING", "OVERLAP", "FIXED", "SUM", ""), rows, right=range(2, 7))
    joins = prediction.mean - found.latency
    console.print(
        f"\n  {MS * found.latency:.2f} ms along the path + {MS * joins:.2f} ms waiting at joins = "
        f"{MS * prediction.mean:.2f} ms mean"
    )
    console.print(
        f"  access {MS * prediction.access:.2f} + processing {MS * prediction.processing:.2f} + "
        f"synchronisation {MS * prediction.synchronisation:.2f}; jitter {MS * prediction.jitter:.2f}, "
        f"skew {MS * prediction.skew:.2f} ms; success {prediction.success:.5f}",
        soft_wrap=True,
    )
    text = f"  p{found.percentile:g} {MS * prediction.percentile:.2f} ms"
    if found.limit is None:
        console.print(f"{text}, no limit set")
        return
    share = prediction.percentile / found.limit
    colour = "green" if share <= 1 else "red"
    console.print(f"[{colour}]{text} against the limit of {MS * found.limit:g} ms ({100 * share:.0f} %)[/]")
