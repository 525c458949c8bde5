"""What every command of a testbed needs: its name, its administrator, and refusals of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgewright.emulation.testbed import Testbed

DEFAULT = "edgewright"
WRONG = ("ended", "none", "cut", "cut, not noticed yet", "not ready")
"""States that are shown in red."""
Name = Annotated[
    str, typer.Option("--name", help="Name of the testbed: lower-case letters, digits and hyphens.")
]
NodeName = Annotated[str | None, typer.Option("--name", help="Name of the testbed.", show_default=DEFAULT)]


async def admin(bed: "Testbed") -> Any:
    """A connection with all rights."""
    from edgewright.kube.api import Api

    return await Api.connect(str(bed.kubeconfig))


@contextmanager
def refusals() -> Iterator[None]:
    """What the testbed or its API server refuses is one line and exit status 1, not a traceback."""
    from edgewright.emulation.scenario import ScenarioError
    from edgewright.emulation.testbed import TestbedError
    from edgewright.kube.errors import ApiError

    try:
        yield
    except (TestbedError, ScenarioError, ApiError) as refusal:
        typer.secho(f"error: {refusal}", fg="red", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
