"""`edgewright top`: the ServiceDAGs that are closest to their limits, and what the nodes have left."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from edgewright.cli.columns import Table, bar
from edgewright.cli.follow import drawn, follow
from edgewright.cli.node_rows import node_rows, node_table
from edgewright.cli.target import (
    Context,
    Everywhere,
    Format,
    Kubeconfig,
    Namespace,
    Output,
    Watch,
    dump,
    namespace_of,
    run,
)

if TYPE_CHECKING:
    from edgewright.cli.reading import Reader

Row = dict[str, Any]
WATCH_SECONDS = 2.0
app = typer.Typer(
    invoke_without_command=True,
    help="""Show the ServiceDAGs that are closest to their latency limits, or with `nodes` what is taken of
    each node.

    Latencies are those of spec.qos.percentile: predicted by the model, and observed where Prometheus is read.

        edgewright top -A

        edgewright top -n melbourne-1 --watch

        edgewright top nodes -n melbourne-1

    A narrow terminal leaves columns out; `-o json` has everything.""",
)


@app.callback()
def top(
    context_: typer.Context,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    watch: Watch = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show latency against limit, replicas and rate of each ServiceDAG, the closest to its limit first."""
    context_.obj = {
        "namespace": namespace,
        "everywhere": everywhere,
        "kubeconfig": kubeconfig,
        "context": context,
    }
    if context_.invoked_subcommand is None:
        where = namespace_of(namespace, everywhere, kubeconfig, context)
        place = f"in namespace {where}" if where else "in this cluster"
        nothing = f"No ServiceDAG {place}. Try: kubectl get sdag --all-namespaces"
        dags, table = partial(_dags, namespace=where), partial(dag_table, namespace=where)
        run(_show(kubeconfig, context, watch, output, dags, table, nothing))


async def _show(
    kubeconfig: str | None,
    context: str | None,
    watch: bool,
    output: Format,
    look: Callable[["Reader"], Awaitable[list[Row]]],
    table: Callable[[list[Row]], Table],
    nothing: str,
) -> None:
    """What `look` finds, as asked for; where it finds nothing, the words `nothing`."""
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context) as api:
        if watch and output is Format.TABLE:
            await follow(lambda: look(api), list, lambda rows: drawn(table(rows)), every=WATCH_SECONDS)
            return
        rows = await look(api)
    if output is not Format.TABLE:
        dump(rows, output)
    elif rows:
        table(rows).show()
    else:
        typer.echo(nothing)


async def _dags(api: "Reader", namespace: str | None) -> list[Row]:
    from edgewright.kube import paths

    return sorted(map(dag_row, await api.items(paths.service_dags(namespace))), key=_closeness)


def dag_row(dag: Mapping[str, Any]) -> Row:
    """What a DAG asks for and gets; `used` is the share of the latency limit."""
    spec, status = dag["spec"], dag.get("status") or {}
    qos = spec.get("qos") or {}
    predicted = (status.get("predicted") or {}).get("p95Ms")
    observed = (status.get("observed") or {}).get("p95Ms")
    limit = qos.get("maxLatencyMs")
    known = [value for value in (predicted, observed) if value is not None]
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    summary = status.get("summary") or {}
    return {
        "namespace": dag["metadata"]["namespace"],
        "name": dag["metadata"]["name"],
        "predictedMs": predicted,
        "observedMs": observed,
        "limitMs": limit,
        "percentile": qos.get("percentile", 95),
        "used": round(max(known) / limit, 4) if known and limit else None,
        "placed": summary.get("placed") or "-",
        "requestsPerSecond": spec["demand"]["requestsPerSecond"],
        "ready": ready.get("status", "Unknown"),
        "reason": summary.get("ready") or ready.get("reason") or "Unknown",
    }


def _closeness(row: Row) -> tuple[bool, float, str, str]:
    """Sort key: the fullest first; what has no limit, or no prediction, last."""
    used = row["used"]
    return used is None, -(used or 0.0), row["namespace"], row["name"]


def dag_table(rows: Sequence[Row], namespace: str | None) -> Table:
    """The rows for people; `namespace` None: they are from all."""
    observed = any(row["observedMs"] is not None for row in rows)
    header = ("NAMESPACE", "DAG", "PREDICTED", "OBSERVED", "LIMIT", "USED", "", "PLACED", "RATE/S", "STATE")
    left_out = {0} if namespace else set()
    left_out |= set() if observed else {3}
    left_out |= set() if bar(0.0) else {6}
    cells = [
        (
            row["namespace"],
            row["name"],
            _number(row["predictedMs"]),
            _number(row["observedMs"]),
            "-" if row["limitMs"] is None else f"{row['limitMs']:g} p{row['percentile']:g}",
            "-" if row["used"] is None else f"{100 * row['used']:.0f} %",
            "" if row["used"] is None else bar(row["used"]),
            row["placed"],
            f"{row['requestsPerSecond']:g}",
            row["reason"],
        )
        for row in rows
    ]
    kept = [i for i in range(len(header)) if i not in left_out]
    return Table(
        [header[i] for i in kept],
        [[row[i] for i in kept] for row in cells],
        right=[kept.index(i) for i in (2, 3, 4, 5, 7, 8) if i in kept],
        wrong={row["reason"] for row in rows if row["ready"] == "False"},
        spare=("", "RATE/S", "PLACED"),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


@app.command("nodes")
def nodes(
    context_: typer.Context,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    watch: Watch = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show of each node of a region what is requested of what it has, the fullest first.

    As the region's agent counts it: of a node that regions share only this region's part; replicas of
    ServiceDAGs apart from other pods. -n names a namespace of the region; -A shows every region. A narrow
    terminal leaves columns out.
    """
    outer = context_.obj or {}
    kubeconfig, context = kubeconfig or outer.get("kubeconfig"), context or outer.get("context")
    everywhere = everywhere or bool(outer.get("everywhere"))
    where = namespace_of(namespace or outer.get("namespace"), everywhere, kubeconfig, context)
    found, nothing = (
        partial(node_rows, namespace=where),
        "The region has no node. See: kubectl get ec --all-namespaces",
    )
    run(_show(kubeconfig, context, watch, output, found, node_table, nothing))
