"""`edgewright testbed gateway`: the emulated data plane of a running testbed."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.testbed.named import DEFAULT, Name, admin, refusals

if TYPE_CHECKING:
    from edgewright.emulation.testbed import Testbed


def gateway(
    name: Name = DEFAULT,
    stop: Annotated[bool, typer.Option("--stop", help="End it instead.")] = False,
) -> None:
    """Start the emulated data plane of a running testbed, unless it runs, and print its URL.

    It answers HTTP requests for /NAMESPACE/NAME of a ServiceDAG as late as its placement would. For example:

        curl -i $(edgewright testbed gateway)/melbourne-small-1/xr-content-delivery
    """
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed import data_plane

    async def start(bed: "Testbed") -> str:
        async with await admin(bed) as api:
            return await data_plane.start(api, bed)

    with refusals():
        bed = testbed.load(name)
        if stop:
            ended = data_plane.stop(bed)
            typer.echo("The gateway has ended." if ended else "The gateway does not run: nothing to do.")
        else:
            typer.echo(asyncio.run(start(bed)))
