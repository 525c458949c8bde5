"""What a check found, and the cluster as checks read it: each list once, by the user's own rights."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edgewright.cli.holders import Holder, holder
from edgewright.cli.reading import found
from edgewright.kube import manifests, paths
from edgewright.kube.api import Api
from edgewright.kube.names import OPERATOR_NAMESPACE

Object = Mapping[str, Any]
SHOWN = 4
_TELLTALES: Mapping[str, tuple[str, None, str]] = {
    "crds": ("CustomResourceDefinition", None, "servicedags.edgewright.dev"),
    "rbac": ("ClusterRole", None, "edgewright-operator"),
    "admission": ("ClusterRole", None, "edgewright-operator"),
}
"""Objects whose annotations tell whether Helm installed what is in a folder."""


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """It could not be looked at."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    level: Level
    message: str
    mend: str = ""
    """The command, or the deed, that mends it."""


class Cluster:
    """Reads the API server; a refused read is an ApiError in every check that needs it."""

    def __init__(self, api: Api, namespace: str = OPERATOR_NAMESPACE) -> None:
        self.api = api
        self.namespace = namespace
        """Where the operator runs."""
        self._lists: dict[str, asyncio.Task[list[dict[str, Any]]]] = {}

    async def items(self, path: str) -> list[dict[str, Any]]:
        """A collection as it was when it was first asked for."""
        if path not in self._lists:
            self._lists[path] = asyncio.create_task(self.api.items(path))
        return await self._lists[path]

    async def controllers(self) -> list[dict[str, Any]]:
        """Every EdgeController, by namespace and name."""
        return sorted(await self.items(paths.edge_controllers()), key=key)

    async def object(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """One object, None if it does not exist."""
        return await found(self.api, paths.of_object(kind, namespace, name))

    async def install(self, folder: str) -> str:
        """The command that applies one of the manifests' folders again, in the way it was installed."""
        live = await self.object(*_TELLTALES[folder])
        annotations = (live or {}).get("metadata", {}).get("annotations") or {}
        release = annotations.get("meta.helm.sh/release-name")
        if release is None:
            return f"kubectl apply --server-side --force-conflicts -k {manifests.folder() / folder}"
        namespace = annotations["meta.helm.sh/release-namespace"]
        chart = "charts/edgewright-crds" if folder == "crds" else "charts/edgewright"
        return (
            f"helm upgrade {release} {chart} --namespace {namespace} --reset-then-reuse-values "
            "--force-conflicts"
        )

    async def holder(self, namespace: str, name: str) -> Holder:
        """Who holds a Lease."""
        return await holder(self.api, namespace, name)


Check = Callable[[Cluster], Awaitable[list[Finding]]]


def ok(message: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, message)


def warning(message: str, mend: str = "") -> Finding:
    """It works, but not as well as it might."""
    return Finding(Level.WARNING, message, mend)


def problem(message: str, mend: str = "") -> Finding:
    """Something does not work."""
    return Finding(Level.PROBLEM, message, mend)


def key(item: Object) -> tuple[str, str]:
    """(namespace, name)."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more."""
    every = sorted(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
