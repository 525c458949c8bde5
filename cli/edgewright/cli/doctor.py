"""`edgewright doctor`: looks an installation over and says what to mend."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from edgewright.cli.columns import wrapped
from edgewright.cli.target import Context, Format, Kubeconfig, OperatorNamespace, Output, dump, run
from edgewright.kube.names import OPERATOR_NAMESPACE

if TYPE_CHECKING:
    from edgewright.cli.checks.finding import Check, Cluster, Finding

Report = list[tuple[str, "Finding"]]
"""(check, what it found)."""
UNAUTHORISED = 401
MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red"), "unknown": ("?", "blue")}


def doctor(
    operator_namespace: OperatorNamespace = OPERATOR_NAMESPACE,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Check an installation: one line per check, and for what is wrong the command that mends it.

    Looks at the API server, the custom resources, admission policies and RBAC against the manifests of this
    version, the operator's and the agents' Leases and rights, EdgeControllers, nodes, links, foreign load,
    ServiceDAGs, pods stuck on lost nodes, versions, and clocks. It only reads, with your own rights: what you
    may not read is reported as such. Exit status 1 if there is a problem, else 0.
    """
    report = run(_examine(kubeconfig, context, operator_namespace))
    if output is Format.TABLE:
        _show(report)
    else:
        dump(
            [
                {"check": name, "level": str(f.level), "message": f.message, "mend": f.mend}
                for name, f in report
            ],
            output,
        )
    if any(found.level == "problem" for _, found in report):
        raise typer.Exit(1)


def checks() -> "Mapping[str, Check]":
    """Every check by its name, in the order in which causes come before effects."""
    from edgewright.cli.checks import installation, processes, surroundings
    from edgewright.cli.version import fit

    return {
        "API server": installation.api_server,
        "clocks": surroundings.clock,
        "CRDs": installation.crds,
        "admission": installation.admission,
        "RBAC": installation.rbac,
        "versions": fit,
        "operator": processes.operator,
        "operator's rights": processes.operator_rights,
        "EdgeControllers": processes.controllers,
        "agents": processes.agents,
        "agents' rights": processes.agent_rights,
        "nodes": surroundings.nodes,
        "links": surroundings.topology,
        "foreign load": surroundings.loads,
        "ServiceDAGs": surroundings.dags,
        "lost pods": surroundings.stuck,
    }


async def _examine(kubeconfig: str | None, context: str | None, namespace: str) -> Report:
    from edgewright.cli.checks.finding import Cluster
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context, timeout=10.0) as api:
        return await examine(Cluster(api, namespace))


async def examine(cluster: "Cluster") -> Report:
    """Run every check; an API server that answers nobody, or not this user, is the only finding."""
    from edgewright.cli.checks.finding import problem
    from edgewright.kube.errors import ApiError

    every = checks()
    try:
        await cluster.api.get("/version")
    except ApiError as error:
        if error.unanswered:
            return [(next(iter(every)), problem(str(error), "is the cluster up, and the kubeconfig right?"))]
        if error.status == UNAUTHORISED:
            return [(next(iter(every)), problem(str(error), "renew the credentials in the kubeconfig"))]
    found = await asyncio.gather(*(_ask(cluster, check) for check in every.values()))
    return [(name, each) for name, findings in zip(every, found, strict=True) for each in findings]


async def _ask(cluster: "Cluster", check: "Check") -> "list[Finding]":
    """What a check finds, or why it cannot look."""
    from edgewright.cli.checks.finding import Finding, Level, problem
    from edgewright.cli.reading import FORBIDDEN, MISSING
    from edgewright.kube.errors import ApiError

    try:
        return await check(cluster)
    except ApiError as error:
        if error.status in FORBIDDEN:
            return [Finding(Level.UNKNOWN, f"not allowed to look: {error.message}")]
        if error.status == MISSING:
            return [Finding(Level.UNKNOWN, "cannot be looked at: the kind is not installed (see CRDs)")]
        return [problem(str(error), "ask again; if it stays, see the API server's log")]


def _show(report: Report) -> None:
    width = max(len(name) for name, _ in report)
    before = ""
    mends = [(name, found.mend) for name, found in report]
    for i, (name, found) in enumerate(report):
        mark, colour = MARKS[found.level]
        typer.secho(f"{mark} {(name if name != before else '').ljust(width)}  ", fg=colour, nl=False)
        typer.echo(wrapped(found.message, width + 4, first=width + 4))
        # Told once for all that it mends, and never broken into lines: it is there to be copied.
        if found.mend and mends[i + 1 : i + 2] != [mends[i]]:
            typer.echo(f"  {' ' * width}  mend: {found.mend}")
        before = name
    counts = {level: sum(found.level == level for _, found in report) for level in MARKS}
    said = ", ".join(
        f"{count} {level if level in {'ok', 'unknown'} or count == 1 else level + 's'}"
        for level, count in counts.items()
        if count
    )
    typer.echo(f"\n{said}")
