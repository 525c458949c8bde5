"""The pool of DAGs that instances are drawn from: drawn by class, and accepted only if they can be served."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policies import create
from edgewright.core.physics import impossible
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.radio import IMMERSIVE_RATE
from edgewright.core.service import Ingress, ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.core.units import MS
from edgewright.emulation.city import City
from edgewright.emulation.demand.drawing import draw_dag
from edgewright.emulation.demand.groups import Groups
from edgewright.emulation.demand.shapes import draw_shape
from edgewright.emulation.demand.workload import ServiceClass, Workload
from edgewright.emulation.fields import ScenarioError

SLACK = 0.7
"""A DAG is accepted if its best placement on an idle city has its 95th percentile within this share of its
limit."""
WORKS, DRAWS, SIZES = 4, 40, 8
"""Draws of work for a DAG, of DAGs for a size, and of sizes before the workload is refused."""
PATIENCE = 20
"""Draws of DAGs for a size before its users are sought at masts."""
FAR = 1.6
"""Beyond so many times SLACK other work would not help; other users or another limit may."""
GIVEN_UP = "sizes given up"
OUTSIDE = "work outside its range"
LATE = "best idle 95th percentile above 0.7 of the limit"
NOWHERE = "no feasible placement on the idle region"


@dataclass(frozen=True, eq=False)
class Pool:
    """D accepted DAGs."""

    dags: tuple[ServiceDag, ...]
    region: IntArray
    """(D,) index into `city.regions` of the agent that places it."""
    place: IntArray
    """(D,) where its users begin: row of `Groups`."""
    kind: tuple[str, ...]
    """(D,) name of the class."""
    rejected: Mapping[str, int]
    """How many draws were rejected, by reason."""
    idle: FloatArray
    """(D,) 95th percentile of the best idle placement over the limit."""
    first: tuple[ServiceDag, ...]
    """(D,) what was drawn first for each, accepted or not: compared with `dags`, how biased the pool is."""


def make_pool(city: City, groups: Groups, workload: Workload, *, seed: int) -> Pool:
    """`templates` DAGs for every region, in the classes' mix; ScenarioError where one cannot be served.

    Each region has its own stream of random numbers.
    """
    drawn = [
        _Region(city, groups, workload, number, np.random.default_rng([seed, 11, number])).draw()
        for number in range(len(city.regions))
    ]
    rejected: Counter[str] = Counter()
    for each in drawn:
        rejected.update(each.rejected)
    return Pool(
        tuple(dag for each in drawn for dag in each.dags),
        np.concatenate([each.region for each in drawn]),
        np.concatenate([each.place for each in drawn]),
        tuple(kind for each in drawn for kind in each.kind),
        dict(sorted(rejected.items())),
        np.concatenate([each.idle for each in drawn]),
        tuple(dag for each in drawn for dag in each.first),
    )


class _Region:
    """Draws the DAGs of one region."""

    def __init__(
        self, city: City, groups: Groups, workload: Workload, number: int, random: np.random.Generator
    ) -> None:
        self.city, self.groups, self.workload = city, groups, workload
        self.number, self.random = number, random
        self.settings = city.scenario.demand
        self.rejected: Counter[str] = Counter()
        self.allowed: BoolArray = np.zeros(len(city.nodes), np.bool_)
        self.allowed[city.members[number]] = True
        self.idle = World(city.substrate, np.zeros_like(city.substrate.capacity))
        self.weight = sum(each.share * each.request_weight for each in workload.classes)
        self.first: list[ServiceDag] = []
        self.tenant = ""

    def draw(self) -> Pool:
        """The region's part of the pool."""
        dags, places, kinds, idle = [], [], [], []
        count, classes, slices = self.settings.templates, self.workload.classes, self.city.scenario.slices
        # Slices are drawn apart: the same DAGs belong to somebody then, as far as they fit.
        of_slice = _mix([each.dags for each in slices], count, self.random.spawn(1)[0])
        for row, kind in enumerate(_mix([each.share for each in classes], count, self.random)):
            each = classes[kind]
            self.tenant = slices[of_slice[row]].name if of_slice[row] < len(slices) else ""
            dag, place, ratio = self._accepted(each, f"{each.name}-{row:03d}")
            dags.append(dag)
            places.append(place)
            kinds.append(each.name)
            idle.append(ratio)
        region = np.full(len(dags), self.number, np.int32)
        return Pool(
            tuple(dags),
            region,
            np.array(places, np.int32),
            tuple(kinds),
            self.rejected,
            np.array(idle),
            tuple(self.first),
        )

    def _accepted(self, given: ServiceClass, name: str) -> tuple[ServiceDag, int, float]:
        """A DAG of the class that can be served.

        Its size and whether its users are abroad are drawn first and kept through DRAWS others, so that
        acceptance leaves their laws alone; where it cannot (counted as GIVEN_UP), both are drawn again.
        """
        before, drawn = Counter(self.rejected), len(self.first)
        for _ in range(SIZES):
            size = int(self.random.integers(*given.microservices, endpoint=True))
            abroad = len(self.city.regions) > 1 and self.random.random() < self.settings.cross_region
            for draw in range(DRAWS):
                found = self._tried(given, name, size, abroad=abroad, at_mast=draw >= PATIENCE)
                del self.first[drawn + 1 :]
                if found is not None:
                    return found
            self.rejected[GIVEN_UP] += 1
        reasons = ", ".join(f"{n} x {why}" for why, n in (self.rejected - before).items())
        raise ScenarioError(
            f"workload {self.workload.name}, class {given.name}: no DAG fits in region "
            f"{self.city.regions[self.number].name} ({reasons}); raise limitMs or work, or lower payloadKb, "
            "cpu or requestsPerDag"
        )

    def _tried(
        self, given: ServiceClass, name: str, size: int, *, abroad: bool, at_mast: bool
    ) -> tuple[ServiceDag, int, float] | None:
        """One draw of shape, users and limit with up to WORKS of work; None if none is accepted."""
        random = self.random
        shape = draw_shape(size, random)
        place = self._place(abroad=abroad, at_mast=at_mast)
        limit = random.uniform(given.limit_ms.low, given.limit_ms.high) * MS
        mean = self.settings.requests_per_dag * given.request_weight / self.weight
        for _ in range(WORKS):
            dag = draw_dag(
                given,
                shape,
                random,
                namespace=self.city.regions[self.number].name,
                name=name,
                requests=mean,
                ingress=self._ingress(given, place),
                limit=limit,
                abroad=abroad,
                tenant=self.tenant,
            )
            if dag is None:
                self.rejected[OUTSIDE] += 1
                continue
            self.first.append(dag)
            ratio = self._ratio(dag)
            if ratio is None:
                self.rejected[NOWHERE] += 1
                continue
            if ratio <= SLACK:
                return dag, place, ratio
            self.rejected[LATE] += 1
            if ratio > FAR * SLACK:
                break
        return None

    def _place(self, *, abroad: bool, at_mast: bool) -> int:
        """Where the users are: in the region, or in another one; where users usually are, or at a mast."""
        region = self.number
        if abroad:
            others = [row for row in range(len(self.city.regions)) if row != region]
            region = others[int(self.random.integers(len(others)))]
        if at_mast:
            return self.groups.at_mast(region, self.random)
        venues = self.settings.venues
        return self.groups.draw(region, self.random, venue_share=venues.share, reach=venues.metres)

    def _ingress(self, given: ServiceClass, place: int) -> Ingress:
        """The cell of a place, and how fast it is there for users of the class."""
        rate = float(self.groups.rate[place])
        if given.service_class == "immersive":
            rate = max(rate, IMMERSIVE_RATE)
        return Ingress(node=self.city.nodes[int(self.groups.cell[place])].name, rate=rate)

    def _ratio(self, dag: ServiceDag) -> float | None:
        """95th percentile over the limit of the best placement found on the idle region; None: none.

        Infinite where a bound shows at once that none can be good enough.
        """
        limit = dag.qos.max_latency or math.inf
        # One object for both questions, as core compiles it once; its limit does not change what is best.
        tight = replace(dag, qos=replace(dag.qos, max_latency=SLACK * limit))
        problem = alone(self.idle, tight, self.allowed)
        if impossible(tight, self.city.substrate, problem.allowed, every=True):
            return math.inf
        decision = create("heuristic").place(problem, seconds=60.0)
        return None if decision.prediction is None else decision.prediction.percentile / limit


def alone(world: World, dag: ServiceDag, allowed: BoolArray) -> Problem:
    """One replica of each microservice to place in `world`, on the nodes `allowed` (N,)."""
    stages = len(dag.microservices)
    return Problem(
        world=world,
        dag=dag,
        stage=np.arange(stages, dtype=np.int32),
        fixed=np.full(stages, UNPLACED, dtype=np.int32),
        allowed=np.tile(allowed, (stages, 1)),
    )


def _mix(shares: Sequence[float], count: int, random: np.random.Generator) -> IntArray:
    """(count,) rows of `shares`, or beyond them for what they leave; remainders by chance; shuffled."""
    exact = np.array([*shares, max(0.0, round(1.0 - sum(shares), 9))]) * count
    whole = np.floor(exact + 1e-9)
    rest = round(count - whole.sum())
    if rest:
        odds = (exact - whole).clip(0)
        whole += np.bincount(
            random.choice(len(exact), rest, replace=False, p=odds / odds.sum()), minlength=len(exact)
        )
    rows: IntArray = random.permutation(np.repeat(np.arange(len(exact), dtype=np.int32), whole.astype(int)))
    return rows
