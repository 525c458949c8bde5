"""One ServiceDAG in the data plane: its measured load, its supply of drawn requests, what it has counted."""

import math
from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import TIMEOUT, USER
from edgewright.core.draws import draw
from edgewright.core.load import Use, crowded, use_of
from edgewright.core.stations import Infrastructure
from edgewright.core.substrate import FloatArray, Substrate
from edgewright.emulation.gateway.histograms import DURATIONS, Histograms
from edgewright.emulation.gateway.picture import Service

BATCH = 64
"""Requests drawn at once: a pause of some 0.1 ms, so that nobody else's answer is late."""
RATE_SECONDS = 1.0
"""Time constant of the measured arrival rate."""
LOAD_MOVED, RATE_MOVED = 0.02, 0.1
"""Change of a station's utilisation, and relative change of the rate, that makes drawn requests stale."""


class Fate(NamedTuple):
    """What the model decided about one request."""

    delay: float
    """Seconds until its answer, or until it is given up."""
    lost: bool
    replicas: list[int]
    """The replica that it uses of each stage."""


class Line:
    """Counts arrivals, and hands out fates from the present batch."""

    def __init__(self, service: Service, random: np.random.Generator) -> None:
        self.service = service
        self.rate = 0.0
        """Requests per second, measured."""
        self.ok = self.failed = 0
        self.requests = Histograms(DURATIONS)
        self.transfers = Histograms(DURATIONS, 0)
        self.invocations: tuple[str, ...] = ()
        """`from/to` of each row of `transfers`."""
        self._random = random
        self._arrived = 0
        self._answered: list[float] = []
        self._use: Use | None = None
        self._infra: Infrastructure | None = None
        self._unit: FloatArray = np.zeros(0)
        self._first = 0
        self._next = self._counted = BATCH
        self._delay: list[float] = []
        self._lost: list[bool] = []
        self._replicas: list[list[int]] = []
        self._transfer: FloatArray = np.zeros((0, BATCH))
        self._made: FloatArray = np.zeros((0, BATCH))
        self._drawn_rate, self._drawn_here = 0.0, np.zeros(0)

    def show(self, service: Service, substrate: Substrate | None, foreign: FloatArray) -> None:
        """Take over where the DAG's replicas are now, and the others' use (stations,) of what is there."""
        if service.dag is not None and (self.service.dag is not service.dag or not self.invocations):
            self._name_invocations(service)
        self.service = service
        if service.placed is None or substrate is None:
            self._use = None
            self._drop()
            return
        use = use_of(service.placed, substrate)
        self._infra = crowded(substrate, foreign[: len(substrate.nodes)])
        if use is not self._use:
            self._drop()
            self._use = use
            self._unit = use.rho / use.arrays.rate
            self._first = int((use.arrays.source == USER).sum())

    def arrive(self, rho: FloatArray, backlog: FloatArray) -> Fate | None:
        """The fate of a request that arrives now; None while the DAG is not served."""
        self._arrived += 1
        if self._use is None:
            return None
        if self._next == BATCH:
            self._refill(rho, backlog)
        at = self._next
        self._next = at + 1
        return Fate(self._delay[at], self._lost[at], self._replicas[at])

    def answered(self, seconds: float, *, ok: bool) -> None:
        """A request got its answer after so many seconds."""
        self._answered.append(seconds)
        if ok:
            self.ok += 1
        else:
            self.failed += 1

    def refused(self) -> None:
        """A request could not be served at all; it counts as failed, but took no time."""
        self.failed += 1

    def measure(self, seconds: float) -> None:
        """Take the arrivals of the last `seconds` into the rate, and count what was answered."""
        self.rate += (self._arrived / seconds - self.rate) * -math.expm1(-seconds / RATE_SECONDS)
        if self.rate < 1e-3:
            self.rate = 0.0
        self._arrived = 0
        if self._answered:
            self.requests.observe(np.array(self._answered))
            self._answered.clear()

    def load(self, rho: FloatArray) -> None:
        """Add what the measured rate makes of stations to `rho` (stations,)."""
        if self._use is not None and self.rate > 0.0:
            rho[self._use.stations] += self.rate * self._unit

    def refresh(self, rho: FloatArray, backlog: FloatArray) -> None:
        """Forget drawn requests that the present load has made stale."""
        if self._next == BATCH or self._use is None:
            return
        here = self._here(rho, backlog)
        if abs(self.rate - self._drawn_rate) > RATE_MOVED * self._drawn_rate or (
            len(here) and np.abs(here - self._drawn_here).max() > LOAD_MOVED
        ):
            self._drop()

    def count_transfers(self) -> None:
        """Take the transfers of the requests handed out so far into the histograms."""
        first, last = self._counted, self._next
        if first < last and self.invocations:
            kept = self._made[:, first:last] * ~np.array(self._lost[first:last])
            self.transfers.observe(self._transfer[:, first:last], kept)
        self._counted = last

    def _here(self, rho: FloatArray, backlog: FloatArray) -> FloatArray:
        assert self._use is not None
        at = self._use.stations
        there: FloatArray = np.minimum(rho[at], 1.0) + backlog[at]
        return there

    def _refill(self, rho: FloatArray, backlog: FloatArray) -> None:
        assert self._use is not None
        assert self._infra is not None
        self.count_transfers()
        random = self._random
        drawn = draw(
            self._use, self._infra, rate=self.rate, rho=rho, backlog=backlog, count=BATCH, random=random
        )
        lost = (random.random(BATCH) >= drawn.success) | (drawn.latency > TIMEOUT)
        self._delay = np.where(lost, TIMEOUT, drawn.latency).tolist()
        self._lost = lost.tolist()
        self._replicas = drawn.replica.tolist()
        rows = slice(self._first, self._first + len(self.invocations))
        self._transfer, self._made = drawn.transfer[rows], drawn.made[rows]
        self._drawn_rate, self._drawn_here = self.rate, self._here(rho, backlog)
        self._next = self._counted = 0

    def _drop(self) -> None:
        """The next request draws anew."""
        self.count_transfers()
        self._next = self._counted = BATCH

    def _name_invocations(self, service: Service) -> None:
        """New rows for the invocations of a changed spec; those that stay keep their counts."""
        assert service.dag is not None
        self._drop()
        names = tuple(f"{i.source}/{i.target}" for i in service.dag.invocations)
        before, kept = self.transfers, {name: row for row, name in enumerate(self.invocations)}
        self.transfers = Histograms(DURATIONS, len(names))
        for row, name in enumerate(names):
            if name in kept:
                self.transfers.counts[row] = before.counts[kept[name]]
                self.transfers.sums[row] = before.sums[kept[name]]
        self.invocations = names
