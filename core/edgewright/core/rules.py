"""What a search kernel must respect and how it scores: the gate's arrays, bounds and prices in one tuple."""

from typing import NamedTuple

import numpy as np

from edgewright.core.arrays import DagArrays
from edgewright.core.evaluate import WORST
from edgewright.core.feasibility import Gate
from edgewright.core.gate import BANDWIDTH, UTILISATION, admit, holds, stays_apart
from edgewright.core.kernel import kernel
from edgewright.core.latency import recur
from edgewright.core.outcome import MEAN, OUTPUTS, reach, read
from edgewright.core.overlap import overlap
from edgewright.core.request import Request, draw
from edgewright.core.scenarios import Scenarios
from edgewright.core.stations import Infrastructure, Layout, time
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

PENALTY = 100.0
"""Cost per unit of excess over a utilisation or a required bound: far above any latency's cost (10)."""
SLACK = 1.0 + 1e-9


class Rules(NamedTuple):
    """One problem's constraints and prices as arrays; stations and slots as in `Evaluator`."""

    stage: IntArray
    """(S,) stage of each slot."""
    fixed: IntArray
    """(S,)."""
    mask: BoolArray
    """(S, N)."""
    request: FloatArray
    """(S, R)."""
    free: FloatArray
    """(N, R) beside the fixed slots."""
    apart: IntArray
    """(M, N) keys that two replicas of a stage may not share, -1 where they may."""
    background: FloatArray
    most: FloatArray
    most_own: FloatArray
    reserve: FloatArray
    reservable: FloatArray
    taken: FloatArray
    promised: FloatArray
    price: FloatArray
    """(stations,) cost of other DAGs per unit of utilisation."""
    idle: FloatArray
    low: FloatArray
    """(OUTPUTS,) required lower bounds, -inf where there is none."""
    high: FloatArray
    """(OUTPUTS,) required upper bounds, inf where there is none."""
    bounded: bool
    others: float
    """Cost of the other DAGs without this one: sum of rate x min(mean / limit, 10); 0 where only differences
    of J matter."""
    total_rate: float


def make_rules(gate: Gate) -> Rules:
    """The arrays of `gate` and its evaluator, for differences of J."""
    evaluator = gate.evaluator
    low, high = np.full(OUTPUTS, -np.inf), np.full(OUTPUTS, np.inf)
    for bound in gate.bounds:
        (low if bound.at_least else high)[bound.column] = bound.limit
    return Rules(
        stage=np.require(gate.problem.stage, np.int32, ["C", "W"]),
        fixed=gate.fixed,
        mask=gate.mask,
        request=gate.request,
        free=gate.free,
        apart=gate.apart,
        background=evaluator.load.rho,
        most=gate.most,
        most_own=gate.most_own,
        reserve=evaluator.load.reserve,
        reservable=gate.reservable,
        taken=np.zeros_like(gate.free),
        promised=np.zeros_like(gate.most),
        price=evaluator.price,
        idle=evaluator.idle,
        low=low,
        high=high,
        bounded=bool(gate.bounds),
        others=0.0,
        total_rate=evaluator.total_rate,
    )


@kernel
def score(
    dag: DagArrays,
    infra: Infrastructure,
    table: Scenarios,
    lay: Layout,
    req: Request,
    rules: Rules,
    assign: IntArray,
    broken: IntArray,
    out: FloatArray,
) -> float:
    """J of one placement `assign` (1, S) by congestion prices, plus PENALTY for what it exceeds.

    Infinite where a node, capacity or spread refuses it. `broken` (1,) and `out` (OUTPUTS,) are written.
    """
    admit(
        dag,
        infra,
        lay,
        assign,
        rules.fixed,
        rules.mask,
        rules.request,
        rules.free,
        rules.apart,
        rules.background,
        rules.most,
        rules.most_own,
        rules.reserve,
        rules.reservable,
        rules.taken,
        rules.promised,
        broken,
    )
    if broken[0] & ~(UTILISATION | BANDWIDTH):
        return np.inf
    cost = PENALTY if broken[0] else 0.0
    toll, rho = 0.0, req.rho
    for station in lay.touched[: lay.used[0]]:
        rho[station] = rules.background[station] + lay.rho[station]
        toll += rules.price[station] * lay.rho[station]
        if rho[station] > rules.most[station] * SLACK:
            cost += PENALTY * (rho[station] - rules.most[station])
    time(dag, infra, lay, rho, rules.idle)
    overlap(dag, infra, lay, rho, table.overlap_choice, req.chosen, req.duration, req.begin, req.added)
    draw(dag, infra, lay, table, req, req.begin)
    recur(dag, table, req, out)
    own = dag.rate * min(out[MEAN] / dag.limit, WORST)
    if rules.bounded:
        read(dag, req, reach(dag, infra, lay, req.touch), out)
        for column in range(OUTPUTS):
            if out[column] > rules.high[column] * SLACK:
                cost += PENALTY * min(out[column] / rules.high[column] - 1.0, 10.0)
            if out[column] < rules.low[column] / SLACK:
                cost += PENALTY * (rules.low[column] - out[column])
    for station in lay.touched[: lay.used[0]]:
        rho[station] = rules.background[station]
    value: float = cost + (own + rules.others + toll) / rules.total_rate
    return value


@kernel
def has_room(rules: Rules, start: IntArray, left: FloatArray, assign: IntArray, slot: int, node: int) -> bool:
    """Whether `slot` fits on `node` with `left` (N, R) free and the other slots of `assign` (S,) in place."""
    m = rules.stage[slot]
    return (
        rules.mask[slot, node]
        and holds(left[node], rules.request[slot])
        and stays_apart(rules.apart[m], assign[start[m] : start[m + 1]], slot - start[m], node)
    )


@kernel
def take(rules: Rules, left: FloatArray, slot: int, node: int, sign: float) -> None:
    """Subtract (sign 1) or give back (-1) the request of `slot` on `node`."""
    for r in range(left.shape[1]):
        left[node, r] -= sign * rules.request[slot, r]
