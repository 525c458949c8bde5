"""Faults of load: more requests than usual, everywhere or from one place."""

from collections.abc import Mapping
from typing import Any

from edgewright.emulation.chaos import draw, users
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Fault, Plan, World
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

Json = Mapping[str, Any]


async def plan_burst(world: World, *, dags: str = "", factor: float = 2, declared: bool = False) -> Plan:
    """Let users ask ServiceDAGs `factor` times as often.

    `dags` are NAMESPACE/NAME, separated by commas, or all. Real requests come on top of those of `ask`. With
    `declared`, and where no gateway answers requests, the demand that the ServiceDAGs declare is multiplied
    instead.
    """
    struck = await _struck(world.api, dags)
    return await _plan(
        world, struck, factor, declared, f"users ask {_listed(struck)} {factor:g} times as often"
    )


async def plan_flash_crowd(
    world: World, *, site: str = "", dags: str = "", factor: float = 2, declared: bool = False, seed: int = 0
) -> Plan:
    """Move the users of ServiceDAGs to one site, and let them ask `factor` times as often, as `burst` does.

    `site` is the name of a node; else one of the edge nodes is drawn. `dags` are those of the site's region
    unless they are named.
    """
    nodes = {node["metadata"]["name"]: node for node in await world.api.items(paths.nodes())}
    if not site:
        located = [name for name, node in nodes.items() if _tier(node) == "edge"]
        site = draw.first_of(draw.draw(located, (), min(1, len(located)), seed), "edge node")
    if site not in nodes:
        raise ChaosError(
            f"no site {site!r}: it is the name of a node, such as {', '.join(sorted(nodes)[:3])}"
        )
    metadata = nodes[site]["metadata"]
    place = metadata.get("annotations", {}).get(names.ANNOTATION_LOCATION, "")
    try:
        x, y = (float(each) for each in place.split(","))
    except ValueError:
        raise ChaosError(f"node {site} has no position (annotation {names.ANNOTATION_LOCATION})") from None
    region = metadata.get("labels", {}).get(names.LABEL_REGION, "")
    struck = await _struck(world.api, dags, region="" if dags else region)
    what = f"users of {_listed(struck)} gather at {site}, asking {factor:g} times as often"
    return await _plan(world, struck, factor, declared, what, {"ingress": {"location": {"x": x, "y": y}}})


async def _plan(
    world: World,
    struck: Mapping[str, Json],
    factor: float,
    declared: bool,
    what: str,
    moved: Json | None = None,
) -> Plan:
    """`moved` changes in every spec; whether requests or the declared demand grow is decided here."""
    moved, load = moved or {}, None
    after: dict[str, Json]
    if declared or not users.answered(world):
        if factor <= 0:
            raise ChaosError(f"factor is {factor:g}: give more than 0")
        after = {key: {**_more(dag, factor), **moved} for key, dag in struck.items()}
        what += " (declared)" if declared else " (declared, as no gateway answers requests here)"
    else:
        if factor < 1:
            raise ChaosError(f"factor is {factor:g}: give at least 1, or declared=true to declare less")
        after = {key: moved for key in struck if moved}
        if factor > 1:
            load = await users.plan_load(world, struck, factor - 1, users.MORE)
    before = {key: {field: struck[key]["spec"].get(field) for field in after[key]} for key in after}
    await _try(world.api, after)
    return {"what": what, "before": before, "after": after, "load": load}


def _tier(node: Mapping[str, Any]) -> str:
    return str(node["metadata"].get("labels", {}).get(names.LABEL_TIER, ""))


async def _struck(api: Api, dags: str, region: str = "") -> dict[str, dict[str, Any]]:
    """The ServiceDAGs by `namespace/name`; ChaosError for one that does not exist, and for none."""
    known = {
        f"{dag['metadata']['namespace']}/{dag['metadata']['name']}": dag
        for dag in await api.items(paths.service_dags())
    }
    wanted = [each.strip() for each in dags.split(",") if each.strip()]
    unknown = [each for each in wanted if each not in known]
    if unknown:
        there = ", ".join(sorted(known)[:3]) or "none"
        raise ChaosError(
            f"no ServiceDAG {', '.join(map(repr, unknown))}; as NAMESPACE/NAME there are {there}"
        )
    if wanted:
        return {key: known[key] for key in wanted}
    governed = await _namespaces(api, region) if region else None
    found = {
        k: dag for k, dag in known.items() if governed is None or dag["metadata"]["namespace"] in governed
    }
    if not found:
        where = (
            f" in region {region}: name some in dags" if region else ": apply one, or run with --with-samples"
        )
        raise ChaosError(f"there is no ServiceDAG{where}")
    return found


async def _namespaces(api: Api, region: str) -> set[str]:
    """Namespaces that are governed by an EdgeController of a region's nodes."""
    found: set[str] = set()
    for controller in await api.items(paths.edge_controllers()):
        if controller["spec"].get("nodeSelector", {}).get(names.LABEL_REGION) == region:
            found |= {controller["metadata"]["namespace"], *(controller["spec"].get("namespaces") or [])}
    return found


def _more(dag: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Demand times `factor`, and with it the bandwidth that invocations ask for, which must cover it."""
    demand = dag["spec"]["demand"]
    invocations = [dict(each) for each in dag["spec"].get("invocations") or []]
    for each in invocations:
        if "minBandwidthMbps" in each:
            each["minBandwidthMbps"] = round(each["minBandwidthMbps"] * factor, 3)
    return {
        "demand": {**demand, "requestsPerSecond": round(demand["requestsPerSecond"] * factor, 3)},
        "invocations": invocations,
    }


async def _try(api: Api, specs: Mapping[str, Mapping[str, Any]]) -> None:
    """Ask the API server whether it would take the change; ChaosError with its words if not."""
    for key, spec in specs.items():
        try:
            await api.patch(paths.service_dags(*key.split("/")), {"spec": spec}, dryRun="All")
        except ApiError as error:
            raise ChaosError(f"ServiceDAG {key} cannot be given that load: {error.message}") from None


async def _grow(world: World, plan: Plan) -> None:
    await users.begin(world, plan["load"])
    await _write(world.api, plan["after"])


async def _shrink(world: World, plan: Plan) -> None:
    await users.end(world, plan["load"])
    # A merge patch with null takes the field away.
    await _write(world.api, plan["before"])


async def _write(api: Api, specs: Mapping[str, Mapping[str, Any]]) -> None:
    for key, spec in specs.items():
        try:
            await api.patch(paths.service_dags(*key.split("/")), {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise


def _listed(struck: Mapping[str, Any]) -> str:
    return next(iter(struck)) if len(struck) == 1 else f"{len(struck)} ServiceDAGs"


BURST = Fault("traffic-burst", plan_burst, _grow, _shrink)
FLASH_CROWD = Fault("flash-crowd", plan_flash_crowd, _grow, _shrink)
