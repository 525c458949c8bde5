"""The load of everything that is placed: per DAG, of foreign pods, and of a whole world."""

from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np

from edgewright.core.arrays import DagArrays, compile_dag
from edgewright.core.neighbours import predict_settled, price_stations, station_use
from edgewright.core.outcome import OUTPUTS
from edgewright.core.problem import PlacedDag, World
from edgewright.core.request import Request, make_request
from edgewright.core.scenarios import Scenarios
from edgewright.core.service import CPU
from edgewright.core.stations import Infrastructure, Layout, make_layout
from edgewright.core.substrate import FloatArray, IntArray, Substrate

FOREIGN_USE = 0.7
"""CPU that foreign pods use of their requests: the upper end of the 0.3-0.7 to which replicas are sized."""

CROWDING = 0.75
"""How much longer stages wait for a CPU, per unit of its use by foreign pods: their jobs are many and small,
and the few cores that they leave vary. Fitted to the event simulation (docs/explanation/model.md)."""

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
            element=_elements(len(nodes), len(substrate.station_success)),
            path=_own(substrate.path, np.int32),
            path_delay=_own(substrate.path_delay, np.float64),
            path_bandwidth=_own(substrate.path_bandwidth, np.float64),
            cores=_own(substrate.capacity[:, CPU], np.float64),
            speed=np.array([node.speed for node in nodes], np.float64),
            compute_delay=np.array([node.latency[0] for node in nodes], np.float64),
            zone=np.array([zones.setdefault(zone_of(substrate, n), n) for n in range(len(nodes))], np.int32),
            crowd=np.ones(len(nodes)),
        )
    return known


def _elements(nodes: int, stations: int) -> IntArray:
    number = np.arange(stations, dtype=np.int32)
    kind = number // nodes
    link = number - (number - 5 * nodes) % 2
    return np.where(kind >= 5, link, number - nodes * ((kind == 2) | (kind == 4))).astype(np.int32)


def crowded(substrate: Substrate, foreign: FloatArray) -> Infrastructure:
    """`infrastructure(substrate)` beside pods that are not ours, which use `foreign` (N,) of the CPUs."""
    return infrastructure(substrate)._replace(crowd=1.0 + CROWDING * foreign)


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
    layout: Layout
    """Its slots settled on their nodes."""
    stations: IntArray
    """Stations with load, and those with reserved bandwidth."""
    rho: FloatArray
    reserve: FloatArray
    requests: FloatArray
    """(S, R) of the placed slots."""
    nodes: IntArray
    """(S,) their nodes."""
    predictions: "list[_Kept]" = field(default_factory=list)
    prices: "list[_Kept]" = field(default_factory=list)

    def predict(self, infra: Infrastructure, table: Scenarios, rho: FloatArray) -> FloatArray:
        """Prediction (OUTPUTS,) at the world's utilisation `rho`; kept until that changes at its stations."""
        here = rho[self.stations]
        known = _known(self.predictions, table, here)
        if known is None:
            known, idle = np.zeros(OUTPUTS), np.zeros(len(rho))
            work = work_space(self.arrays, infra, table)
            predict_settled(self.arrays, infra, table, self.layout, work, rho, idle, known)
            _keep(self.predictions, table, here, known)
        return known

    def price(self, infra: Infrastructure, table: Scenarios, rho: FloatArray) -> FloatArray:
        """Cost per unit of utilisation at `stations`; kept like predictions."""
        here = rho[self.stations]
        known = _known(self.prices, table, here)
        if known is None:
            prices, idle, out = np.zeros(len(rho)), np.zeros(len(rho)), np.zeros(OUTPUTS)
            work, weight = work_space(self.arrays, infra, table), self.arrays.rate / self.arrays.limit
            price_stations(self.arrays, infra, table, self.layout, work, rho, idle, weight, out, prices)
            known = prices[self.stations]
            _keep(self.prices, table, here, known)
        return known


_Kept = tuple[Scenarios, FloatArray, FloatArray]
"""(table, utilisation at the stations, what followed from it)."""
_KEPT = 2
"""One for search, one for status."""


def _known(kept: list[_Kept], table: Scenarios, here: FloatArray) -> FloatArray | None:
    return next((v for known, rho, v in kept if known is table and np.array_equal(rho, here)), None)


def _keep(kept: list[_Kept], table: Scenarios, here: FloatArray, value: FloatArray) -> None:
    kept[:] = [(table, here, value), *(entry for entry in kept if entry[0] is not table)][:_KEPT]


def work_space(arrays: DagArrays, infra: Infrastructure, table: Scenarios) -> Request:
    """Work space for a placed DAG, the same for all of one size: nothing in it outlives a prediction."""
    return _work_space(len(arrays.work), len(arrays.source), len(infra.capacity), table.work.shape[1])


@lru_cache(maxsize=64)
def _work_space(stages: int, transfers: int, stations: int, count: int) -> Request:
    return make_request(stages, transfers, stations, count)


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
    return Use(substrate, arrays, lay, stations, rho[stations], reserve[stations], requests, assign[bound])


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
    infra: Infrastructure
    """The substrate's, beside the foreign pods."""


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
        foreign = FOREIGN_USE * np.maximum(world.used[:, CPU] - ours, 0.0) / np.maximum(infra.cores, 1e-9)
        rho[: infra.nodes] += foreign
        known = _worlds[world] = WorldLoad(uses, rho, reserve, crowded(world.substrate, foreign))
    return known


def _own(array: "np.typing.ArrayLike", dtype: "type[np.float64] | type[np.int32]") -> "np.typing.NDArray":  # type: ignore[type-arg]
    """A writable contiguous array of `dtype`: kernels are compiled once per layout."""
    return np.require(array, dtype, ["C", "W", "A"])
