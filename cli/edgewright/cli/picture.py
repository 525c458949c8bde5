"""One reading of a region through the user's own credentials: the picture that its agent decides on."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from edgewright.agents.records import DagRecord
    from edgewright.agents.region import Region
    from edgewright.kube.api import Api
    from edgewright.kube.objects import Manifest


@dataclass(frozen=True)
class Picture:
    """A region and one of its DAGs, as of now."""

    region: "Region"
    record: "DagRecord"
    now: float


async def read(api: "Api", namespace: str, name: str) -> Picture:
    """The region that governs `namespace` and the DAG `name` there.

    Raises ApiError for what cannot be read (also: no such DAG), typer.BadParameter if no EdgeController
    governs the namespace.
    """
    from edgewright.kube import paths

    await api.get(paths.service_dags(namespace, name))
    now = time.monotonic()
    [region] = await regions(api, [governor(await controllers(api), namespace)], now)
    return Picture(region, region.dags[namespace, name], now)


async def controllers(api: "Api") -> "list[Manifest]":
    """Every EdgeController, by namespace and name."""
    import msgspec

    from edgewright.kube import paths
    from edgewright.kube.objects import Manifest

    listed = [msgspec.convert(found, Manifest) for found in await api.items(paths.edge_controllers())]
    return sorted(listed, key=lambda controller: controller.metadata.key)


def governor(known: "Sequence[Manifest]", namespace: str) -> "Manifest":
    """The EdgeController that governs a namespace; typer.BadParameter if none does."""
    governing = [each for each in known if namespace in governed(each)]
    if not governing:
        raise typer.BadParameter(
            f"no EdgeController governs namespace {namespace!r}; create one there, or name the namespace in "
            "spec.namespaces of another. See: kubectl get ec --all-namespaces"
        )
    # One that the operator has not granted the namespace claims it in vain.
    return min(governing, key=lambda each: namespace not in (each.status.get("namespaces") or ()))


async def regions(api: "Api", chosen: "Sequence[Manifest]", now: float) -> "list[Region]":
    """The regions of these EdgeControllers; nodes, links and foreign load are read once for all."""
    import msgspec

    from edgewright.agents.region import Region
    from edgewright.kube import paths
    from edgewright.kube.objects import Manifest, Node, Pod

    made = [Region(controller.metadata.key, now) for controller in chosen]
    for region, controller in zip(made, chosen, strict=True):
        region.grant_changed(controller)
    spaces = [(region, space) for region in made for space in region.terrain.grant.namespaces]
    nodes, topologies, loads, *listed = await asyncio.gather(
        api.items(paths.nodes()),
        api.items(paths.edge_topologies()),
        api.items(paths.node_loads()),
        *(api.items(paths.service_dags(space)) for _, space in spaces),
        *(api.items(paths.pods(space)) for _, space in spaces),
    )
    for region in made:
        for found in nodes:
            region.node_changed(found["metadata"]["name"], msgspec.convert(found, Node))
        region.topologies_changed(topologies)
        for found in loads:
            load = msgspec.convert(found, Manifest)
            if (load.spec.get("edgeController") or {}).get("namespace") == region.key[0]:
                region.load_changed(load.metadata.name, load, now)
    for (region, _), dags, pods in zip(spaces, listed[: len(spaces)], listed[len(spaces) :], strict=True):
        for found in dags:
            dag = msgspec.convert(found, Manifest)
            region.dag_changed(dag.metadata.key, dag)
        for found in pods:
            region.pod_changed(None, msgspec.convert(found, Pod), now)
    return made


def governed(controller: "Manifest") -> tuple[str, ...]:
    """The namespaces whose DAGs an EdgeController's agent places."""
    from edgewright.agents.terrain import Grant

    return Grant.of(controller).namespaces
