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

    `links` are named A--B by their ends, separated by commas; else `count` links are drawn, those between
    nodes that carry replicas first.
    """
    if not 0 < bandwidth_factor <= 1 or extra_delay_ms < 0:
        raise ChaosError("a degraded link needs bandwidth_factor in (0, 1] and extra_delay_ms of at least 0")
    topologies = await world.api.items(paths.edge_topologies())
    known = {_name(link): link for each in topologies for link in each["spec"].get("links") or []}
    struck = _named(known, links) if links else await _drawn(world.api, known, count, seed)
    before = [{key: known[name].get(key) for key in ("bandwidthMbps", "delayMs")} for name in struck]
    return {
        "what": f"degrade {', '.join(struck[:3])}{', ...' if len(struck) > 3 else ''}: bandwidth x "
        f"{bandwidth_factor:g}, {extra_delay_ms:+g} ms",
        "before": dict(zip(struck, before, strict=True)),
        "bandwidth_factor": bandwidth_factor,
        "extra_delay_ms": extra_delay_ms,
    }


def _name(link: Link) -> str:
    return f"{link['source']}--{link['target']}"


def _named(known: dict[str, Link], links: str) -> list[str]:
    wanted = [each.strip() for each in links.split(",") if each.strip()]
    # A link has no direction.
    turned = {"--".join(reversed(name.split("--"))): name for name in known}
    unknown = [name for name in wanted if name not in known and name not in turned]
    if unknown:
        some = ", ".join(sorted(known)[:3]) or "none"
        raise ChaosError(
            f"no link {', '.join(map(repr, unknown))} in any EdgeTopology; there are {some}, ..."
        )
    return sorted({turned.get(name, name) if name not in known else name for name in wanted})


async def _drawn(api: Api, known: dict[str, Link], count: int, seed: int) -> list[str]:
    if not 0 < count <= len(known):
        raise ChaosError(f"count is {count}: the EdgeTopologies have {len(known)} links")
    carriers = set((await draw.fleet(api)).carriers)
    ends = {name: len({link["source"], link["target"]} & carriers) for name, link in known.items()}
    # Between two carriers there is likely to be traffic.
    between = [name for name, carrying in ends.items() if carrying == 2] or [n for n in ends if ends[n]]
    return draw.draw(known, between, count, seed)


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
