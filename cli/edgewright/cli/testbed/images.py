"""`edgewright testbed images`: what the container node runs."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli.testbed.named import DEFAULT, Name, refusals

app = typer.Typer(no_args_is_help=True)


@app.callback()
def images() -> None:
    """Images of the container node (`up --containers`)."""


@app.command()
def load(
    archive: Annotated[list[Path], typer.Argument(help="Archives as `make images` or `docker save` write.")],
    name: Name = DEFAULT,
) -> None:
    """Put images into the container node, which reaches no registry.

    Pods use them by name if their imagePullPolicy is not Always.
    """
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.containers import images

    with refusals():
        layout = testbed.load(name).layout
        for given in archive:
            typer.echo("\n".join(f"{loaded} is loaded" for loaded in images.load(layout, given)))
