"""All ServiceDAGs under their measured load: stations, their queues, and what becomes of each request."""

import time

import numpy as np

from edgewright.core.draws import queue
from edgewright.core.substrate import FloatArray
from edgewright.emulation.gateway.line import Line
from edgewright.emulation.gateway.picture import Key, Scene

TICK = 0.25
"""Seconds between two measurements of the load."""
TURNS = 4
"""At a tick every fourth ServiceDAG's draws are judged: if all drew anew at once, answers would be late."""


class Plane:
    """Follows a Scene; `tick` it every TICK seconds of whatever time requests come in."""

    def __init__(self, seed: int = 0) -> None:
        self.lines: dict[Key, Line] = {}
        self.rho: FloatArray = np.zeros(0)
        """(stations,) utilisation by strangers' pods and the measured load of every DAG."""
        self.backlog: FloatArray = np.zeros(0)
        """(stations,) seconds of queued work."""
        self.shown = 0
        """How many scenes were taken over."""
        self.pause = 0.0
        """Seconds that the last scene took to take over."""
        self._ticks = 0
        self._foreign: FloatArray = np.zeros(0)
        self._random = np.random.default_rng(seed)

    def show(self, scene: Scene) -> None:
        """Take over a changed scene; DAGs that went are forgotten with their counts."""
        began = time.perf_counter()
        for key in self.lines.keys() - scene.services.keys():
            del self.lines[key]
        for key, service in scene.services.items():
            line = self.lines.get(key)
            if line is None:
                line = self.lines[key] = Line(service, self._random)
            line.show(service, scene.substrate, scene.foreign)
        if len(scene.foreign) != len(self.backlog):
            self.backlog = np.zeros(len(scene.foreign))
        self._foreign = scene.foreign
        self._sum()
        self.shown += 1
        self.pause = time.perf_counter() - began

    def tick(self, seconds: float = TICK) -> None:
        """Measure the load of the last `seconds`, let queues grow or drain, forget stale draws."""
        for line in self.lines.values():
            line.measure(seconds)
        self._sum()
        self.backlog = queue(self.backlog, self.rho, seconds)
        self._ticks += 1
        for number, line in enumerate(self.lines.values()):
            if (number + self._ticks) % TURNS == 0:
                line.refresh(self.rho, self.backlog)

    def _sum(self) -> None:
        self.rho = self._foreign.copy()
        for line in self.lines.values():
            line.load(self.rho)
