"""Faults of links: less bandwidth, more delay."""

from collections.abc import Awaitable, Callable
from typing import Any

from edgewright.emulation.chaos import draw
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World
from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError

Link = dict[str, Any]
ATTEMPTS = 5


async def plan_degraded(
    world: World,
    *,
    links: str = "",
    count: int = 1,
    bandwidth_factor: float = 0.1,
    extra_delay_ms: float = 5,
    seed: int = 0,
) -> Plan:
    """Degrade links: their bandwidth in the EdgeTopology is multiplied and their delay grows.

    `links` are named A--B by their ends, or by a node: all its links; separated by commas. Else the links of
    `count` nodes are drawn, of those first whose replicas talk to other nodes.
    """
    if not 0 < bandwidth_factor <= 1 or extra_delay_ms < 0:
        raise ChaosError("a degraded link needs bandwidth_factor in (0, 1] and extra_delay_ms of at least 0")
    topologies = await world.api.items(paths.edge_topologies())
    known = {_name(link): link for each in topologies for link in each["spec"].get("links") or []}
    struck = named(known, links) if links else await _drawn(world.api, known, count, seed)
    before = [{key: known[name].get(key) for key in ("bandwidthMbps", "delayMs")} for name in struck]
    return {
        "what": f"degrade {len(struck)} links ({', '.join(struck[:2])}{', ...' if len(struck) > 2 else ''}): "
        f"bandwidth x {bandwidth_factor:g}, {extra_delay_ms:+g} ms",
        "before": dict(zip(struck, before, strict=True)),
        "bandwidth_factor": bandwidth_factor,
        "extra_delay_ms": extra_delay_ms,
    }


def _name(link: Link) -> str:
    return f"{link['source']}--{link['target']}"


def named(known: dict[str, Link], links: str) -> list[str]:
    """The links that the text names, sorted; ChaosError for one that does not exist."""
    struck: set[str] = set()
    for wanted in (each.strip() for each in links.split(",") if each.strip()):
        # A link has no direction.
        ends = set(wanted.split("--"))
        found = {name for name, link in known.items() if ends <= {link["source"], link["target"]}}
        if not found:
            some = ", ".join(sorted(known)[:3]) or "none"
            raise ChaosError(f"no link {wanted!r} in any EdgeTopology; there are {some}, ...")
        struck |= found
    return sorted(struck)


async def _drawn(api: Api, known: dict[str, Link], count: int, seed: int) -> list[str]:
    ends = {end for link in known.values() for end in (link["source"], link["target"])}
    pool = sorted(ends & set((await draw.fleet(api)).carriers)) or sorted(ends)
    if not 0 < count <= len(pool):
        raise ChaosError(f"count is {count}: {len(pool)} nodes with links may be drawn")
    struck = set(draw.draw(pool, await _talking(api), count, seed))
    return sorted(name for name, link in known.items() if {link["source"], link["target"]} & struck)


async def _talking(api: Api) -> set[str]:
    """Nodes with replicas that call replicas on other nodes."""
    return {
        node
        for dag in await api.items(paths.service_dags())
        for route in dag.get("status", {}).get("routes") or []
        for pair in route.get("pairs") or []
        if pair["source"] and pair["target"] and pair["source"] != pair["target"]
        for node in (pair["source"], pair["target"])
    }


async def _degrade(world: World, plan: Plan) -> None:
    def worse(link: Link, before: Link) -> None:
        link["bandwidthMbps"] = max(0.001, round(before["bandwidthMbps"] * plan["bandwidth_factor"], 3))
        link["delayMs"] = round((before["delayMs"] or 0.0) + plan["extra_delay_ms"], 3)

    await _change(world.api, plan["before"], worse)


async def _restore(world: World, plan: Plan) -> None:
    def as_before(link: Link, before: Link) -> None:
        link.update({key: value for key, value in before.items() if value is not None})
        if before["delayMs"] is None:
            link.pop("delayMs", None)

    await _change(world.api, plan["before"], as_before)


async def _change(api: Api, before: dict[str, Link], change: Callable[[Link, Link], None]) -> None:
    """Change links where they stand now; links that are gone or of other EdgeTopologies stay as they are."""
    for listed in await api.items(paths.edge_topologies()):
        name = listed["metadata"]["name"]
        if any(_name(link) in before for link in listed["spec"].get("links") or []):
            await _retried(lambda name=name: _change_one(api, name, before, change))  # type: ignore[misc]


async def _change_one(
    api: Api, name: str, before: dict[str, Link], change: Callable[[Link, Link], None]
) -> None:
    topology = await api.get(paths.edge_topologies(name))
    for link in topology["spec"].get("links") or []:
        if _name(link) in before:
            change(link, before[_name(link)])
    await api.replace(paths.edge_topologies(name), topology)


async def _retried(attempt: Callable[[], Awaitable[None]]) -> None:
    """Somebody else may change the same object meanwhile (409): read and change it again."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return await attempt()
        except ApiError as error:
            if error.status != 409 or not left:
                raise
    return None


DEGRADED = Fault("link-degraded", plan_degraded, _degrade, _restore)
