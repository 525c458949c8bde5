"""`edgewright explain --observation`: the numbers that a policy which observes is told of one DAG."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from edgewright.cli.picture import Picture

Numbers = dict[str, float]


def observed(seen: "Picture") -> dict[str, Any]:
    """The observation by its parts; typer.BadParameter while the region has no node, or the DAG no sense."""
    from edgewright.agents.questions import question
    from edgewright.agents.snapshot import look, snapshot
    from edgewright.core.observe import HEAD, NODE, SLOT, observe, schema

    region, record = seen.region, seen.record
    waiting = [replica for replica in region.replicas(record, seen.now) if not replica.node]
    built = question(region, record, waiting, seen.now)
    if built is None:
        raise typer.BadParameter(record.error or "the region has no usable node; see: kubectl get ec")
    problem, slots = built
    nodes = [node.name for node in problem.world.substrate.nodes]
    numbers = observe(snapshot(look(region, record, problem, seen.now)), len(nodes), len(slots))
    ends = len(HEAD), len(HEAD) + len(nodes) * len(NODE)
    rows = numbers[ends[0] : ends[1]].reshape(-1, len(NODE)), numbers[ends[1] :].reshape(-1, len(SLOT))
    return {
        "schema": schema(len(nodes), len(slots)),
        "head": _named(HEAD, numbers[: ends[0]]),
        "nodes": [{"node": name, **_named(NODE, row)} for name, row in zip(nodes, rows[0], strict=True)],
        "slots": [
            {"microservice": slot.microservice, **_named(SLOT, row)}
            for slot, row in zip(slots, rows[1], strict=True)
        ],
    }


def _named(names: tuple[str, ...], numbers: Any) -> Numbers:
    return {name: float(f"{number:.6g}") for name, number in zip(names, numbers, strict=True)}


def show(found: dict[str, Any]) -> None:
    """Three tables."""
    from edgewright.cli.columns import columns

    typer.echo(f"schema {found['schema']}, numbers scaled as in docs/reference/environments.md\n")
    for part in ("nodes", "slots"):
        rows = [tuple(f"{v:.4g}" if isinstance(v, float) else v for v in row.values()) for row in found[part]]
        titles = [name.upper() for name in found[part][0]] if rows else []
        columns(titles, rows, right=range(1, len(titles)))
        typer.echo()
    columns(("HEAD", ""), [(name, f"{v:.4g}") for name, v in found["head"].items()], right=[1])
