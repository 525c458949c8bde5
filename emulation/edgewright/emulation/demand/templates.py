"""The pool of DAGs that instances are drawn from: drawn by class, and accepted only if they can be served."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgewright.agents.policies import create
from edgewright.core.physics import impossible
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.service import Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate
from edgewright.core.units import CORE_SPEED, GIB, KB, M_INSTRUCTIONS, MS
from edgewright.emulation.city import City
from edgewright.emulation.demand.groups import Groups
from edgewright.emulation.demand.shapes import Shape, draw_shape
from edgewright.emulation.demand.workload import ServiceClass, Workload
from edgewright.emulation.fields import Range, ScenarioError

SLACK = 0.7
"""A DAG is accepted if its best placement on an idle city has its 95th percentile within this share of its limit."""
SPREAD = (0.8, 1.25)
"""Of a DAG's requests around its class's, and of a replica's utilisation around its DAG's."""
SIZINGS = 400
"""Draws of CPU and work for one rate, before that rate is given up."""
WORKS, DRAWS = 4, 60
"""Draws of work for a DAG, and of DAGs for a place in the pool, before the workload is refused."""
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


def make_pool(city: City, groups: Groups, workload: Workload, *, seed: int) -> Pool:
    """`templates` DAGs for every region, in the mix of the classes; ScenarioError where a class cannot be served.

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
    )


class _Region:
    """Draws the DAGs of one region."""

    def __init__(
        self, city: City, groups: Groups, workload: Workload, number: int, random: np.random.Generator
    ) -> None:
        self.city, self.groups, self.workload, self.number, self.random = (
            city,
            groups,
            workload,
            number,
            random,
        )
        self.settings = city.scenario.demand
        self.rejected: Counter[str] = Counter()
        mine = {*city.regions[number].nodes, city.core.name}
        self.allowed: BoolArray = np.array([node.name in mine for node in city.nodes])
        classes = workload.classes
        self.weight = sum(each.share * each.request_weight for each in classes)

    def draw(self) -> Pool:
        """The region's part of the pool."""
        dags, places, kinds, idle = [], [], [], []
        for row, each in enumerate(_mix(self.workload, self.settings.templates, self.random)):
            dag, place, ratio = self._accepted(each, f"{each.name}-{row:03d}")
            dags.append(dag)
            places.append(place)
            kinds.append(each.name)
            idle.append(ratio)
        region = np.full(len(dags), self.number, np.int32)
        return Pool(
            tuple(dags), region, np.array(places, np.int32), tuple(kinds), self.rejected, np.array(idle)
        )

    def _accepted(self, given: ServiceClass, name: str) -> tuple[ServiceDag, int, float]:
        """A DAG of the class that can be served; its size is drawn once, so that acceptance leaves sizes alone."""
        random = self.random
        size = int(random.integers(*given.microservices, endpoint=True))
        abroad = len(self.city.regions) > 1 and random.random() < self.settings.cross_region
        before = Counter(self.rejected)
        for _ in range(DRAWS):
            shape = draw_shape(size, random)
            place = self._place(abroad=abroad)
            limit = random.uniform(given.limit_ms.low, given.limit_ms.high)
            for _ in range(WORKS):
                dag = self._dag(given, name, shape, place, limit, abroad=abroad)
                ratio = None if dag is None else self._ratio(dag)
                if dag is not None and ratio is not None and ratio <= SLACK:
                    return dag, place, ratio
                self.rejected[OUTSIDE if dag is None else NOWHERE if ratio is None else LATE] += 1
        reasons = ", ".join(f"{n} x {why}" for why, n in (self.rejected - before).items())
        raise ScenarioError(
            f"workload {self.workload.name}, class {given.name}: no DAG of {size} microservices can be served in "
            f"region {self.city.regions[self.number].name} ({reasons}); raise limitMs or work, or lower "
            "payloadKb, cpu or requestsPerDag"
        )

    def _place(self, *, abroad: bool) -> int:
        """Where the users are: in the region, or in another one."""
        region = self.number
        if abroad:
            others = [row for row in range(len(self.city.regions)) if row != region]
            region = others[int(self.random.integers(len(others)))]
        venues = self.settings.venues
        return self.groups.draw(region, self.random, venue_share=venues.share, reach=venues.metres)

    def _dag(
        self, given: ServiceClass, name: str, shape: Shape, place: int, limit: float, *, abroad: bool
    ) -> ServiceDag | None:
        """A DAG with drawn rate, work and resources; None where its work cannot be in the class's range."""
        random = self.random
        rate = self.settings.requests_per_dag * given.request_weight / self.weight * random.uniform(*SPREAD)
        calls = random.random() < given.calls
        sized = _sizes(given, shape, rate, random, calls=calls)
        if sized is None:
            return None
        cpu, memory, work = sized
        names = [f"s{number:02d}" for number in range(shape.size)]
        payload = given.payload_kb * KB
        sinks = 1 if calls else shape.size - len({caller for caller, _, _ in shape.calls})
        top = random.random()
        inner = _log_uniform(given.inner, top * random.random(len(shape.calls)))
        return ServiceDag(
            namespace=self.city.regions[self.number].name,
            name=name,
            microservices=tuple(
                Microservice(
                    name=names[m],
                    request=(float(cpu[m]), float(memory[m]), 0.0, 0.0, 0.0, 1.0),
                    work=float(work[m]),
                    max_replicas=given.max_replicas,
                )
                for m in range(shape.size)
            ),
            invocations=tuple(
                Invocation(
                    source=names[a],
                    target=names[b],
                    payload=float(inner[row] * payload),
                    response=float(inner[row] * payload) if calls else 0.0,
                    calls=float(often) if calls else 1.0,
                )
                for row, (a, b, often) in enumerate(shape.calls)
            ),
            demand=Demand(
                rate=rate,
                payload=payload * (float(_log_uniform(given.inner, random.random())) if abroad else 1.0),
                response=given.response_kb * KB / sinks,
            ),
            ingress=Ingress(node=self.city.nodes[int(self.groups.cell[place])].name),
            qos=Qos(max_latency=limit * MS),
            flow="requestResponse" if calls else "pipeline",
            service_class=given.service_class,
        )

    def _ratio(self, dag: ServiceDag) -> float | None:
        """95th percentile over the limit of the best placement found on the idle region and core; None: none.

        Infinite where a bound shows at once that none can be good enough.
        """
        limit = dag.qos.max_latency or math.inf
        masks = np.tile(self.allowed, (len(dag.microservices), 1))
        tight = replace(dag, qos=replace(dag.qos, max_latency=SLACK * limit))
        if impossible(tight, self.city.substrate, masks, every=True):
            return math.inf
        decision = create("heuristic").place(alone(self.city.substrate, dag, self.allowed), seconds=60.0)
        return None if decision.prediction is None else decision.prediction.percentile / limit


def alone(substrate: Substrate, dag: ServiceDag, allowed: BoolArray) -> Problem:
    """One replica of each microservice to place on an idle city, on the nodes `allowed` (N,)."""
    stages = len(dag.microservices)
    return Problem(
        world=World(substrate, np.zeros_like(substrate.capacity)),
        dag=dag,
        stage=np.arange(stages, dtype=np.int32),
        fixed=np.full(stages, UNPLACED, dtype=np.int32),
        allowed=np.tile(allowed, (stages, 1)),
    )


def _mix(workload: Workload, count: int, random: np.random.Generator) -> list[ServiceClass]:
    """Classes in their shares, the remainders by chance, in random order."""
    exact = np.array([each.share * count for each in workload.classes])
    whole = np.floor(exact + 1e-9)
    rest = round(count - whole.sum())
    if rest:
        odds = (exact - whole).clip(0)
        whole += np.bincount(
            random.choice(len(exact), rest, replace=False, p=odds / odds.sum()), minlength=len(exact)
        )
    listed = [each for each, n in zip(workload.classes, whole, strict=True) for _ in range(int(n))]
    return [listed[row] for row in random.permutation(len(listed))]


def _sizes(
    given: ServiceClass, shape: Shape, rate: float, random: np.random.Generator, *, calls: bool
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """(cores, bytes, instructions per visit) of each stage, with the request's work in its range; None: not found.

    Cores are log-uniform between the class's least and a top of the DAG's own, memory goes with them; work is
    what keeps a replica busy for its utilisation at `rate`, given how often a request visits it.
    """
    visits = np.zeros(shape.size) if calls else np.ones(shape.size)
    visits[0] = 1.0
    for caller, called, often in shape.calls if calls else ():
        visits[called] += visits[caller] * often
    for _ in range(SIZINGS):
        top = random.random()
        place = top * random.random(shape.size)
        cpu = _log_uniform(given.cpu, place)
        busy = random.uniform(given.utilisation.low, given.utilisation.high) * random.uniform(
            *SPREAD, shape.size
        )
        busy = busy.clip(given.utilisation.low, given.utilisation.high)
        per_request = busy * cpu * CORE_SPEED / rate
        if given.work.low <= per_request.sum() / M_INSTRUCTIONS <= given.work.high:
            memory = _log_uniform(given.memory_gb, place)
            return np.round(cpu, 3), np.round(memory * GIB), per_request / visits
    return None


def _log_uniform(given: Range, place: FloatArray | float) -> FloatArray:
    """Values at `place` (0 to 1) of a range whose logarithm is linear."""
    values: FloatArray = given.low * (given.high / given.low) ** np.asarray(place)
    return values
