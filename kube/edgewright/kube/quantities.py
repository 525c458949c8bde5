"""Kubernetes quantities as numbers and back, and what a pod requests in total."""

import functools
import math
import re
from decimal import Decimal, InvalidOperation

from edgewright.kube.objects import ContainerResources, Pod, Quantities

PATTERN = r"^(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$"
"""A non-negative Kubernetes quantity, as the API server accepts it."""

_PARTS = re.compile(r"^([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$")
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
} | {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}


@functools.lru_cache(maxsize=4096)
def exact(quantity: str | int | float) -> Decimal:
    """The exact value of a quantity such as `500m`, `1.5Gi`, `2e3` or 4.

    Raises ValueError naming the quantity if it is not one.
    """
    match = _PARTS.match(str(quantity).strip())
    if match is None:
        raise ValueError(f"{quantity!r} is not a Kubernetes quantity; write for example 500m, 2 or 1.5Gi")
    number, suffix = match[1], match[2] or ""
    try:
        scale = _SUFFIXES.get(suffix)
        return Decimal(number + suffix) if scale is None else Decimal(number) * scale
    except InvalidOperation as error:
        raise ValueError(f"{quantity!r} is not a Kubernetes quantity; write for example 500m") from error


@functools.lru_cache(maxsize=4096)
def parse(quantity: str | int | float) -> float:
    """A quantity as a float in its base unit (cores, bytes, pieces); raises ValueError as `exact` does."""
    return float(exact(quantity))


def cores(value: float) -> str:
    """CPU cores as a quantity in whole milli-cores, rounded up: 0.5 -> `500m`, 2.0 -> `2`."""
    milli = math.ceil(Decimal(repr(value)) * 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def whole(value: float) -> str:
    """Bytes or pieces as an integer quantity, rounded up; a multiple of 1 Mi is written in Mi."""
    number = math.ceil(Decimal(repr(value)))
    return f"{number >> 20}Mi" if number and number % (1 << 20) == 0 else str(number)


def _requests(resources: ContainerResources) -> dict[str, float]:
    """Requests of a container; a limit without a request counts as the request, as admission sets it."""
    merged: Quantities = {**resources.limits, **resources.requests}
    return {name: parse(quantity) for name, quantity in merged.items()}


def _added(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in a.keys() | b.keys()}


def _larger(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: max(a.get(name, 0.0), b.get(name, 0.0)) for name in a.keys() | b.keys()}


def pod_requests(pod: Pod) -> dict[str, float]:
    """What the pod takes of its node, by resource name, in base units, as kube-scheduler counts it.

    Containers and sidecars add up, ordinary init containers count by their largest, pod-level requests
    replace the sum, and overhead is added.
    """
    running: dict[str, float] = {}
    for container in pod.spec.containers:
        running = _added(running, _requests(container.resources))
    sidecars: dict[str, float] = {}
    starting: dict[str, float] = {}
    for container in pod.spec.init_containers:
        wanted = _requests(container.resources)
        if container.restart_policy == "Always":
            sidecars = _added(sidecars, wanted)
            starting = _larger(starting, sidecars)
        else:
            starting = _larger(starting, _added(wanted, sidecars))
    total = _larger(_added(running, sidecars), starting)
    if pod.spec.resources is not None:
        total = {**total, **_requests(pod.spec.resources)}
    return _added(total, {name: parse(quantity) for name, quantity in pod.spec.overhead.items()})
