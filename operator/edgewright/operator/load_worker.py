"""Writes NodeLoad objects: changed chunks at most once a second, the others as signs of life."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.names import LABEL_MANAGED_BY, MANAGED_BY, MANAGER_OPERATOR
from edgewright.kube.quantities import parse
from edgewright.operator.claims import Claim, Key
from edgewright.operator.foreign_load import RegionLoad, requested_elsewhere
from edgewright.operator.perform import Performer
from edgewright.operator.world import World

INTERVAL = 1.0
"""Least seconds between two rounds of writes."""
DEAF = 90.0
"""Seconds without a word on the pod watch (bookmarks come every minute) after which nothing is confirmed."""


class LoadWorker:
    """Work on the NodeLoads of all regions."""

    def __init__(self, api: Api, world: World, performer: Performer, *, refresh: float) -> None:
        self._api, self._world, self._performer, self._refresh = api, world, performer, refresh
        self._regions: dict[Key, RegionLoad] = {}
        self._claims: dict[Key, Claim] = {}
        self._round = float("-inf")
        self._cleaned = False

    async def work(self) -> float:
        """Write what is due; returns the seconds until the next round."""
        moment = time.monotonic()
        if moment < self._round + INTERVAL:
            return self._round + INTERVAL - moment
        self._round = moment
        self._take_over()
        if not self._cleaned:
            await self._clean()
        pods = self._world.pods
        if pods.last_error is not None or moment - pods.last_heard() > DEAF:
            return INTERVAL
        due = {key: load.due(moment - self._refresh) for key, load in self._regions.items()}
        elsewhere = self._elsewhere() if any(0 in chunks for chunks in due.values()) else {}
        for key, chunks in due.items():
            await self._write(self._regions[key], chunks, elsewhere.get(key, 0.0), moment)
        again = [when + self._refresh for load in self._regions.values() for when in load.written.values()]
        return max(INTERVAL, min(again, default=moment + self._refresh) - time.monotonic())

    def _take_over(self) -> None:
        """Update the chunks from the ledger: changed nodes only, all nodes when the claims changed."""
        world = self._world
        claims = world.claims
        changed, world.ledger.changed = world.ledger.changed, set()
        if claims is not self._claims:
            previous, self._claims = self._claims, claims
            for claim in (*previous.values(), *claims.values()):
                changed |= claim.owned | claim.shared.keys()
            for key in self._regions.keys() - claims.keys():
                del self._regions[key]
                self._cleaned = False
        governed = frozenset(namespace for claim in claims.values() for namespace in claim.namespaces)
        for key, claim in claims.items():
            if key in world.controllers and claim.rival is None:
                load = self._regions.setdefault(key, RegionLoad(key))
                load.update(world.ledger, claim, governed, changed, world.controllers[key].resource_names)

    def _elsewhere(self) -> dict[Key, float]:
        nodes = self._world.nodes.store.values()
        cores = {node.metadata.name: parse(node.status.allocatable.get("cpu", 0)) for node in nodes}
        return requested_elsewhere(self._world.ledger, self._claims, cores)

    async def _write(self, load: RegionLoad, chunks: Sequence[int], elsewhere: float, moment: float) -> None:
        for chunk in chunks:
            self._performer.check_leading()
            path = paths.node_loads(load.name(chunk))
            if load.empty(chunk):
                await self._api.delete(path, missing_ok=True)
                load.written.pop(chunk, None)
            else:
                await self._api.apply(path, load.body(chunk, _stamp(), elsewhere), manager=MANAGER_OPERATOR)
                load.written[chunk] = moment
            load.dirty.discard(chunk)

    async def _clean(self) -> None:
        """Delete NodeLoads of regions and chunks that are no more."""
        wanted = {load.name(chunk) for load in self._regions.values() for chunk in {0, *load.chunks.sizes}}
        selector = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
        for found in await self._api.items(paths.node_loads(), labelSelector=selector):
            name = found["metadata"]["name"]
            if name not in wanted:
                self._performer.check_leading()
                await self._api.delete(paths.node_loads(name), missing_ok=True)
        self._cleaned = True


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
