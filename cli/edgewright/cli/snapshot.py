"""One reading of a region through the user's own credentials: the picture that its agent decides on."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from edgewright.agents.records import DagRecord
    from edgewright.agents.region import Region
    from edgewright.kube.api import Api


@dataclass(frozen=True)
class Snapshot:
    """A region and one of its DAGs, as of now."""

    region: "Region"
    record: "DagRecord"
    now: float


async def read(api: "Api", namespace: str, name: str) -> Snapshot:
    """The region that governs `namespace` and the DAG `name` there.

    Raises ApiError for what cannot be read (also: no such DAG), typer.BadParameter if no EdgeController
    governs the namespace.
    """
    import msgspec

    from edgewright.agents.region import Region
    from edgewright.kube import paths
    from edgewright.kube.objects import Manifest, Node, Pod

    await api.get(paths.service_dags(namespace, name))
    controllers = [msgspec.convert(found, Manifest) for found in await api.items(paths.edge_controllers())]
    governing = next((c for c in controllers if namespace in _governed(c)), None)
    if governing is None:
        raise typer.BadParameter(
            f"no EdgeController governs namespace {namespace!r}; create one there, or name the namespace in "
            "spec.namespaces of another. See: kubectl get ec --all-namespaces"
        )
    now = time.monotonic()
    region = Region((governing.metadata.namespace, governing.metadata.name), now)
    region.grant_changed(governing)
    spaces = region.terrain.grant.namespaces
    nodes, topologies, loads, *listed = await asyncio.gather(
        api.items(paths.nodes()),
        api.items(paths.edge_topologies()),
        api.items(paths.node_loads()),
        *(api.items(paths.service_dags(space)) for space in spaces),
        *(api.items(paths.pods(space)) for space in spaces),
    )
    for found in nodes:
        region.node_changed(found["metadata"]["name"], msgspec.convert(found, Node))
    region.topologies_changed(topologies)
    for found in loads:
        load = msgspec.convert(found, Manifest)
        if (load.spec.get("edgeController") or {}).get("namespace") == region.key[0]:
            region.load_changed(load.metadata.name, load, now)
    dags, pods = listed[: len(spaces)], listed[len(spaces) :]
    for found in _flat(dags):
        dag = msgspec.convert(found, Manifest)
        region.dag_changed((dag.metadata.namespace, dag.metadata.name), dag)
    for found in _flat(pods):
        region.pod_changed(None, msgspec.convert(found, Pod), now)
    return Snapshot(region, region.dags[namespace, name], now)


def _governed(controller: Any) -> tuple[str, ...]:
    named = controller.status.get("namespaces") or controller.spec.get("namespaces")
    return tuple(named or (controller.metadata.namespace,))


def _flat(lists: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [found for each in lists for found in each]
