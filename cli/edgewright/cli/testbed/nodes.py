"""`edgewright testbed nodes`: list, cut and heal the emulated nodes."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.columns import columns
from edgewright.cli.target import Format, Output, dump
from edgewright.cli.testbed.named import DEFAULT, WRONG, Name, NodeName, admin, refusals

if TYPE_CHECKING:
    from edgewright.emulation.testbed import Testbed
    from edgewright.emulation.testbed.status import NodeView

app = typer.Typer(
    invoke_without_command=True,
    help="List the emulated nodes; `cut` takes some off the network and `heal` brings them back.",
)


@app.callback()
def nodes(context: typer.Context, name: Name = DEFAULT, output: Output = Format.TABLE) -> None:
    """List the nodes: tier, region, capacity, whether they are ready or cut."""
    context.obj = name
    if context.invoked_subcommand is not None:
        return
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.status import node_list

    with refusals():
        found = asyncio.run(node_list(testbed.load(name)))
    if output is not Format.TABLE:
        dump([node.model_dump(mode="json") for node in found], output)
        return
    columns(
        ("NODE", "TIER", "REGION", "CPU", "MEMORY", "GPU", "NPU", "RADIO", "LOCATION", "STATE"),
        [
            (
                n.name,
                n.tier,
                n.region or "-",
                n.cpu,
                n.memory,
                n.gpu,
                n.npu,
                n.radio or "-",
                n.location,
                _state(n),
            )
            for n in found
        ],
        wrong=WRONG,
    )


def _state(node: "NodeView") -> str:
    if node.cut:
        return "cut, not noticed yet" if node.ready else "cut"
    return "ready" if node.ready else "not ready"


Targets = Annotated[list[str] | None, typer.Argument(help="Names of nodes.", show_default=False)]
Percent = Annotated[
    float | None,
    typer.Option("--percent", help="Instead of names: this share of the edge nodes, chosen by --seed."),
]


@app.command()
def cut(
    context: typer.Context,
    node: Targets = None,
    percent: Percent = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the nodes of --percent.")] = 0,
    name: NodeName = None,
) -> None:
    """Cut nodes off the network: they stop renewing their Leases and nothing on them changes any more."""
    from edgewright.emulation import testbed

    if bool(node) == (percent is not None):
        raise typer.BadParameter("give the names of nodes, or --percent")
    if percent is not None and not 0 < percent <= 100:
        raise typer.BadParameter(f"--percent is {percent:g}; give more than 0 and at most 100")

    async def work(bed: "Testbed") -> list[str]:
        async with await admin(bed) as api:
            targets = list(node or [])
            if percent is not None:
                targets = testbed.nodes.sample(await testbed.nodes.edge_names(api), percent, seed)
            await testbed.nodes.cut(api, targets)
            return targets

    with refusals():
        done = asyncio.run(work(testbed.load(name or context.obj)))
    typer.echo("\n".join(f"{target} is cut" for target in done))


@app.command()
def heal(
    context: typer.Context,
    node: Targets = None,
    everything: Annotated[bool, typer.Option("--all", help="All nodes that are cut.")] = False,
    name: NodeName = None,
) -> None:
    """Bring cut nodes back: KWOK takes their Leases again, within 1 s (edge) or 10 s (production)."""
    from edgewright.emulation import testbed

    if bool(node) == everything:
        raise typer.BadParameter("give the names of nodes, or --all")

    async def work(bed: "Testbed") -> list[str]:
        async with await admin(bed) as api:
            targets = sorted(await testbed.nodes.cut_names(api)) if everything else list(node or [])
            await testbed.nodes.heal(api, targets)
            return targets

    with refusals():
        done = asyncio.run(work(testbed.load(name or context.obj)))
    typer.echo("\n".join(f"{target} is healed" for target in done) or "no node is cut")
