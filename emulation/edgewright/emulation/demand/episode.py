"""Everything that happens to a city whatever its agents decide: DAGs come and go, users move, nodes fail."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgewright.core.radio import IMMERSIVE_RATE
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.emulation.city import City
from edgewright.emulation.demand import coverage, groups, walks, workload
from edgewright.emulation.demand.coverage import Coverage
from edgewright.emulation.demand.groups import Groups
from edgewright.emulation.demand.settings import Failures
from edgewright.emulation.demand.templates import Pool, make_pool
from edgewright.emulation.demand.traces import Traces, read
from edgewright.emulation.workloads.processes import diurnal, on_off

PERIOD = 10.0
"""Seconds of a control period ([MAPPO] replays mobility at 10 s intervals)."""
HISTORIES, LENGTH = 32, 2048
"""Histories of bursts that instances take their part of, and periods in each."""
LEGS = 16
"""Destinations of a group that walks, before it begins again."""
SEEDS = 2**63
"""Seeds are below this."""
MODELS = ("static", "waypoint", "gauss-markov", "trace")
"""In the order of `walks`' kinds."""


@dataclass(frozen=True, eq=False)
class Demand:
    """What a city's episodes are drawn from; built once per city and seed."""

    city: City
    coverage: Coverage
    groups: Groups
    pool: Pool
    bursts: FloatArray
    """(HISTORIES, LENGTH) demand relative to its mean."""
    traces: Mapping[int, Traces]
    """Of the movers that follow some, by their number in `mobility`."""


@dataclass(frozen=True, eq=False)
class Episode:
    """What happens to a city whatever its agents decide: T periods, A instances of DAGs, N nodes."""

    period: float
    """Seconds."""
    dags: tuple[ServiceDag, ...]
    """Pool of D templates, each with its users' first cell as `ingress.node`."""
    region: IntArray
    """(D,) index into `city.regions` of the agent that places it."""
    template: IntArray
    """(A,) index into `dags`, instances in the order of their arrival."""
    born: IntArray
    """(A,) period of arrival, ascending; 0 also for those there at the start."""
    ends: IntArray
    """(A,) first period in which it is gone; may be beyond T."""
    factor: FloatArray
    """(T, A) request rate over the template's `demand.rate`."""
    cell: IntArray
    """(T, A) node of the users' serving cell; before birth the first one, after the end the last."""
    cell_rate: FloatArray
    """(T, A) bit/s between users and that cell; 0 where no cell in reach is alive."""
    down: BoolArray
    """(T, N) nodes that have failed."""


def prepare(city: City, *, seed: int = 0) -> Demand:
    """Survey the city's radio and users, and draw its pool of DAGs and histories of bursts.

    Takes seconds: every DAG of the pool is placed on the idle city before it is accepted. Raises
    ScenarioError for a workload that the city cannot serve, ValueError for a seed out of range.
    """
    _check(seed)
    settings = city.scenario.demand
    radio = coverage.survey(city)
    places = groups.survey(city, radio)
    pool = make_pool(city, places, workload.load(settings.workload), seed=seed)
    histories = _histories(city, np.random.default_rng([seed, 12]))
    traces = {
        row: read(mover.file, PERIOD) for row, mover in enumerate(settings.mobility) if mover.file is not None
    }
    return Demand(city, radio, places, pool, histories, traces)


def episode(world: Demand, *, seed: int, periods: int = 360, failures: Failures | None = None) -> Episode:
    """One episode of `periods` periods; the same seed gives the same bits.

    DAGs arrive in each region by Poisson and live exponentially, in steady state from the start, which is at
    a random hour of the day. `failures` replaces the scenario's. Raises ValueError for a seed or a length out
    of range.
    """
    _check(seed)
    if not 1 <= periods <= 100_000:
        raise ValueError(f"periods {periods}: give 1 to 100000")
    settings = world.city.scenario.demand
    random = np.random.default_rng([seed, 1])
    template, born, ends = _lives(world, periods, random)
    down = _failures(world.city, settings.failures if failures is None else failures, periods, seed)
    position = world.groups.position[world.pool.place[template]]
    factor = _factors(world, position, periods, seed)
    cell, cell_rate = _walks(world, template, born, ends, position, down, seed)
    return Episode(
        period=PERIOD,
        dags=world.pool.dags,
        region=world.pool.region,
        template=template,
        born=born,
        ends=ends,
        factor=factor,
        cell=cell,
        cell_rate=cell_rate,
        down=down,
    )


def _check(seed: int) -> None:
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed {seed}: give 0 to 2^63 - 1")


def _lives(world: Demand, periods: int, random: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
    """(A,) template, first period and first period after the end of every instance, by arrival."""
    settings = world.city.scenario.demand
    active = world.groups.requests / settings.requests_per_dag
    life = settings.life_minutes * 60.0 / PERIOD
    there = random.poisson(active)
    coming = random.poisson(active * periods / life)
    region = np.concatenate([np.repeat(np.arange(len(active)), n) for n in (there, coming)])
    start = np.concatenate([np.zeros(there.sum()), random.random(coming.sum()) * periods])
    order = np.argsort(start, kind="stable")
    region, start = region[order], start[order]
    draw = random.random(len(region))
    born = np.floor(start)
    ends = np.maximum(np.ceil(start + random.exponential(life, len(start))), born + 1)
    template = _templates(world.pool, region, born, ends, draw)
    return template, born.astype(np.int32), ends.astype(np.int32)


def _templates(
    pool: Pool, region: IntArray, born: FloatArray, ends: FloatArray, draw: FloatArray
) -> IntArray:
    """(A,) a template of its region for every instance, by `draw` in [0, 1) among those that nobody has.

    Instances of one template have their users in one place; any is taken where all are in use.
    """
    template, until = np.empty(len(region), np.int32), np.zeros(len(pool.dags))
    first = np.searchsorted(pool.region, np.arange(pool.region.max() + 2))
    for a, r in enumerate(region):
        own = np.arange(first[r], first[r + 1])
        free = own[until[own] <= born[a]]
        chosen = free if len(free) else own
        template[a] = chosen[int(draw[a] * len(chosen))]
        until[template[a]] = max(until[template[a]], ends[a])
    return template


def _factors(world: Demand, position: FloatArray, periods: int, seed: int) -> FloatArray:
    """(T, A) the hour of the day, times the bursts of each group, times events at venues nearby."""
    random = np.random.default_rng([seed, 2])
    A = len(position)
    hour: FloatArray = random.random() * 24.0 + np.arange(periods, dtype=np.float64) * PERIOD / 3600.0
    day = diurnal(hour % 24.0)
    row, start = random.integers(HISTORIES, size=A), random.integers(LENGTH, size=A)
    factor: FloatArray = world.bursts[row, (start + np.arange(periods)[:, None]) % LENGTH] * day[:, None]
    venues = world.city.scenario.demand.venues
    span = round(venues.minutes * 60.0 / PERIOD)
    for venue in world.groups.venue:
        near = np.hypot(*(position - venue).T) <= venues.metres
        for begin in random.integers(
            -span, periods, size=random.poisson(venues.per_hour * (periods + span) * PERIOD / 3600.0)
        ):
            event = slice(max(int(begin), 0), max(int(begin) + span, 0))
            factor[event, near] *= venues.gain
    return factor


def _walks(
    world: Demand,
    template: IntArray,
    born: IntArray,
    ends: IntArray,
    position: FloatArray,
    down: BoolArray,
    seed: int,
) -> tuple[IntArray, FloatArray]:
    """(T, A) serving cells and rates of groups that begin at `position` (A, 2)."""
    random = np.random.default_rng([seed, 3])
    T, A = len(down), len(template)
    movers = world.city.scenario.demand.mobility
    share = np.cumsum([mover.share for mover in movers])
    mover = np.minimum(np.searchsorted(share, random.random(A), side="right"), len(movers) - 1)
    kind = np.array([MODELS.index(each.model) for each in movers], np.int32)[mover]
    radio = world.coverage
    leg = random.random((A, LEGS, 3)) * (*radio.extent, 0.0) + (*radio.corner, 0.0)
    pause = np.array([each.pause_seconds for each in movers])[mover] / PERIOD
    leg[:, :, 2] = random.exponential(size=(A, LEGS)) * pause[:, None]
    gust = np.zeros((T, A, 2))
    gusty = kind == walks.GAUSS_MARKOV
    # The mean length of two independent normals is sqrt(pi / 2): so the mean speed is the mover's.
    gust[:, gusty] = random.standard_normal((T, int(gusty.sum()), 2)) / math.sqrt(math.pi / 2.0)
    way, trace = _ways(world, mover, kind, T, random)
    immersive = np.array([dag.service_class == "immersive" for dag in world.pool.dags])
    walkers = walks.Walkers(
        kind=kind,
        speed=np.array([each.metres_per_second for each in movers])[mover] * PERIOD,
        memory=np.array([each.memory for each in movers])[mover],
        born=born,
        ends=ends,
        start=position,
        leg=leg,
        gust=gust,
        way=way,
        trace=trace,
        lift=np.where(immersive[template], IMMERSIVE_RATE, 0.0),
    )
    cell, cell_rate = np.empty((T, A), np.int32), np.empty((T, A))
    walks.walk(walkers, radio.raster, down, np.empty((T, 2)), cell, cell_rate)
    return cell, cell_rate


def _ways(
    world: Demand, mover: IntArray, kind: IntArray, periods: int, random: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """(W, T, 2) trajectories of the groups that follow one, from a random moment on, and (A,) each group's
    row."""
    following = np.flatnonzero(kind == walks.TRACE)
    way, row = np.zeros((max(len(following), 1), periods, 2)), np.zeros(len(kind), np.int32)
    for w, a in enumerate(following):
        traces = world.traces[int(mover[a])]
        drawn = int(random.integers(len(traces.length)))
        begin = int(random.integers(traces.length[drawn] - 1))
        steps = traces.step[drawn]
        way[w] = steps[np.minimum(begin + np.arange(periods), traces.length[drawn] - 1)] - steps[begin]
        row[a] = w
    return way, row


def _failures(city: City, wanted: Failures | None, periods: int, seed: int) -> BoolArray:
    """(T, N) which nodes are down: a random share of the edge nodes for a while."""
    down = np.zeros((periods, len(city.nodes)), np.bool_)
    if wanted is not None:
        edge = np.array([i for i, node in enumerate(city.nodes) if node.tier == "edge"])
        drawn = np.random.default_rng([seed, 4]).permutation(edge)[: round(wanted.share * len(edge))]
        down[wanted.period : wanted.period + wanted.repair, drawn] = True
    return down


def _histories(city: City, random: np.random.Generator) -> FloatArray:
    """(HISTORIES, LENGTH) of on/off sessions together, each with mean 1."""
    given = city.scenario.demand.bursts
    active = on_off(
        HISTORIES * given.sessions,
        LENGTH,
        PERIOD,
        random,
        on=given.on_seconds,
        off=given.off_seconds,
        shape=given.shape,
    )
    together = active.reshape(HISTORIES, given.sessions, LENGTH).mean(axis=1)
    relative: FloatArray = together / together.mean(axis=1, keepdims=True)
    return relative
