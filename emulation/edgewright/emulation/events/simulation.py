"""Discrete-event simulation of single requests through placed DAGs: what core is judged against."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.kernel import entry, kernel
from edgewright.core.problem import PlacedDag
from edgewright.core.substrate import FloatArray, IntArray, Substrate
from edgewright.emulation.events.calendar import cancel, schedule
from edgewright.emulation.events.compiling import compile_system
from edgewright.emulation.events.flow import arrive, delay, follow, lose
from edgewright.emulation.events.sharing import vacate
from edgewright.emulation.events.state import NONE, OUTCOME, Records, State, grow, make
from edgewright.emulation.events.stream import exponential, mix
from edgewright.emulation.events.system import System

TIMEOUT = 1.0
"""Seconds after which a request is lost."""
ENDED, REACHED, MORE_JOBS, MORE_REQUESTS, MORE_CALLS = range(5)


@dataclass(frozen=True)
class RateChange:
    """From `at` seconds on, DAG number `dag` has `rate` requests per second."""

    at: float
    dag: int
    rate: float


@dataclass(frozen=True)
class NodeFailure:
    """At `at` seconds, node number `node` fails: requests there, and those that reach it later, are lost."""

    at: float
    node: int


@dataclass(frozen=True, eq=False)
class Observed:
    """What a simulation saw; per DAG in the order given, with M stages and T transfers as in core."""

    born: tuple[FloatArray, ...]
    """Seconds at which each measured request arrived, ascending."""
    latency: tuple[FloatArray, ...]
    """Seconds until its answer; infinite where it was lost."""
    skew: FloatArray
    """(D,) largest over the joins of mean(latest - earliest input), seconds."""
    visits: tuple[FloatArray, ...]
    """(M + T,) how often each stage and transfer was measured."""
    seconds: tuple[FloatArray, ...]
    """(M + T,) its mean time, waiting and fixed delay included; NaN if never visited."""
    utilisation: FloatArray
    """(stations,) share of capacity used over the whole time, station numbers as in the Substrate."""
    events: int
    """Arrivals, ends of jobs and ends of delays."""
    time: float
    """Seconds simulated."""

    @property
    def lost(self) -> IntArray:
        """(D,) measured requests that got no answer."""
        return np.array([np.isinf(one).sum() for one in self.latency], np.int32)

    def answered(self, dag: int) -> FloatArray:
        """Latencies of the measured requests of one DAG that got an answer."""
        return self.latency[dag][np.isfinite(self.latency[dag])]


def simulate(
    placed: Sequence[PlacedDag],
    substrate: Substrate,
    *,
    requests: int,
    seed: int,
    warm_up: float = 0.1,
    foreign: FloatArray | None = None,
    changes: Sequence[RateChange | NodeFailure] = (),
    timeout: float = TIMEOUT,
) -> Observed:
    """Run until `requests` requests of all DAGs together have arrived and ended; see Simulation.

    The first `warm_up` share of them is not measured. Raises ValueError where nothing would ever arrive.
    """
    if not 0 <= warm_up < 1 or requests < 1:
        raise ValueError(
            f"requests {requests}, warm_up {warm_up}: at least one, of which less than all warm up"
        )
    simulation = Simulation(placed, substrate, seed=seed, foreign=foreign, changes=changes, timeout=timeout)
    skip = int(requests * warm_up)
    if skip:
        simulation.run(skip)
        simulation.forget()
    simulation.run(requests - skip)
    return simulation.observed()


class Simulation:
    """A run that can be continued until what it measured is sure enough.

    Stations are shared max-min fairly: CPUs and CPU limits in instructions, ports and links in bits, cells in
    airtime (users of one cell at different rates get equal time; on wired hops their weight follows their
    rate). Arrivals are Poisson, sizes log-normal, a request picks one replica of each stage. `foreign` (N,)
    is the utilisation of each CPU by single jobs of pods that are not ours.
    """

    def __init__(
        self,
        placed: Sequence[PlacedDag],
        substrate: Substrate,
        *,
        seed: int,
        foreign: FloatArray | None = None,
        changes: Sequence[RateChange | NodeFailure] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout {timeout}: give the seconds after which a request is lost")
        plan = compile_system(placed, substrate, seed=seed, timeout=timeout, foreign=foreign)
        self._plan, self._system, self._stations = plan, plan.system, len(substrate.station_capacity)
        self._nodes, self._dags = len(substrate.nodes), len(placed)
        self._changes = sorted(changes, key=lambda change: change.at)
        _check(self._changes, self._nodes, self._dags)
        tasks, streams = len(self._system.tasks), self._system.streams
        self._state = make(
            plan.capacity, streams, tasks, len(self._system.ways), self._system.stages, self._system.width
        )
        self._outcome = np.zeros(0, OUTCOME)
        self._measured: list[Records] = []
        if not (streams["rate"][: self._dags] > 0).any() and not self._changes:
            raise ValueError("no DAG has a positive rate: no request would ever arrive")
        _start(self._system, self._state)

    def run(self, requests: int) -> None:
        """Simulate until `requests` more requests, numbered by arrival, have ended; others keep arriving."""
        self._outcome = np.zeros(requests, OUTCOME)
        self._state.clock["numbered"] = 0
        while True:
            until = self._changes[0].at if self._changes else np.inf
            status = _run(self._system, self._state, self._outcome, until)
            if status == ENDED:
                break
            self._go_on(status)
        numbered = int(self._state.clock["numbered"][0])
        self._measured.append(self._outcome[:numbered])

    def forget(self) -> None:
        """Drop what was measured so far: it was warming up."""
        self._measured.clear()
        self._state.seen[:] = 0

    def observed(self) -> Observed:
        """Everything measured so far."""
        rows = np.concatenate(self._measured) if self._measured else self._outcome[:0]
        first, seen, clock = self._plan.first, self._state.seen, self._state.clock[0]
        mine = [rows[rows["stream"] == q] for q in range(self._dags)]
        tasks = [seen[first[q] : first[q + 1]] for q in range(self._dags)]
        with np.errstate(invalid="ignore", divide="ignore"):
            joins = [
                np.append(own["skew"] / own["joins"], user["skew"] / user["joins"])
                for own, user in zip(tasks, seen[len(self._system.tasks) :], strict=False)
            ]
            seconds = tuple(own["seconds"] / own["visits"] for own in tasks)
        return Observed(
            born=tuple(row["born"].copy() for row in mine),
            latency=tuple(row["latency"].copy() for row in mine),
            skew=np.array([np.nanmax(np.append(one, 0.0)) for one in joins]),
            visits=tuple(own["visits"].astype(float) for own in tasks),
            seconds=seconds,
            utilisation=self._utilisation(),
            events=int(clock["events"]),
            time=float(clock["now"]),
        )

    def _utilisation(self) -> FloatArray:
        ways, uses, now = self._system.ways, self._system.uses, self._state.clock["now"][0]
        jobs = self._state.jobs[self._state.jobs["serving"] == 1]
        begun = jobs["size"] - jobs["left"] + jobs["rate"] * (now - jobs["since"])
        done = self._state.done + np.bincount(jobs["way"], begun, minlength=len(ways))
        way = np.repeat(np.arange(len(ways)), ways["last"] - ways["first"])
        used = np.bincount(uses["station"], uses["amount"] * done[way], minlength=len(self._plan.capacity))
        share: FloatArray = used / self._plan.capacity / max(float(now), 1e-12)
        return share[: self._stations]

    def _go_on(self, status: int) -> None:
        """More room, or the next change."""
        state, width = self._state, self._system.width
        if status == MORE_JOBS:
            self._state = grow(state, jobs=len(state.jobs) + self._system.branches, uses=width)
        elif status == MORE_REQUESTS:
            self._state = grow(state, requests=len(state.requests), uses=width)
        elif status == MORE_CALLS:
            self._state = grow(state, calls=len(state.calls) + self._system.branches, uses=width)
        else:
            change = self._changes.pop(0)
            if isinstance(change, RateChange):
                _set_rate(state, change.dag, change.rate)
            else:
                state.failed[self._through(change.node)] = 1
                _fail(self._system, state, self._outcome)

    def _through(self, node: int) -> IntArray:
        """Ways that use the CPU, a port or the cell of `node`."""
        ways, uses, N = self._system.ways, self._system.uses, self._nodes
        own = np.isin(uses["station"], node + N * np.arange(5))
        way = np.repeat(np.arange(len(ways)), ways["last"] - ways["first"])
        return np.unique(way[own]).astype(np.int32)


def _check(changes: Sequence[RateChange | NodeFailure], nodes: int, dags: int) -> None:
    for change in changes:
        if isinstance(change, RateChange):
            if not (0 <= change.dag < dags and 0 <= change.rate < np.inf):
                raise ValueError(
                    f"{change}: dag is a number below {dags}, rate at least 0 requests per second"
                )
        elif not 0 <= change.node < nodes:
            raise ValueError(f"{change}: node is a number below {nodes}")
        if not 0 <= change.at < np.inf:
            raise ValueError(f"{change}: at is at least 0 seconds after the start")


@entry
def _start(system: System, state: State) -> None:
    for q in range(len(state.stream)):
        stream = state.stream[q]
        gap = exponential(mix(stream.key, 1)) / stream.rate if stream.rate > 0.0 else np.inf
        stream.arrived = 1
        schedule(state.clock, state.heap, state.place, state.due, q, gap)


@entry
def _set_rate(state: State, q: int, rate: float) -> None:
    """The rest of the time to the next request shrinks or grows with the rate; from 0 it is drawn anew."""
    stream, now = state.stream[q], state.clock[0].now
    rest = (state.due[q] - now) * stream.rate
    if stream.rate == 0.0:
        rest = exponential(mix(stream.key, 2 * stream.arrived - 1))
    stream.rate = rate
    due = now + rest / rate if rate > 0.0 else np.inf
    schedule(state.clock, state.heap, state.place, state.due, q, due)


@entry
def _fail(system: System, state: State, outcome: Records) -> None:
    """Lose every request with a job on a failed way."""
    r = state.clock[0].oldest
    while r != NONE:
        after, j = state.requests[r].next, state.requests[r].jobs
        while j != NONE and state.failed[state.jobs[j].way] == 0:
            j = state.jobs[j].next
        if j != NONE:
            lose(system, state, outcome, r)
        r = after


@kernel
def _happen(system: System, state: State, outcome: Records, entry: int) -> None:
    """What the calendar has for now, and all that follows at once."""
    clock, j = state.clock[0], entry - len(state.stream)
    if j < 0:
        arrive(system, state, entry, len(outcome))
    elif state.jobs[j].serving == 1:
        vacate(system, state, j)
        delay(system, state, j)
    else:
        cancel(state.clock, state.heap, state.place, state.due, entry)
        state.ready[clock.ready] = j
        clock.ready += 1
    while clock.ready > 0:
        clock.ready -= 1
        follow(system, state, outcome, state.ready[clock.ready])
    if clock.doomed != NONE:
        lose(system, state, outcome, clock.doomed)
        clock.doomed = NONE


@entry
def _run(system: System, state: State, outcome: Records, until: float) -> int:
    """Event after event until `until`, until all rows of `outcome` are written, or until room is short."""
    clock = state.clock[0]
    while clock.numbered < len(outcome) or clock.unfinished > 0:
        if clock.jobs_left <= system.branches:
            return MORE_JOBS
        if clock.requests_left <= 1:
            return MORE_REQUESTS
        if clock.calls_left <= system.branches:
            return MORE_CALLS
        first = state.heap[0]
        at, deadline = state.due[first], np.inf
        if clock.oldest != NONE:
            deadline = state.requests[clock.oldest].born + system.timeout
        if min(at, deadline) > until:
            clock.now = until
            return REACHED
        if deadline < at:
            clock.now = deadline
            lose(system, state, outcome, clock.oldest)
            continue
        if at == np.inf:
            break
        clock.now = at
        clock.events += 1
        _happen(system, state, outcome, first)
    return ENDED
