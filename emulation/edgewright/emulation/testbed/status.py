"""Looks at a testbed: its processes, its nodes and its regions."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from edgewright.emulation.testbed import data_plane, local, nodes, prometheus
from edgewright.emulation.testbed.cluster import Testbed
from edgewright.emulation.testbed.control_plane import APISERVER
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError


class View(BaseModel):
    """Frozen values that print as JSON or YAML."""

    model_config = ConfigDict(frozen=True)


class ProcessView(View):
    """A process of the testbed."""

    name: str
    pid: int
    alive: bool


class NodeView(View):
    """A node; quantities as Kubernetes writes them."""

    name: str
    tier: str
    region: str
    zone: str
    cpu: str
    memory: str
    gpu: str
    npu: str
    radio: str
    location: str
    ready: bool
    cut: bool


class NodeCount(View):
    """How many nodes there are."""

    total: int
    ready: int
    cut: int


class RegionView(View):
    """A region and who decides in it."""

    name: str
    nodes: int
    """Its own nodes, without the shared ones."""
    ready: int
    agent: str | None
    """Holder of the agent's Lease."""


class Status(View):
    """All that `edgewright testbed status` shows; `nodes` is None if the API server does not answer."""

    name: str
    phase: str
    scenario: str | None
    heartbeat: str
    created: datetime
    kubeconfig: str
    processes: list[ProcessView]
    endpoints: dict[str, str]
    """Process to where it answers over HTTP, for those that run."""
    nodes: NodeCount | None
    regions: list[RegionView]


async def status(bed: Testbed) -> Status:
    """Look at the testbed now."""
    count: NodeCount | None = None
    regions: list[RegionView] = []
    if await asyncio.to_thread(bed.control_plane.ready, APISERVER):
        async with await Api.connect(str(bed.kubeconfig)) as api:
            listed = await _views(api)
            regions = list(await asyncio.gather(*(_region(api, name, listed) for name in bed.state.regions)))
        count = NodeCount(
            total=len(listed), ready=sum(n.ready for n in listed), cut=sum(n.cut for n in listed)
        )
    return Status(
        name=bed.name,
        phase=bed.state.phase,
        scenario=bed.state.scenario,
        heartbeat=bed.state.heartbeat,
        created=bed.state.created,
        kubeconfig=str(bed.kubeconfig),
        processes=[
            ProcessView(name=p.name, pid=p.pid, alive=p.alive) for p in bed.processes if p.name != "kwokctl"
        ],
        endpoints=_endpoints(bed),
        nodes=count,
        regions=regions,
    )


def _endpoints(bed: Testbed) -> dict[str, str]:
    ports, running = bed.state.ports, {p.name for p in bed.processes if p.alive}
    suffixes = {
        local.OPERATOR: "/metrics",
        local.AGENTS: "/metrics",
        prometheus.PROMETHEUS: "",
        data_plane.GATEWAY: "",
    }
    return {
        name: f"http://127.0.0.1:{ports[name]}{suffix}"
        for name, suffix in suffixes.items()
        if name in running and name in ports
    }


async def node_list(bed: Testbed) -> list[NodeView]:
    """All nodes, by tier, region and name."""
    async with await Api.connect(str(bed.kubeconfig)) as api:
        return await _views(api)


async def _views(api: Api) -> list[NodeView]:
    cut = await nodes.cut_names(api)
    views = [_view(node, cut) for node in await api.items(paths.nodes())]
    order = {"core": 0, "controller": 1}
    return sorted(views, key=lambda view: (order.get(view.tier, 2), view.region, view.name))


def _view(node: Mapping[str, Any], cut: set[str]) -> NodeView:
    metadata, allocatable = node["metadata"], node.get("status", {}).get("allocatable", {})
    labels = metadata.get("labels", {})
    return NodeView(
        name=metadata["name"],
        tier=labels.get(names.LABEL_TIER, ""),
        region=labels.get(names.LABEL_REGION, ""),
        zone=labels.get(names.LABEL_ZONE, ""),
        cpu=allocatable.get("cpu", ""),
        memory=allocatable.get("memory", ""),
        gpu=allocatable.get(names.RESOURCE_GPU, "0"),
        npu=allocatable.get(names.RESOURCE_NPU, "0"),
        radio=labels.get(names.LABEL_RADIO, ""),
        location=metadata.get("annotations", {}).get(names.ANNOTATION_LOCATION, ""),
        ready=nodes.ready(node),
        cut=metadata["name"] in cut,
    )


async def _region(api: Api, name: str, listed: list[NodeView]) -> RegionView:
    own = [node for node in listed if node.region == name]
    try:
        lease = await api.get(paths.leases(name, names.LEASE_AGENT))
        agent = lease["spec"].get("holderIdentity") or None
    except ApiError as error:
        if error.status != 404:
            raise
        agent = None
    return RegionView(name=name, nodes=len(own), ready=sum(node.ready for node in own), agent=agent)
