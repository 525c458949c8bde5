"""Why requests of a placed DAG are late: its placement, its users' radio, or queues; or it is not served."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.evaluate import Evaluator
from edgewright.core.outcome import VIOLATION
from edgewright.core.problem import UNPLACED, Problem, World
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import FloatArray, IntArray, Substrate

if TYPE_CHECKING:
    from edgewright.emulation.playing import Frame

CAUSES = ("placement", "radio", "queues", "no place yet", "failure")
PLACEMENT, RADIO, QUEUES, WAITING, FAILURE = range(len(CAUSES))
FILLED = 12
"""Periods after which a city that begins without placements counts as filled."""


class Causes:
    """Divides late requests by cause, in this order, each adding to what is late without it.

    `placement`: late on an idle city with users whose radio takes no time; `radio`: on an idle city at their
    rate; `queues`: as things are. A DAG that is not served waits for its first place, or lost what it had.
    """

    def __init__(self, substrate: Substrate) -> None:
        self.substrate = substrate
        self._idle: dict[tuple[object, ...], float] = {}

    def unserved(self, *, again: bool) -> FloatArray:
        """(causes,) of a DAG that has never been served, or is not any more (`again`)."""
        shares = np.zeros(len(CAUSES))
        shares[FAILURE if again else WAITING] = 1.0
        return shares

    def served(self, dag: ServiceDag, stage: IntArray, node: IntArray, outcome: FloatArray) -> FloatArray:
        """(causes,) of a DAG on nodes (S,) whose period had `outcome` (OUTPUTS,).

        Users are at `dag.ingress`; without a rate there their cell is dead, and everything is lost.
        """
        if dag.ingress.rate is None:
            return self.unserved(again=True)
        total = float(outcome[VIOLATION])
        near = min(self._late(dag, math.inf, stage, node), total)
        alone = min(max(near, self._late(dag, dag.ingress.rate, stage, node)), total)
        shares = np.zeros(len(CAUSES))
        shares[[PLACEMENT, RADIO, QUEUES]] = near, alone - near, total - alone
        return shares

    def _late(self, dag: ServiceDag, rate: float, stage: IntArray, node: IntArray) -> float:
        """Share above the limit on an idle city, of users at `rate`."""
        key = (dag.key, dag.ingress.node, rate, node.tobytes())
        if key not in self._idle:
            quiet = replace(
                dag, ingress=replace(dag.ingress, rate=rate), demand=replace(dag.demand, rate=0.0)
            )
            everywhere = np.ones((len(node), len(self.substrate.nodes)), np.bool_)
            idle = World(self.substrate, np.zeros_like(self.substrate.capacity))
            problem = Problem(idle, quiet, stage, np.full(len(node), UNPLACED, np.int32), everywhere)
            self._idle[key] = float(Evaluator(problem).evaluate(node).violation[0])
        return self._idle[key]


def tally(frames: Sequence["Frame"]) -> dict[str, tuple[float, FloatArray]]:
    """Per class, and of all: its share of the requests, and (causes,) which shares of its own are late.

    The first FILLED periods are left out where there are more: until then, agents place what is there at the
    start.
    """
    counted = frames[FILLED:] or frames
    asked: dict[str, float] = {}
    late: dict[str, FloatArray] = {}
    for frame in counted:
        for kind, requests, shares in zip(frame.kind, frame.asked, frame.late, strict=True):
            for each in (kind, "all"):
                asked[each] = asked.get(each, 0.0) + float(requests)
                late[each] = late.get(each, np.zeros(len(CAUSES))) + requests * shares
    total = asked.get("all", 0.0)
    return {
        kind: (asked[kind] / total, late[kind] / asked[kind])
        for kind in (*sorted(set(asked) - {"all"}), "all")
        if asked.get(kind, 0.0) > 0.0
    }
