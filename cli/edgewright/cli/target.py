"""Options that every command shares, and how a ServiceDAG is named on the command line."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from edgewright.cli import complete

T = TypeVar("T")

Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        envvar="KUBECONFIG",
        help="Kubeconfig file; else the usual places.",
        show_default=False,
    ),
]
Context = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig.", show_default="the current one")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace of the DAG.",
        show_default="the context's own",
        autocompletion=complete.namespaces,
    ),
]
OperatorNamespace = Annotated[
    str,
    typer.Option(
        "--operator-namespace",
        help="Namespace that the operator runs in.",
        autocompletion=complete.namespaces,
    ),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow changes until interrupted.")]


class Format(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")]


def dag_name(text: str) -> str:
    """`xr` out of `xr`, `sdag/xr` or `servicedag/xr`; a BadParameter for anything else."""
    kind, slash, name = text.rpartition("/")
    if slash and kind.lower() not in {"sdag", "servicedag", "servicedags", "servicedags.edgewright.dev"}:
        raise typer.BadParameter(f"{text!r} names a {kind!r}; only ServiceDAGs can be shown, as sdag/NAME")
    if not name:
        raise typer.BadParameter(f"{text!r} has no name; write sdag/NAME")
    return name


def current_namespace(kubeconfig: str | None, context: str | None) -> str:
    """Namespace of the context, `default` where it has none or the file cannot be read."""
    import yaml

    path = Path(kubeconfig or os.environ.get("KUBECONFIG", "") or Path.home() / ".kube" / "config")
    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError):
        return "default"
    wanted = context or config.get("current-context")
    for entry in config.get("contexts") or []:
        if entry.get("name") == wanted:
            return str(entry.get("context", {}).get("namespace") or "default")
    return "default"


def namespace_of(
    namespace: str | None, everywhere: bool, kubeconfig: str | None, context: str | None
) -> str | None:
    """The namespace to look at, None for all; a BadParameter if the user names one and asks for all."""
    if namespace and everywhere:
        raise typer.BadParameter("give --namespace or --all-namespaces, not both")
    return None if everywhere else namespace or current_namespace(kubeconfig, context)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; a refusal of the API server ends it with one line and exit status 1."""
    from edgewright.kube.errors import ApiError

    try:
        return asyncio.run(work)
    except ApiError as error:
        typer.secho(f"error: {error}", fg="red" if sys.stderr.isatty() else None, err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def dump(value: Any, output: Format) -> None:
    """Print a plain value as JSON or YAML."""
    import json

    import yaml

    text = json.dumps(value, indent=2)
    if output is Format.YAML:  # of what JSON made of enumerations and tuples
        text = yaml.safe_dump(json.loads(text), sort_keys=False)
    typer.echo(text.rstrip())
