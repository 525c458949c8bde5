"""`edgewright why-pending`: why pods have no node, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli import complete
from edgewright.cli.columns import wrapped
from edgewright.cli.remedies import about
from edgewright.cli.target import (
    Context,
    Everywhere,
    Format,
    Kubeconfig,
    Namespace,
    Output,
    dag_name,
    dump,
    namespace_of,
    run,
)

if TYPE_CHECKING:
    from edgewright.cli.causes import Cause, Facts
    from edgewright.cli.pending import Entry
    from edgewright.kube.api import Api

SHOWN = 4
"""Names of pods before `and 5 more`."""


def why_pending(
    what: Annotated[
        str | None,
        typer.Argument(
            help="POD or sdag/NAME; everything that is pending in the namespace if left out.",
            show_default=False,
            autocompletion=complete.dags_and_pods,
        ),
    ] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say why pods have no node, cause by cause, each with what to do.

    Looks at scheduling gates and schedulerName, at the ServiceDAG's conditions and the constraints in its
    status.unplaced, at refusals by quotas, LimitRanges and other admission rules, at whether an
    EdgeController governs the namespace and whether its agent and the operator live, and at the pod's
    condition and events.

        edgewright why-pending

        edgewright why-pending sdag/xr-content-delivery -n melbourne-1

        edgewright why-pending xr-content-delivery-encode-6b5f9-x2xkp -n melbourne-1
    """
    if what and everywhere:
        raise typer.BadParameter(f"{what!r} is in one namespace; leave --all-namespaces out")
    where = namespace_of(namespace, everywhere, kubeconfig, context)
    run(_why(kubeconfig, context, where, what, output))


async def _why(
    kubeconfig: str | None, context: str | None, namespace: str | None, what: str | None, output: Format
) -> None:
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context) as api:
        found, unknown = await explained(api, namespace, what)
    if output is not Format.TABLE:
        dump({"pending": [asdict(entry) for entry in found], "unknown": unknown}, output)
        return
    for entry in found:
        _show(entry)
    if not found:
        place = f"in namespace {namespace}" if namespace else "anywhere"
        typer.echo(f"{what} has all its pods on nodes." if what else f"No pod is pending {place}.")
    for each in unknown:
        typer.secho(f"not allowed to look at {each}; the causes may be incomplete", fg="yellow", err=True)


async def explained(api: "Api", namespace: str | None, what: str | None) -> "tuple[list[Entry], list[str]]":
    """The pods (or one pod, or one DAG) with their causes, and the kinds that could not be read."""
    from edgewright.cli import pending
    from edgewright.kube import names, paths

    facts, unknown = await facts_of(api, namespace)
    waiting = [pod for pod in facts.pods if pending.waits(pod)]
    if what is None:
        return pending.entries(facts, waiting, facts.dags), unknown
    assert namespace is not None
    if "/" not in what or what.startswith(("pod/", "pods/")):
        name = what.rpartition("/")[2]
        pods = [pod for pod in facts.pods if pod["metadata"]["name"] == name]
        if pods:
            return pending.entries(facts, pods, []), unknown
        if not any(dag["metadata"]["name"] == name for dag in facts.dags):
            raise typer.BadParameter(
                f"namespace {namespace!r} has neither a pod nor a ServiceDAG {name!r}; "
                f"see: kubectl get pods,sdag -n {namespace}"
            )
    dag = await api.get(paths.service_dags(namespace, dag_name(what)))
    name = dag["metadata"]["name"]
    mine = [p for p in waiting if (p["metadata"].get("labels") or {}).get(names.LABEL_DAG) == name]
    return pending.entries(facts, mine, [dag]), unknown


async def facts_of(api: "Api", namespace: str | None) -> "tuple[Facts, list[str]]":
    """Everything that causes are looked for in, and the kinds that may not be read."""
    import asyncio

    from edgewright.cli.causes import Facts
    from edgewright.cli.reading import seen
    from edgewright.kube import names, paths

    kinds = {
        "deployments": paths.deployments(namespace),
        "events": paths.events(namespace),
        "edgecontrollers": paths.edge_controllers(),
    }
    pods, dags = await asyncio.gather(
        api.items(paths.pods(namespace)), api.items(paths.service_dags(namespace))
    )
    lists = dict(zip(kinds, await asyncio.gather(*(seen(api, p) for p in kinds.values())), strict=True))
    unknown = [kind for kind, each in lists.items() if each.unknown]
    controllers = None if lists["edgecontrollers"].unknown else lists["edgecontrollers"].items
    homes = sorted({each["metadata"]["namespace"] for each in controllers or ()})
    operator = await _holder(api, names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR)
    agents = {home: held for home in homes if (held := await _holder(api, home, names.LEASE_AGENT))}
    return Facts(
        pods=pods,
        dags=dags,
        deployments=None if lists["deployments"].unknown else lists["deployments"].items,
        events=None if lists["events"].unknown else lists["events"].items,
        governors=None if controllers is None else _governors(controllers),
        agents=agents,
        # Without any Lease there it may well run in another namespace.
        operator=operator if operator is not None and operator.exists else None,
    ), unknown


def _governors(controllers: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """EdgeController by governed namespace: the one that was granted it, else one that claims it."""
    claimed: dict[str, Mapping[str, Any]] = {}
    granted: dict[str, Mapping[str, Any]] = {}
    for each in controllers:
        asked = (each.get("spec") or {}).get("namespaces") or (each["metadata"]["namespace"],)
        claimed |= dict.fromkeys(asked, each)
        granted |= dict.fromkeys((each.get("status") or {}).get("namespaces") or (), each)
    return claimed | granted


async def _holder(api: "Api", namespace: str, name: str) -> Any:
    """Who holds a Lease; None if it may not be read."""
    from edgewright.cli.holders import holder
    from edgewright.cli.reading import FORBIDDEN
    from edgewright.kube.errors import ApiError

    try:
        return await holder(api, namespace, name)
    except ApiError as error:
        if error.status not in FORBIDDEN:
            raise
        return None


def _show(entry: "Entry") -> None:
    from edgewright.cli.tree import age

    who = f"sdag/{entry.dag}" if entry.dag else "pods of no ServiceDAG"
    since = f", for {age(entry.since)}" if entry.since else ""
    if entry.pods:
        typer.echo(f"{who} in {entry.namespace}: pods on no node: {len(entry.pods)}{since}")
        more = f" and {len(entry.pods) - SHOWN} more" if len(entry.pods) > SHOWN else ""
        typer.echo(wrapped(", ".join(entry.pods[:SHOWN]) + more, 2))
    else:
        typer.echo(f"{who} in {entry.namespace}: pods that do not exist: {entry.missing}{since}")
    for cause, microservices in _told_together(entry):
        typer.secho(f"  {cause.reason}", fg="yellow", nl=False)
        text = about(cause.message, cause.microservice) if len(microservices) > 1 else cause.message
        names = f" ({', '.join(microservices)})" if len(microservices) > 1 else ""
        typer.echo(wrapped(f": {text}{names}", 4, first=2 + len(cause.reason)))
        typer.echo(wrapped(f"to do: {cause.remedy}", 4))
    typer.echo()


def _told_together(entry: "Entry") -> "list[tuple[Cause, list[str]]]":
    """The causes, those of several microservices in the same words once, with the microservices."""
    told: dict[tuple[str, str], tuple[Cause, list[str]]] = {}
    for cause in entry.causes:
        words = (cause.reason, about(cause.message, cause.microservice))
        told.setdefault(words, (cause, []))[1].append(cause.microservice)
    return list(told.values())
