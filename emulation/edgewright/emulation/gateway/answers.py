"""HTTP responses as bytes: status, what was decided in headers, and a line of JSON for people."""

import json
from typing import Any

from edgewright.core.units import MS
from edgewright.emulation.gateway.line import Fate
from edgewright.emulation.gateway.picture import Key, Service
from edgewright.emulation.gateway.plane import Plane

ROUTE_BYTES = 4000
"""A longer route is cut: clients bound the size of headers."""
HEADERS = {
    "Edgewright-Delay-Ms": "The delay that the model drew for this request, in milliseconds; of a lost one, "
    "the second after which it was given up.",
    "Edgewright-Placement": "Generation of the placement: rises whenever a serving replica of the DAG comes, "
    "goes or moves, and begins at 1 when the gateway starts.",
    "Edgewright-Route": "The replica that served each microservice, as `microservice=node/pod` separated by "
    f"semicolons, cut after {ROUTE_BYTES} bytes.",
}
"""Headers of every answer of a served DAG, and what they say."""


def key(target: bytes) -> Key:
    """Namespace and name in a request's target; empty strings where it has none."""
    parts = target.partition(b"?")[0].decode("latin-1").split("/")
    return (parts[1], parts[2]) if len(parts) > 2 and not parts[0] else ("", "")


def of_fate(service: Service, fate: Fate) -> bytes:
    """The answer of a request that was served, or lost."""
    route = ";".join([stage[i] for stage, i in zip(service.names, fate.replicas, strict=True)])
    delay = f"{fate.delay / MS:.3f}"
    if fate.lost:
        status, outcome = "504 Gateway Timeout", "lost"
    else:
        status, outcome = "200 OK", "ok"
    body = (
        f'{{"servicedag": "{service.key[0]}/{service.key[1]}", "outcome": "{outcome}", "delayMs": {delay}}}\n'
    )
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"edgewright-delay-ms: {delay}\r\nedgewright-placement: {service.generation}\r\n"
        f"edgewright-route: {route[:ROUTE_BYTES]}\r\n\r\n{body}"
    ).encode()


def unknown(target: bytes) -> bytes:
    """The answer for a target that names no ServiceDAG."""
    namespace, name = key(target)
    if name:
        error = f"no ServiceDAG {name!r} in namespace {namespace!r}"
    else:
        error = "the path must be /NAMESPACE/NAME of a ServiceDAG"
    return plain("404 Not Found", {"error": f"{error}; GET / lists those that there are"})


def not_served(service: Service) -> bytes:
    """The answer of a DAG that is not placed."""
    error = f"ServiceDAG {service.key[0]}/{service.key[1]} is not served: {service.problem}"
    headers = f"edgewright-placement: {service.generation}\r\n"
    return plain("503 Service Unavailable", {"error": error}, headers)


def plain(status: str, content: Any, headers: str = "") -> bytes:
    """An answer with a JSON body."""
    body = json.dumps(content, indent=2).encode() + b"\n"
    return whole(status, "application/json", body, headers)


def whole(status: str, kind: str, body: bytes, headers: str = "") -> bytes:
    """An answer with any body."""
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode()
        + body
    )


def listing(plane: Plane) -> bytes:
    """Every ServiceDAG: its path, users, measured and declared rate, and why it is not served."""
    found = []
    for (namespace, name), line in sorted(plane.lines.items()):
        service = line.service
        entry: dict[str, Any] = {
            "path": f"/{namespace}/{name}",
            "served": not service.problem,
            "placement": service.generation,
            "requestsPerSecond": round(line.rate, 2),
        }
        if service.dag is not None:
            entry["declaredRequestsPerSecond"] = service.dag.demand.rate
            entry["users"] = service.users
        if service.problem:
            entry["problem"] = service.problem
        found.append(entry)
    return plain("200 OK", {"servicedags": found})
