"""Installs what a cluster needs before Edgewright runs in it: CRDs, RBAC, policies, nodes and regions."""

import asyncio
from typing import TYPE_CHECKING, Any

from edgewright.emulation.testbed import nodes, objects
from edgewright.kube import manifests
from edgewright.kube.api import Api

if TYPE_CHECKING:
    from edgewright.emulation.city import City

MANAGER = "edgewright-testbed"


async def rights(api: Api) -> None:
    """Apply CRDs and wait until they are served, then roles and admission policies."""
    await manifests.install(api, manager=MANAGER)


async def apply(api: Api, item: dict[str, Any]) -> None:
    """Server-side apply of one object."""
    await manifests.apply(api, item, manager=MANAGER)


async def fleet(api: Api, city: "City", *, taint_all: bool = False) -> None:
    """Create the city's nodes and wait until all are Ready; `taint_all` keeps others off the core too."""
    await nodes.create(api, (objects.node(city, node, taint=taint_all) for node in city.nodes))
    await nodes.wait_ready(api, (node.name for node in city.nodes))


async def links(api: Api, city: "City") -> None:
    """Create the city's EdgeTopology."""
    await asyncio.gather(*(apply(api, item) for item in objects.edge_topologies(city)))


async def regions(api: Api, city: "City") -> tuple[str, ...]:
    """Create each region's namespace, the operator's rights in it and its EdgeController; the names."""
    await asyncio.gather(*(apply(api, objects.namespace(region)) for region in city.regions))
    await asyncio.gather(*(apply(api, objects.operator_role(region)) for region in city.regions))
    await asyncio.gather(*(apply(api, objects.edge_controller(city, region)) for region in city.regions))
    return tuple(region.name for region in city.regions)
