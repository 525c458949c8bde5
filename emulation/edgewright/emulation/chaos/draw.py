"""Which nodes a fault strikes: named ones, a zone, or a seeded draw among those that carry replicas."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.emulation.chaos.errors import ChaosError
from edgewright.kube import names, paths
from edgewright.kube.api import Api

DRAWN = "drawn"
"""Instead of a zone's name: one of the zones that carry replicas, chosen by the seed."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes of a cluster as a draw sees them."""

    zones: Mapping[str, str]
    """Zone of every node, by name; empty where it has none."""
    edge: Collection[str]
    """Nodes that may be drawn: those of tier edge, or all where no node has a tier."""
    carriers: Collection[str]
    """Nodes that carry replicas of ServiceDAGs."""


async def fleet(api: Api) -> Fleet:
    """Look at the cluster."""
    nodes = await api.items(paths.nodes())
    pods = await api.items(paths.pods(), labelSelector=names.LABEL_DAG)
    tiers = {_name(node): _label(node, names.LABEL_TIER) for node in nodes}
    edge = [name for name, tier in tiers.items() if tier == "edge"] or list(tiers)
    return Fleet(
        {_name(node): _label(node, names.LABEL_ZONE) for node in nodes},
        edge,
        {p["spec"]["nodeName"] for p in pods if p["spec"].get("nodeName") and _stays(p)},
    )


def _stays(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def _name(node: Mapping[str, Any]) -> str:
    return str(node["metadata"]["name"])


def _label(node: Mapping[str, Any], label: str) -> str:
    return str(node["metadata"].get("labels", {}).get(label, ""))


def choose(
    found: Fleet, *, nodes: str = "", zone: str = "", count: int = 0, percent: float = 0, seed: int = 0
) -> list[str]:
    """The nodes to strike, sorted; the first of `nodes`, `zone`, `count` and `percent` that is given decides.

    `nodes` are names separated by commas. `percent` is a share of all edge nodes. What is drawn carries
    replicas, as long as there are such nodes. Raises ChaosError for what does not exist or cannot be.
    """
    if nodes:
        return _named(found, nodes)
    if zone:
        return _zone(found, zone, seed)
    if not count:
        if not 0 < percent <= 100:
            raise ChaosError(f"percent is {percent:g}: give more than 0 and at most 100")
        count = max(1, round(len(found.edge) * percent / 100))
    if not 0 < count <= len(found.edge):
        raise ChaosError(f"count is {count}: there are {len(found.edge)} nodes that may be drawn")
    return draw(found.edge, found.carriers, count, seed)


def draw(pool: Collection[str], first: Collection[str], count: int, seed: int) -> list[str]:
    """A seeded choice of `count` of the pool, sorted: those of `first` before all others."""
    chance = random.Random(seed)
    preferred = sorted(set(pool) & set(first))
    rest = sorted(set(pool) - set(first))
    chance.shuffle(preferred)
    chance.shuffle(rest)
    return sorted((preferred + rest)[:count])


def _named(found: Fleet, nodes: str) -> list[str]:
    wanted = sorted({name.strip() for name in nodes.split(",") if name.strip()})
    unknown = [name for name in wanted if name not in found.zones]
    if unknown or not wanted:
        some = ", ".join(sorted(found.zones)[:5])
        raise ChaosError(f"no node {', '.join(map(repr, unknown))} in this cluster; it has {some}, ...")
    return wanted


def _zone(found: Fleet, zone: str, seed: int) -> list[str]:
    members: dict[str, list[str]] = {}
    for name in found.edge:
        members.setdefault(found.zones[name], []).append(name)
    members.pop("", None)
    if zone == DRAWN:
        carrying = [each for each, inside in members.items() if set(inside) & set(found.carriers)]
        zone = first_of(draw(members, carrying, 1, seed), "zone")
    if zone not in members:
        raise ChaosError(f"no node in zone {zone!r}; there are {', '.join(sorted(members)) or 'no zones'}")
    return sorted(members[zone])


def first_of(drawn: Sequence[str], what: str) -> str:
    """The one that was drawn; ChaosError if there was none to draw."""
    if not drawn:
        raise ChaosError(f"this cluster has no {what} to draw")
    return drawn[0]
