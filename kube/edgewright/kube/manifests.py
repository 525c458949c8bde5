"""The manifests that ship with the package: where they are, what they hold, and how they are installed."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.names import NAMESPACE_NODE_LEASE

INSTALLED = ("crds", "rbac", "admission")
"""Folders that a cluster needs, in the order in which they are applied."""


def folder() -> Path:
    """The folder `manifests`, inside the installed package or at the top of a checkout.

    Raises FileNotFoundError naming both places.
    """
    here = Path(__file__).resolve().parent
    candidates = (here / "manifests", here.parents[2] / "manifests")
    for candidate in candidates:
        if (candidate / "crds").is_dir():
            return candidate
    raise FileNotFoundError(f"manifests are neither in {candidates[0]} nor in {candidates[1]}")


def objects(name: str) -> Iterator[dict[str, Any]]:
    """The objects in the YAML files of one of the manifests' folders, in the order of the file names."""
    for file in sorted((folder() / name).glob("*.yaml")):
        if file.name != "kustomization.yaml":
            documents = yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            yield from (item for item in documents if item)


async def install(api: Api, *, manager: str = "edgewright-install", seconds: float = 30.0) -> None:
    """Apply CRDs, wait until the API server serves them, then roles and admission policies.

    Applying again changes nothing; subjects that the operator wrote stay. Raises ApiError, and TimeoutError
    naming what does not exist after `seconds`.
    """
    definitions = list(objects("crds"))
    await asyncio.gather(*(apply(api, item, manager=manager) for item in definitions))
    await asyncio.gather(*(_served(api, item, seconds) for item in definitions))
    await _found(api, paths.namespaces(NAMESPACE_NODE_LEASE), seconds)
    rest = [item for name in INSTALLED[1:] for item in objects(name)]
    for namespace in (item for item in rest if item["kind"] == "Namespace"):
        await apply(api, namespace, manager=manager)
    await asyncio.gather(*(apply(api, item, manager=manager) for item in rest if item["kind"] != "Namespace"))


async def apply(
    api: Api, item: Mapping[str, Any], *, manager: str, namespace: str | None = None
) -> dict[str, Any]:
    """Server-side apply of one object, in its own namespace or else in `namespace`.

    Raises KeyError for a kind that `paths.of_object` does not know, and ApiError.
    """
    metadata = item["metadata"]
    path = paths.of_object(item["kind"], metadata.get("namespace", namespace), metadata["name"])
    return await api.apply(path, item, manager=manager)


async def _served(api: Api, definition: Mapping[str, Any], seconds: float) -> None:
    spec = definition["spec"]
    collection = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    await _found(api, collection, seconds)


async def _found(api: Api, path: str, seconds: float) -> None:
    """Wait until something exists that the API server is about to make."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await api.get(path, limit="1")
        except ApiError as error:
            if error.status not in {404, 503}:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} does not exist after {seconds:g} s: {error}") from error
            await asyncio.sleep(0.05)
        else:
            return
