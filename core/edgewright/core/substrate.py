"""What the infrastructure offers: nodes, links, and the arrays that every computation runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgewright.core.units import CORE_SPEED

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

TIERS = ("core", "controller", "edge", "rsu", "obu")


@dataclass(frozen=True, slots=True)
class Taint:
    """A node taint that keeps intolerant pods away (`NoSchedule`, `NoExecute`)."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


LABEL_SLICE = "edgewright.dev/slice"
"""Node label that reserves a node for tenant slices, joined by `_`; unlabelled nodes serve every slice."""


@dataclass(frozen=True, slots=True)
class Node:
    """A vertex that runs replicas and, with a radio profile, is a cell for users."""

    name: str
    capacity: tuple[float, ...]
    """What is left for DAGs of one region, in the order of service.RESOURCES."""
    tier: str = "edge"
    region: str = ""
    zone: str = ""
    speed: float = CORE_SPEED
    """Instructions per second of one core."""
    location: tuple[float, float] | None = None
    """Metres from the topology's south-west corner."""
    radio: frozenset[str] = frozenset()
    """Radio bands of its cell, out of sub6, mmw, thz; empty: no cell."""
    interference: Mapping[str, float] = field(default_factory=dict)
    """dB by which other cells raise the noise in its cell, per band; absent: nothing to speak of."""
    latency: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Fixed delays in seconds: per computation, per radio transfer, of the backhaul."""
    success: float = 1.0
    """Probability that the node serves a request."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    serving: bool = True
    """Whether the site is alive, so that its cell serves users; else they use the nearest living cell."""
    schedulable: bool = True
    """Whether new replicas may go there now (Ready, not cordoned, not backed off)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A bidirectional link between two vertices: nodes, or switches known by name only."""

    source: str
    target: str
    bandwidth: float
    """Bit/s in each direction."""
    delay: float
    """Propagation and switching, seconds."""
    link_class: str = ""
    success: float = 1.0


@dataclass(frozen=True, eq=False)
class Substrate:
    """Nodes and routes as arrays; N nodes, D link directions, P hops of the longest path.

    Stations are numbered: CPU of node n is n, its up port N + n, its down port 2N + n, its cell's
    uplink 3N + n, its downlink 4N + n, link direction j is 5N + j, and the last station is a dummy
    of infinite capacity that pads `path`.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    capacity: FloatArray
    """(N, R) in the order of service.RESOURCES."""
    station_capacity: FloatArray
    """(5N + D + 1,): instr/s for CPUs, bit/s for ports and links, 1 (airtime) for cells."""
    station_success: FloatArray
    """(5N + D + 1,)."""
    path: IntArray
    """(N, N, P): stations of the links from u to v, without ports, padded with the dummy."""
    path_delay: FloatArray
    """(N, N) seconds; infinite where there is no path."""
    path_bandwidth: FloatArray
    """(N, N) bit/s of the narrowest hop, ports included; infinite on the diagonal."""

    @cached_property
    def index(self) -> dict[str, int]:
        """Node name to row."""
        return {node.name: i for i, node in enumerate(self.nodes)}

    @cached_property
    def cells(self) -> tuple[IntArray, FloatArray]:
        """Indices (C,) of living nodes with a radio profile, their locations (C, 2), NaN where unknown."""
        rows = [i for i, node in enumerate(self.nodes) if node.radio and node.serving]
        sites = [self.nodes[i].location or (np.nan, np.nan) for i in rows]
        return np.array(rows, np.int32), np.array(sites, float).reshape(-1, 2)

    @property
    def dummy(self) -> int:
        """The padding station."""
        return len(self.station_capacity) - 1
