"""The load of everything that is placed: per DAG, of foreign pods, and of a whole world."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from edgewright.core.arrays import DagArrays, compile_dag
from edgewright.core.neighbours import assess, station_use
from edgewright.core.outcome import OUTPUTS
from edgewright.core.problem import PlacedDag, World
from edgewright.core.request import make_request
from edgewright.core.scenarios import Scenarios
from edgewright.core.service import CPU
from edgewright.core.stations import Infrastructure, make_layout
from edgewright.core.substrate import FloatArray, IntArray, Substrate

FOREIGN_USE = 0.7
"""CPU that foreign pods use of their requests: the upper end of the 0.3-0.7 to which replicas are sized."""

_infrastructure: "WeakKeyDictionary[Substrate, Infrastructure]" = WeakKeyDictionary()
_uses: "WeakKeyDictionary[PlacedDag, Use]" = WeakKeyDictionary()
_worlds: "WeakKeyDictionary[World, WorldLoad]" = WeakKeyDictionary()


def infrastructure(substrate: Substrate) -> Infrastructure:
    """The numeric part of `substrate`; cached while it lives."""
    known = _infrastructure.get(substrate)
    if known is None:
        nodes = substrate.nodes
        zones: dict[str, int] = {}
        known = _infrastructure[substrate] = Infrastructure(
            nodes=len(nodes),
            capacity=_own(substrate.station_capacity, np.float64),
            success=_own(substrate.station_success, np.float64),
            path=_own(substrate.path, np.int32),
            path_delay=_own(substrate.path_delay, np.float64),
            path_bandwidth=_own(substrate.path_bandwidth, np.float64),
            cores=_own(substrate.capacity[:, CPU], np.float64),
            speed=np.array([node.speed for node in nodes], np.float64),
            compute_delay=np.array([node.latency[0] for node in nodes], np.float64),
            zone=np.array([zones.setdefault(zone_of(substrate, n), n) for n in range(len(nodes))], np.int32),
        )
    return known


def zone_of(substrate: Substrate, node: int) -> str:
    """The node's zone; a node without one is a zone of its own."""
    return substrate.nodes[node].zone or f"node {substrate.nodes[node].name}"


def stage_starts(stage: IntArray, stages: int) -> IntArray:
    """(M + 1,) first slot of each stage in a non-decreasing `stage` (S,). ValueError if it decreases."""
    if (np.diff(stage) < 0).any():
        raise ValueError("replica slots must be listed stage by stage; sort `stage`")
    return np.searchsorted(stage, np.arange(stages + 1)).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Use:
    """What one placed DAG uses, on the substrate it was computed for."""

    substrate: Substrate
    arrays: DagArrays
    start: IntArray
    assign: IntArray
    """(S,) nodes, stage by stage."""
    stations: IntArray
    """Stations with load, and those with reserved bandwidth."""
    rho: FloatArray
    reserve: FloatArray
    requests: FloatArray
    """(S, R) of the placed slots."""
    nodes: IntArray
    """(S,) their nodes."""
    assessed: "list[tuple[Scenarios, FloatArray, FloatArray, FloatArray]]"
    """Last (table, rho at `stations`, prediction, price at `stations`)."""

    def assess(
        self, infra: Infrastructure, table: Scenarios, rho: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Prediction (OUTPUTS,) and price at `stations` at the world's utilisation, kept until it changes."""
        here = rho[self.stations]
        for known, before, prediction, price in self.assessed:
            if known is table and np.array_equal(before, here):
                return prediction, price
        prediction, prices = np.zeros(OUTPUTS), np.zeros(len(rho))
        weight = self.arrays.rate / self.arrays.limit
        lay, req = make_layout(self.arrays, infra, self.start), make_request(self.arrays, infra, table)
        idle = np.zeros(len(rho))
        assess(self.arrays, infra, table, lay, req, self.assign, rho, idle, weight, prediction, prices)
        price = prices[self.stations]
        del self.assessed[2:]
        self.assessed.insert(0, (table, here, prediction, price))
        return prediction, price


def use_of(placed: PlacedDag, substrate: Substrate) -> Use:
    """The load of `placed`; cached while it lives and the substrate is the same."""
    known = _uses.get(placed)
    if known is None or known.substrate is not substrate:
        known = _uses[placed] = _compute_use(placed, substrate)
    return known


def _compute_use(placed: PlacedDag, substrate: Substrate) -> Use:
    arrays, infra = compile_dag(placed.dag, substrate), infrastructure(substrate)
    order = np.argsort(placed.stage, kind="stable")
    stage, assign = placed.stage[order], _own(placed.node[order], np.int32)
    start = stage_starts(stage, len(placed.dag.microservices))
    lay, reserve = make_layout(arrays, infra, start), np.zeros(len(infra.capacity))
    station_use(arrays, infra, lay, assign, reserve)
    rho = lay.rho
    stations = np.flatnonzero((rho > 0) | (reserve > 0)).astype(np.int32)
    bound = np.flatnonzero(assign >= 0)
    requests = np.array([m.request for m in placed.dag.microservices], float)[stage[bound]]
    return Use(
        substrate,
        arrays,
        start,
        assign,
        stations,
        rho[stations],
        reserve[stations],
        requests,
        assign[bound],
        [],
    )


def station_load(placed: PlacedDag, substrate: Substrate) -> FloatArray:
    """(stations,) utilisation that a placed DAG causes at every station."""
    use, load = use_of(placed, substrate), np.zeros(len(substrate.station_capacity))
    load[use.stations] = use.rho
    return load


@dataclass(frozen=True, eq=False)
class WorldLoad:
    """What the stations of a world carry before the DAG in question is placed."""

    uses: tuple[Use, ...]
    rho: FloatArray
    """(stations,) utilisation by all placed DAGs and foreign pods."""
    reserve: FloatArray
    """(stations,) reserved bit/s."""


def world_load(world: World) -> WorldLoad:
    """Sum of all placed DAGs' load and of FOREIGN_USE x the CPU that foreign pods request; cached."""
    known = _worlds.get(world)
    if known is None:
        infra = infrastructure(world.substrate)
        uses = tuple(use_of(placed, world.substrate) for placed in world.placed)
        rho, reserve = np.zeros(len(infra.capacity)), np.zeros(len(infra.capacity))
        ours = np.zeros(infra.nodes)
        for use in uses:
            rho[use.stations] += use.rho
            reserve[use.stations] += use.reserve
            np.add.at(ours, use.nodes, use.requests[:, CPU])
        foreign = np.maximum(world.used[:, CPU] - ours, 0.0)
        rho[: infra.nodes] += FOREIGN_USE * foreign / np.maximum(infra.cores, 1e-9)
        known = _worlds[world] = WorldLoad(uses, rho, reserve)
    return known


def _own(array: "np.typing.ArrayLike", dtype: "type[np.float64] | type[np.int32]") -> "np.typing.NDArray":  # type: ignore[type-arg]
    """A writable contiguous array of `dtype`: kernels are compiled once per layout."""
    return np.require(array, dtype, ["C", "W", "A"])
