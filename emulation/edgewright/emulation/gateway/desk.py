"""Takes requests by path, lets the plane decide their fate, and answers when their time has come."""

from collections.abc import Callable

import numpy as np

from edgewright.emulation.gateway import answers
from edgewright.emulation.gateway.histograms import ERRORS, Histograms
from edgewright.emulation.gateway.line import Fate, Line
from edgewright.emulation.gateway.picture import Key
from edgewright.emulation.gateway.plane import TICK, Plane
from edgewright.emulation.gateway.timers import Timers

Answer = Callable[[bytes], None]
PATHS = 4096
"""Request targets whose DAG is remembered."""


class Desk:
    """Answers requests; every moment is the timers', so all of it runs in virtual time too."""

    def __init__(self, plane: Plane, timers: Timers) -> None:
        self.plane = plane
        self.lateness = Histograms(ERRORS)
        """How much later than drawn requests were answered."""
        self._timers = timers
        self._late: list[float] = []
        self._known: dict[bytes, Key] = {}
        self._ticked = timers.now()
        timers.at(self._ticked + TICK, self._tick)

    def request(self, target: bytes, answer: Answer) -> None:
        """A request for `target` arrives now: `/NAMESPACE/NAME`, anything after it is ignored.

        `answer` is called once with the whole response, when its time has come.
        """
        arrived = self._timers.now()
        line = self._line(target)
        if line is None:
            answer(answers.unknown(target))
            return
        fate = line.arrive(self.plane.rho, self.plane.backlog)
        if fate is None:
            line.refused()
            answer(answers.not_served(line.service))
            return
        text = answers.of_fate(line.service, fate)
        self._timers.at(arrived + fate.delay, self._finish, line, fate, text, arrived, answer)

    def _line(self, target: bytes) -> Line | None:
        known = self._known.get(target)
        if known is None:
            known = answers.key(target)
            if known not in self.plane.lines:
                return None
            if len(self._known) >= PATHS:
                self._known.clear()
            self._known[target] = known
        return self.plane.lines.get(known)

    def _finish(self, line: Line, fate: Fate, text: bytes, arrived: float, answer: Answer) -> None:
        answer(text)
        taken = self._timers.now() - arrived
        line.answered(taken, ok=not fate.lost)
        self._late.append(taken - fate.delay)

    def _tick(self) -> None:
        now = self._timers.now()
        self.plane.tick(now - self._ticked)
        if self._late:
            self.lateness.observe(np.array(self._late))
            self._late.clear()
        self._ticked = now
        self._timers.at(now + TICK, self._tick)
