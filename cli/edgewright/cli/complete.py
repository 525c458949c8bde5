"""Names for the shell's completion, from the cluster; a cluster that does not answer completes nothing."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

import typer

PATIENCE = 2.0
"""Seconds that a user who pressed Tab is willing to wait."""


def dags(context: typer.Context, incomplete: str) -> list[str]:
    """ServiceDAGs of the namespace, as sdag/NAME."""
    from edgewright.kube import paths

    return [f"sdag/{name}" for name in _names(context, paths.service_dags) if _fits(name, incomplete)]


def dags_and_pods(context: typer.Context, incomplete: str) -> list[str]:
    """ServiceDAGs, as sdag/NAME, and pods of the namespace."""
    from edgewright.kube import paths

    pods = [name for name in _names(context, paths.pods) if name.startswith(incomplete)]
    return dags(context, incomplete) + pods


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Nodes."""
    from edgewright.kube import paths

    return [name for name in _names(context, lambda _: paths.nodes()) if name.startswith(incomplete)]


def namespaces(context: typer.Context, incomplete: str) -> list[str]:
    """Namespaces."""
    from edgewright.kube import paths

    return [name for name in _names(context, lambda _: paths.namespaces()) if name.startswith(incomplete)]


def regions(context: typer.Context, incomplete: str) -> list[str]:
    """Namespaces of the EdgeControllers."""
    from edgewright.kube import paths

    found = _names(context, lambda _: paths.edge_controllers(), field="namespace")
    return [name for name in found if name.startswith(incomplete)]


def _fits(name: str, incomplete: str) -> bool:
    return name.startswith(incomplete) or f"sdag/{name}".startswith(incomplete)


def _names(context: typer.Context, path: Callable[[str], str], field: str = "name") -> list[str]:
    """Names in the collection that `path` makes of the namespace given so far."""
    from edgewright.cli.target import current_namespace
    from edgewright.kube.errors import ApiError

    given = context.params
    kubeconfig, chosen = given.get("kubeconfig"), given.get("context")
    namespace = given.get("namespace") or current_namespace(kubeconfig, chosen)

    async def read() -> list[str]:
        from edgewright.cli.reading import Reader

        async with asyncio.timeout(PATIENCE), await Reader.connect(kubeconfig, chosen) as api:
            return [item["metadata"][field] for item in await api.items(path(namespace))]

    try:
        return sorted(set(asyncio.run(read())))
    except (ApiError, TimeoutError):
        return []


def kubectl() -> None:
    """Entry point of `kubectl_complete-edgewright`: what kubectl asks when Tab is pressed after it."""
    from edgewright.cli.main import app

    words = ["edgewright", *(sys.argv[1:] or [""])]
    os.environ |= {
        "_EDGEWRIGHT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    with contextlib.suppress(SystemExit):
        app(prog_name="edgewright")
    typer.echo("\n:4")  # cobra's directive: do not complete file names
