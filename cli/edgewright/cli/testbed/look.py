"""`edgewright testbed status` and `kubeconfig`."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.columns import columns
from edgewright.cli.target import Format, Output, dump
from edgewright.cli.testbed.named import DEFAULT, WRONG, Name, refusals

if TYPE_CHECKING:
    from edgewright.emulation.testbed.status import Status


def status(name: Name = DEFAULT, output: Output = Format.TABLE) -> None:
    """Show which processes run, how many nodes are ready, and the regions."""
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.status import status as look

    with refusals():
        found = asyncio.run(look(testbed.load(name)))
    if output is not Format.TABLE:
        dump(found.model_dump(mode="json"), output)
        return
    _show_status(found)


def _show_status(found: "Status") -> None:
    typer.echo(
        f"Testbed {found.name!r}: scenario {found.scenario}, {found.heartbeat} heartbeats, {found.phase}, "
        f"since {found.created:%Y-%m-%d %H:%M} UTC\nkubeconfig {found.kubeconfig}\n"
    )
    columns(
        ("PROCESS", "PID", "STATE"),
        [(p.name, str(p.pid), "running" if p.alive else "ended") for p in found.processes],
        wrong=WRONG,
    )
    if found.endpoints:
        typer.echo()
        columns(("ENDPOINT", "ADDRESS"), list(found.endpoints.items()))
    if found.nodes is None:
        typer.echo("\nthe API server does not answer")
        return
    typer.echo(f"\n{found.nodes.ready} of {found.nodes.total} nodes ready, {found.nodes.cut} cut")
    if found.regions:
        typer.echo()
        columns(
            ("REGION", "NODES", "READY", "AGENT"),
            [(r.name, str(r.nodes), str(r.ready), r.agent or "none") for r in found.regions],
            wrong=WRONG,
        )


def kubeconfig(
    name: Name = DEFAULT,
    raw: Annotated[bool, typer.Option("--raw", help="Print the file's content, not its path.")] = False,
) -> None:
    """Print the path of the administrator's kubeconfig, as for `export KUBECONFIG=$(...)`."""
    from edgewright.emulation import testbed

    with refusals():
        path = testbed.load(name).kubeconfig
        typer.echo(path.read_text().rstrip() if raw else str(path))
