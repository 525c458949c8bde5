"""From EdgeTopologies to core's links, and from degrees to metres."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from edgewright.core import substrate
from edgewright.core.units import MBPS, MS
from edgewright.kube import crds
from edgewright.kube.convert.error import ConversionError

_METRES_PER_DEGREE = 111_194.9
"""Length of a degree of a great circle of the earth (mean radius 6,371 km)."""


@dataclass(frozen=True)
class Origin:
    """Geographic position of x = 0, y = 0, in degrees."""

    latitude: float
    longitude: float

    def metres(self, latitude: float, longitude: float) -> tuple[float, float]:
        """(x, y) in metres east and north, on the plane that touches the earth at the origin."""
        east = (longitude - self.longitude) * math.cos(math.radians(self.latitude))
        return east * _METRES_PER_DEGREE, (latitude - self.latitude) * _METRES_PER_DEGREE


def topology(objs: Iterable[Mapping[str, Any]]) -> tuple[substrate.Link, ...]:
    """The links of all EdgeTopologies as one network; of a link named twice the first stays.

    Raises ConversionError naming the object and the field.
    """
    links: dict[frozenset[str], substrate.Link] = {}
    for obj in objs:
        target = f"EdgeTopology {obj['metadata'].get('name', '')}"
        try:
            found = crds.EdgeTopology.model_validate(obj)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ConversionError(target, field, f"{first['msg']} (found {first['input']!r})") from error
        for link in found.spec.links:
            made = substrate.Link(
                source=link.source,
                target=link.target,
                bandwidth=link.bandwidth_mbps * MBPS,
                delay=link.delay_ms * MS,
                link_class=link.link_class,
                success=link.success_probability,
            )
            links.setdefault(frozenset((link.source, link.target)), made)
    return tuple(links.values())


def origin(objs: Iterable[Mapping[str, Any]]) -> Origin | None:
    """The origin of the first EdgeTopology, by name, that has one."""
    for obj in sorted(objs, key=lambda each: str(each["metadata"].get("name", ""))):
        found = (obj.get("spec") or {}).get("origin")
        if found:
            return Origin(float(found["latitude"]), float(found["longitude"]))
    return None
