"""Asks a gateway which ServiceDAGs there are to send requests to."""

import json
import urllib.error
import urllib.request

from edgewright.emulation.workloads.plan import Target


class NoTargetsError(Exception):
    """There is nobody to send requests to; the message says why and what to do."""


def targets(url: str) -> tuple[Target, ...]:
    """The served ServiceDAGs of the gateway at `url`; raises NoTargetsError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/", timeout=10) as answer:
            found = json.load(answer)["servicedags"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoTargetsError(
            f"{url} is no gateway that answers ({error}); start one with `edgewright testbed gateway`"
        ) from error
    served = tuple(
        Target(entry["path"], entry["declaredRequestsPerSecond"], tuple(entry["users"] or ()) or None)
        for entry in found
        if entry["served"]
    )
    if not served:
        why = "; ".join(f"{entry['path']}: {entry['problem']}" for entry in found) or "it knows no ServiceDAG"
        raise NoTargetsError(f"{url} serves nothing ({why}); apply a ServiceDAG and wait until it is placed")
    return served
