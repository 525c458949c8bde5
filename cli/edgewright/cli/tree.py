"""`edgewright tree`: a DAG, its microservices, their calls and their replicas, live if asked."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli import complete
from edgewright.cli.follow import follow
from edgewright.cli.target import (
    Context,
    Format,
    Kubeconfig,
    Namespace,
    Output,
    Watch,
    current_namespace,
    dag_name,
    dump,
    run,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewright.kube.api import Api


def tree(
    dag: Annotated[
        str | None,
        typer.Argument(
            help="sdag/NAME; every DAG of the namespace if left out.", autocompletion=complete.dags
        ),
    ] = None,
    namespace: Namespace = None,
    watch: Watch = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show a DAG as a tree: microservices in call order, each replica with its node and age."""
    where = namespace or current_namespace(kubeconfig, context)
    name = dag_name(dag) if dag else None
    run(_tree(kubeconfig, context, where, name, watch, output))


async def _tree(
    kubeconfig: str | None, context: str | None, namespace: str, name: str | None, watch: bool, output: Format
) -> None:
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context) as api:
        if watch and output is Format.TABLE:
            await follow(lambda: read(api, namespace, name), _plain, _draw)
            return
        found = await read(api, namespace, name)
        if output is not Format.TABLE:
            dump(_plain(found), output)
            return
        from rich.console import Console

        console = Console()
        if not found:
            console.print(f"No ServiceDAG in namespace {namespace}. Try: kubectl get sdag --all-namespaces")
        for d, pods in found:
            console.print(render(d, pods))


Found = list[tuple[dict[str, Any], list[dict[str, Any]]]]
"""ServiceDAGs, each with its pods."""


def _plain(found: Found) -> list[dict[str, Any]]:
    return [summary(dag, pods) for dag, pods in found]


def _draw(found: Found) -> "RenderableType":
    from rich.console import Group

    return Group(*(render(dag, pods) for dag, pods in found))


async def read(api: "Api", namespace: str, name: str | None) -> Found:
    """(ServiceDAG, its pods) of one DAG or of all in the namespace, by name."""
    from edgewright.kube import names, paths

    dags = (
        [await api.get(paths.service_dags(namespace, name))]
        if name
        else await api.items(paths.service_dags(namespace))
    )
    selector = names.LABEL_DAG + (f"={name}" if name else "")
    pods = await api.items(paths.pods(namespace), labelSelector=selector)
    own: dict[str, list[dict[str, Any]]] = {d["metadata"]["name"]: [] for d in dags}
    for pod in pods:
        own.get(pod["metadata"]["labels"][names.LABEL_DAG], []).append(pod)
    return [(d, own[d["metadata"]["name"]]) for d in sorted(dags, key=lambda d: str(d["metadata"]["name"]))]


def summary(dag: dict[str, Any], pods: list[dict[str, Any]]) -> dict[str, Any]:
    """The tree as plain data: each microservice with its calls and replicas."""
    from edgewright.kube.names import LABEL_MICROSERVICE

    spec = dag["spec"]
    replicas: dict[str, list[dict[str, Any]]] = {m["name"]: [] for m in spec["microservices"]}
    for pod in sorted(pods, key=lambda p: str(p["metadata"]["name"])):
        microservice = pod["metadata"]["labels"].get(LABEL_MICROSERVICE, "")
        replicas.setdefault(microservice, []).append(
            {
                "pod": pod["metadata"]["name"],
                "node": pod["spec"].get("nodeName"),
                "state": _state(pod),
                "created": pod["metadata"]["creationTimestamp"],
            }
        )
    conditions = {c["type"]: c for c in dag.get("status", {}).get("conditions", [])}
    ready = conditions.get("Ready", {})
    calls = spec.get("invocations") or []
    return {
        "namespace": dag["metadata"]["namespace"],
        "name": dag["metadata"]["name"],
        "ready": ready.get("status", "Unknown"),
        "reason": ready.get("reason", ""),
        "message": ready.get("message", ""),
        "latency": dag.get("status", {}).get("summary", {}).get("latency", ""),
        "microservices": [
            {"name": m, "calls": [c["to"] for c in calls if c["from"] == m], "replicas": found}
            for m, found in replicas.items()
        ],
    }


def _state(pod: dict[str, Any]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return (
        "Ready" if conditions.get("Ready") == "True" else str(pod.get("status", {}).get("phase", "Unknown"))
    )


def render(dag: dict[str, Any], pods: list[dict[str, Any]]) -> "RenderableType":
    """The tree for a terminal."""
    from rich.text import Text
    from rich.tree import Tree

    data = summary(dag, pods)
    mark, style = ("✓", "green") if data["ready"] == "True" else ("✗", "red")
    head = Text.assemble(
        (f"{mark} ", style), (data["name"], "bold"), f"  {data['reason']}", (f"  {data['latency']}", "cyan")
    )
    root = Tree(head)
    for microservice in data["microservices"]:
        calls = f"  → {', '.join(microservice['calls'])}" if microservice["calls"] else ""
        branch = root.add(Text.assemble((microservice["name"], "bold"), (calls, "dim")))
        for replica in microservice["replicas"]:
            colour = {"Ready": "green", "Terminating": "dim", "Pending": "yellow"}.get(replica["state"], "")
            node = replica["node"] or "no node"
            branch.add(
                Text.assemble(
                    replica["pod"],
                    "  ",
                    (node, "cyan"),
                    "  ",
                    (replica["state"], colour),
                    f"  {age(replica['created'])}",
                )
            )
    return root


def age(created: str) -> str:
    """`42s`, `7m`, `3h` or `2d` since an RFC 3339 time."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"
