"""The event simulation again, slow and plain: every rate filled anew at every event, requests as closures.

It takes routes and random keys from the simulation under test, and nothing else: what a request does is read
from the ServiceDAG itself, and shares are filled progressively over all jobs whenever anything happens.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from edgewright.core.problem import PlacedDag
from edgewright.core.service import topological_order
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.events.compiling import compile_system
from edgewright.emulation.events.simulation import TIMEOUT, NodeFailure, RateChange

Then = Callable[[], None]
Call = tuple[int, int, tuple[int, int], int, int]
"""Transfer there and back, its ends, its key, how often it is made."""
MASK = (1 << 64) - 1


def mix(key: int, part: int) -> int:
    z = (key + (part + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def uniform(key: int) -> float:
    return ((key >> 11) + 0.5) * 2.0**-53


def factor(key: int, sigma: float) -> float:
    radius = math.sqrt(-2.0 * math.log(uniform(mix(key, 0))))
    normal = radius * math.cos(2.0 * math.pi * uniform(mix(key, 1)))
    return math.exp(sigma * normal - sigma * sigma / 2)


@dataclass(eq=False)
class Job:
    way: int
    left: float
    then: Then
    request: "Request"
    rate: float = 0.0


@dataclass(eq=False)
class Timer:
    due: float
    way: int
    then: Then
    request: "Request"


@dataclass(eq=False)
class Request:
    stream: int
    number: int
    born: float
    key: int
    picked: dict[int, int] = field(default_factory=dict)
    over: bool = False


class Reference:
    """Latency of the first requests of all DAGs together, infinite where lost."""

    def __init__(
        self,
        placed: Sequence[PlacedDag],
        substrate: Substrate,
        *,
        seed: int,
        foreign: FloatArray | None = None,
        changes: Sequence[RateChange | NodeFailure] = (),
    ) -> None:
        self.placed = list(placed)
        self.plan = compile_system(placed, substrate, seed=seed, timeout=TIMEOUT, foreign=foreign)
        self.system = self.plan.system
        ways, uses = self.system.ways, self.system.uses
        self.cap, self.weight = ways["cap"].tolist(), ways["weight"].tolist()
        self.uses = [
            list(zip(uses["station"][a:b].tolist(), uses["share"][a:b].tolist(), strict=True))
            for a, b in zip(ways["first"], ways["last"], strict=True)
        ]
        self.capacity = self.plan.capacity.tolist()
        self.now = 0.0
        self.jobs: list[Job] = []
        self.timers: list[Timer] = []
        self.count = 0
        self.rates = [float(rate) for rate in self.system.streams["rate"]]
        self.failed: set[int] = set()
        self.alive: list[Request] = []
        self.latency: list[tuple[int, float]] = []
        self.substrate = substrate
        self.changes = sorted(changes, key=lambda change: change.at)
        self.due = [-math.log(uniform(mix(int(s["key"]), 1))) / s["rate"] for s in self.system.streams]
        self.arrived = [1] * len(self.due)

    def run(self, requests: int) -> list[tuple[int, float]]:
        self.latency = [(-1, math.nan)] * requests
        self.unfinished = requests
        self.wanted = requests
        while self.unfinished:
            self._fill()
            at, what = self._next()
            for job in self.jobs:
                job.left -= job.rate * (at - self.now)
            self.now = at
            what()
        return self.latency

    def _next(self) -> tuple[float, Then]:
        choices: list[tuple[float, Then]] = []
        q = int(np.argmin(self.due))
        choices.append((self.due[q], lambda: self._arrive(q)))
        if self.jobs:
            first = min(self.jobs, key=lambda job: job.left / job.rate)
            choices.append((self.now + max(first.left, 0.0) / first.rate, partial(self._done, first)))
        if self.timers:
            timer = min(self.timers, key=lambda timer: timer.due)
            choices.append((timer.due, partial(self._ring, timer)))
        for request in self.alive[:1]:
            choices += [(request.born + TIMEOUT, partial(self._lose, request))]
        if self.changes:
            choices.append((self.changes[0].at, self._change))
        return min(choices, key=lambda choice: choice[0])

    def _fill(self) -> None:
        """Raise all levels together; whoever meets its cap or a full station stays there."""
        jobs = Counter(job.way for job in self.jobs)
        spare = dict(enumerate(self.capacity))
        rates: dict[int, float] = {}
        rising = list(jobs)
        level = 0.0
        while rising:
            weight: dict[int, float] = defaultdict(float)
            for way in rising:
                for station, share in self.uses[way]:
                    weight[station] += jobs[way] * share
            lowest = min(self.cap[way] for way in rising)
            step = min([lowest - level, *(max(spare[s], 0.0) / w for s, w in weight.items())])
            level += step
            for s, w in weight.items():
                spare[s] -= step * w
            full = {s for s in weight if spare[s] <= 1e-10 * self.capacity[s]}
            still = []
            for way in rising:
                if self.cap[way] <= level * (1 + 1e-10) or any(s in full for s, _ in self.uses[way]):
                    rates[way] = level * self.weight[way]
                else:
                    still.append(way)
            rising = still
        for job in self.jobs:
            job.rate = rates[job.way]

    def _arrive(self, q: int) -> None:
        stream = self.system.streams[q]
        n = self.arrived[q]
        self.arrived[q] += 1
        key = int(stream["key"])
        self.due[q] = self.now - math.log(uniform(mix(key, 2 * n + 1))) / self.rates[q]
        measured = q < len(self.placed) and self.count < self.wanted
        request = Request(q, self.count if measured else -1, self.now, mix(key, 2 * n))
        self.count += measured
        self.alive.append(request)
        if q >= len(self.placed):
            task = int(stream["first"])
            self._job(
                request, task, mix(request.key, 1), 0, lambda: self._end(request, self.now - request.born)
            )
            return
        self._pick(request)
        if self.placed[q].dag.flow == "pipeline":
            self._pipeline(request)
        else:
            self._calls(request)

    def _pick(self, request: Request) -> None:
        dag, tasks = self.placed[request.stream].dag, self.system.tasks
        names = [m.name for m in dag.microservices]
        nodes = self._nodes(request.stream)
        all_nodes = self.substrate.nodes
        for m in topological_order(dag):
            u, chosen = uniform(mix(request.key, m)), list(range(len(nodes[m])))
            callers = [names.index(i.source) for i in dag.invocations if i.target == names[m]]
            traffic = dag.microservices[m].traffic
            if callers and traffic != "even":
                caller = nodes[callers[0]][request.picked[callers[0]]]
                zone = all_nodes[caller].zone
                near = [
                    i
                    for i in chosen
                    if nodes[m][i] == caller
                    or (traffic == "sameZone" and zone and all_nodes[nodes[m][i]].zone == zone)
                ]
                chosen = near or chosen
            request.picked[m] = chosen[int(u * len(chosen))] if len(nodes[m]) > 1 else 0
        assert all(tasks["replicas"][int(self.plan.first[request.stream]) + m] for m in request.picked)

    def _nodes(self, q: int) -> list[list[int]]:
        one = self.placed[q]
        return [
            sorted(int(n) for s, n in zip(one.stage, one.node, strict=True) if s == m and n >= 0)
            for m in range(len(one.dag.microservices))
        ]

    def _job(self, request: Request, task: int, key: int, way: int, then: Then) -> None:
        """One job over `way` of the task's, then its delay, then `then`."""
        t = self.system.tasks[task]
        at = int(t["way"]) + way
        delay = float(self.system.ways["delay"][at])
        if at in self.failed:
            self._lose(request)
            return
        if request.over:
            return

        def later() -> None:
            if delay > 0:
                self.timers.append(Timer(self.now + delay, at, then, request))
            else:
                then()

        if t["mean"] > 0 and self.uses[at]:
            size = float(t["mean"]) * factor(key, float(t["sigma"]))
            self.jobs.append(Job(at, size, later, request))
        else:
            later()

    def _stage(self, request: Request, m: int, key: int, then: Then) -> None:
        base = int(self.plan.first[request.stream])
        self._job(request, base + m, key, request.picked[m], then)

    def _transfer(self, request: Request, task: int, ends: tuple[int, int], key: int, then: Then) -> None:
        target = ends[1]
        width = len(self._nodes(request.stream)[target]) if target >= 0 else 1
        i, j = (request.picked[end] if end >= 0 else 0 for end in ends)
        self._job(request, task, key, i * width + j, then)

    def _links(self, q: int) -> tuple[list[tuple[int, int]], list[int], list[int], int]:
        dag = self.placed[q].dag
        names = [m.name for m in dag.microservices]
        links = [(names.index(i.source), names.index(i.target)) for i in dag.invocations]
        entries = [m for m in range(len(names)) if m not in {b for _, b in links}]
        exits = [m for m in range(len(names)) if m not in {a for a, _ in links}]
        return links, entries, exits, int(self.plan.first[q]) + len(names)

    def _pipeline(self, request: Request) -> None:
        links, entries, exits, first = self._links(request.stream)
        M, base = first - int(self.plan.first[request.stream]), int(self.plan.first[request.stream])
        edges = [(-1, m) for m in entries] + links + [(m, -1) for m in exits]
        waits = {m: sum(b == m for _, b in edges) for m in range(-1, M)}

        def send(m: int) -> None:
            for e, (a, b) in enumerate(edges):
                if a == m and not (m == -1 and e >= len(entries)):
                    key = mix(request.key, M + first + e - base)
                    self._transfer(request, first + e, (a, b), key, lambda b=b: got(b))  # type: ignore[misc]

        def got(m: int) -> None:
            waits[m] -= 1
            if waits[m] == 0 and m == -1:
                self._end(request, self.now - request.born)
            elif waits[m] == 0:
                self._stage(request, m, mix(request.key, M + m), lambda: send(m))

        send(-1)

    def _calls(self, request: Request) -> None:
        dag = self.placed[request.stream].dag
        links, entries, _, first = self._links(request.stream)
        base, n, E = int(self.plan.first[request.stream]), len(entries), len(links)
        M = first - base

        def call(what: Call, then: Then) -> None:
            task, back, ends, key, times = what

            def turn(k: int) -> None:
                if k == times:
                    then()
                    return

                def arrived() -> None:
                    self._stage(request, ends[1], mix(key, 4 * k + 2), worked)

                def worked() -> None:
                    serve(ends[1], mix(key, 4 * k + 4), answered)

                def answered() -> None:
                    reverse = (ends[1], ends[0])
                    self._transfer(request, back, reverse, mix(key, 4 * k + 3), lambda: turn(k + 1))

                self._transfer(request, task, ends, mix(key, 4 * k + 1), arrived)

            turn(0)

        def serve(m: int, frame: int, then: Then) -> None:
            todo: list[tuple[bool, Call]] = []
            for e, (a, b) in enumerate(links):
                if a == m:
                    task = first + n + e
                    key = mix(frame, task - base)
                    mean = dag.invocations[e].calls
                    times = int(mean) + (uniform(mix(key, 0)) < mean - int(mean))
                    if times:
                        todo.append((dag.invocations[e].parallel, (task, task + E, (a, b), key, times)))
            sequential = [one for parallel, one in todo if not parallel]
            together = [one for parallel, one in todo if parallel]
            left = len(together)

            def joined() -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    then()

            def step(i: int) -> None:
                if i < len(sequential):
                    call(sequential[i], lambda: step(i + 1))
                elif not together:
                    then()
                else:
                    for one in together:
                        call(one, joined)

            step(0)

        left = n

        def answered() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._end(request, self.now - request.born)

        for at, m in enumerate(entries):
            back = first + n + 2 * E + at
            call((first + at, back, (-1, m), mix(request.key, M + first + at - base), 1), answered)

    def _done(self, job: Job) -> None:
        self.jobs.remove(job)
        job.then()

    def _ring(self, timer: Timer) -> None:
        self.timers.remove(timer)
        timer.then()

    def _end(self, request: Request, latency: float) -> None:
        request.over = True
        self.alive.remove(request)
        if request.number >= 0:
            self.latency[request.number] = request.stream, latency
            self.unfinished -= 1

    def _lose(self, request: Request) -> None:
        if request.over:
            return
        self.jobs = [job for job in self.jobs if job.request is not request]
        self.timers = [timer for timer in self.timers if timer.request is not request]
        self._end(request, math.inf)

    def _change(self) -> None:
        change = self.changes.pop(0)
        if isinstance(change, RateChange):
            rest = (self.due[change.dag] - self.now) * self.rates[change.dag]
            self.rates[change.dag] = change.rate
            self.due[change.dag] = self.now + rest / change.rate
            return
        N = len(self.substrate.nodes)
        for way, used in enumerate(self.uses):
            if any(s < 5 * N and s % N == change.node for s, _ in used):
                self.failed.add(way)
        for request in list(self.alive):
            mine = [job.way for job in self.jobs if job.request is request]
            mine += [timer.way for timer in self.timers if timer.request is request]
            if self.failed & set(mine):
                self._lose(request)
