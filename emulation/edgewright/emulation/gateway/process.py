"""The gateway process: watches the cluster, keeps the plane current, and listens."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from edgewright.core.draws import draw
from edgewright.core.load import infrastructure, use_of
from edgewright.core.problem import PlacedDag
from edgewright.core.routes import compile_substrate
from edgewright.core.service import Demand, Invocation, Microservice, ServiceDag
from edgewright.core.substrate import Node
from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.picture import Picture
from edgewright.emulation.gateway.plane import Plane
from edgewright.emulation.gateway.server import Connection
from edgewright.emulation.gateway.timers import RealTimers
from edgewright.kube import names, objects, paths
from edgewright.kube.api import Api
from edgewright.kube.reflector import Kind, Reflector

GATHER = 0.05
"""Seconds in which changes are gathered before they are taken over together."""
_GARBAGE = 50_000
"""Objects made since the last collection that start the next one."""
_log = logging.getLogger(__name__)
T = TypeVar("T", bound=objects.Resource)


@dataclass(frozen=True)
class Settings:
    """What a gateway is told at its start."""

    host: str = "127.0.0.1"
    port: int = 8088
    kubeconfig: str | None = None
    context: str | None = None
    seed: int = 0
    """Of the requests' fates."""


async def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT; ApiError without a cluster, OSError without the port."""
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with await Api.connect(settings.kubeconfig, settings.context) as api, run(api, settings):
        await stop.wait()


@contextlib.asynccontextmanager
async def run(api: Api, settings: Settings) -> AsyncIterator[Desk]:
    """Watch and listen while the block runs; it begins when the gateway is ready."""
    rehearse()
    timers, plane = RealTimers(), Plane(settings.seed)
    desk, follower = Desk(plane, timers), Follower(api, plane)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(desk, lambda: follower.synced), settings.host, settings.port
    )
    watches = [asyncio.create_task(reflector.run()) for reflector in follower.reflectors]
    try:
        await asyncio.gather(*(reflector.wait_synced(3600.0) for reflector in follower.reflectors))
        follower.take_over()
        steady()
        _log.info("serving %d ServiceDAGs on %s:%d", len(plane.lines), settings.host, settings.port)
        yield desk
    finally:
        server.close()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        timers.close()


class Follower:
    """Tells the plane what the watches tell the picture."""

    def __init__(self, api: Api, plane: Plane) -> None:
        self._plane = plane
        self._picture = picture = Picture()
        self._planned = False
        self._topologies = Reflector(
            api, paths.edge_topologies(), objects.Manifest, self._heard(self._topology_changed)
        )
        leases = paths.leases(names.NAMESPACE_NODE_LEASE)
        self.reflectors: tuple[Reflector[Any], ...] = (
            Reflector(
                api,
                paths.nodes(),
                objects.Node,
                self._heard(lambda k, _, new: picture.node_changed(k[1], new)),
            ),
            Reflector(
                api, leases, objects.Lease, self._heard(lambda k, _, new: picture.lease_changed(k[1], new))
            ),
            self._topologies,
            Reflector(
                api,
                paths.edge_controllers(),
                objects.Manifest,
                self._heard(lambda k, _, new: picture.controller_changed(k, new)),
            ),
            Reflector(
                api,
                paths.service_dags(),
                objects.Manifest,
                self._heard(lambda k, _, new: picture.dag_changed(k, new)),
            ),
            Reflector(
                api, paths.pods(), objects.Pod, self._heard(lambda _, old, new: picture.pod_changed(old, new))
            ),
        )

    @property
    def synced(self) -> bool:
        """Whether everything was listed once."""
        return all(reflector.synced.is_set() for reflector in self.reflectors)

    def take_over(self) -> None:
        """Show the plane the picture if it changed; what cannot be understood leaves the plane as it is."""
        self._planned = False
        if not self._picture.changed:
            return
        try:
            self._plane.show(self._picture.scene())
        except ValueError:
            _log.exception("the cluster's state makes no sense; the gateway goes on with the one before")

    def _heard(
        self, tell: Callable[[tuple[str, str], T | None, T | None], None]
    ) -> Callable[[Kind, tuple[str, str], T | None, T | None], None]:
        def event(kind: Kind, key: tuple[str, str], old: T | None, new: T | None) -> None:
            tell(key, old, new)
            if self._picture.changed and not self._planned and self.synced:
                self._planned = True
                asyncio.get_running_loop().call_later(GATHER, self.take_over)

        return event

    def _topology_changed(
        self, key: tuple[str, str], old: objects.Manifest | None, new: objects.Manifest | None
    ) -> None:
        self._picture.topologies_changed(
            [msgspec.to_builtins(each) for each in self._topologies.store.values()]
        )


def steady() -> None:
    """Keep garbage collections short: what is there now stays, and looking at it would make answers late."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 100)


def rehearse() -> None:
    """Draw for a made-up DAG, which loads the model's machine code, or compiles it (a minute, once)."""
    request = (0.5, 1e8, 0.0, 0.0, 0.0, 1.0)
    dag = ServiceDag(
        namespace="rehearsal",
        name="rehearsal",
        microservices=(Microservice("a", request, 1e6), Microservice("b", request, 1e6)),
        invocations=(Invocation("a", "b", 1e5),),
        demand=Demand(10.0, 1e5, 1e5),
    )
    nodes = [Node(name, (4.0, 8e9, 0.0, 0.0, 0.0, 110.0)) for name in ("a", "b")]
    substrate = compile_substrate(nodes)
    use = use_of(PlacedDag(dag, np.array([0, 1], np.int32), np.array([0, 1], np.int32)), substrate)
    idle = np.zeros(len(substrate.station_capacity))
    random = np.random.default_rng(0)
    draw(use, infrastructure(substrate), rate=10.0, rho=idle, backlog=idle, count=4, random=random)
