"""Asks a gateway which ServiceDAGs there are to send requests to."""

import json
import urllib.error
import urllib.request

from edgewright.emulation.workloads.plan import Target


class NoTargetsError(Exception):
    """There is nobody to send requests to; the message says why and what to do."""


def targets(url: str, dags: str = "") -> tuple[Target, ...]:
    """The served ServiceDAGs of the gateway at `url`, or those of `dags`: NAMESPACE/NAME, by commas.

    Raises NoTargetsError, also for one of `dags` that is not served.
    """
    wanted = {f"/{each.strip()}" for each in dags.split(",") if each.strip()}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/", timeout=10) as answer:
            found = json.load(answer)["servicedags"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoTargetsError(
            f"{url} is no gateway that answers ({error}); start one with `edgewright testbed gateway`"
        ) from error
    why = {entry["path"]: entry["problem"] for entry in found if not entry["served"]}
    known = {entry["path"] for entry in found}
    if missing := sorted(wanted - known | wanted & set(why)):
        said = "; ".join(f"{path}: {why.get(path, 'no such ServiceDAG')}" for path in missing)
        raise NoTargetsError(f"{url} does not serve {said}; it knows {', '.join(sorted(known)) or 'none'}")
    served = tuple(
        Target(entry["path"], entry["declaredRequestsPerSecond"], tuple(entry["users"] or ()) or None)
        for entry in found
        if entry["served"] and (not wanted or entry["path"] in wanted)
    )
    if not served:
        said = "; ".join(f"{path}: {problem}" for path, problem in why.items()) or "it knows no ServiceDAG"
        raise NoTargetsError(f"{url} serves nothing ({said}); apply a ServiceDAG and wait until it is placed")
    return served
