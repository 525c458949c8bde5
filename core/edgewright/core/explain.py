"""Why each replica is where it is: its terms of the latency, what other nodes cost, the critical path."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgewright.core.evaluate import Evaluator
from edgewright.core.feasibility import Gate, full_gate
from edgewright.core.gate import BANDWIDTH, CAPACITY, SPREAD, UNREACHABLE, UTILISATION
from edgewright.core.masks import RESOURCE_CONSTRAINTS, mask_after, node_masks
from edgewright.core.problem import UNPLACED, Constraint, Decision, Prediction, Problem
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.timeline import Hop, critical_path, job_parts
from edgewright.core.units import MS
from edgewright.core.violations import violations

REASON_BYTES = 1024
"""Largest annotation on a pod."""
NEARBY = 24
"""Nodes compared for a pod's annotation: the nearest to where the replica is."""
QOS = "qos"
"""A node that is refused by some limit of this or another DAG."""
BITS = {
    UNREACHABLE: Constraint.UNREACHABLE,
    SPREAD: Constraint.SPREAD,
    BANDWIDTH: Constraint.BANDWIDTH,
    UTILISATION: Constraint.UTILISATION,
    CAPACITY: Constraint.CPU,
}


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another node for one replica, all others staying."""

    node: str
    difference: float | None
    """Change of J; positive is worse. None where the node is refused."""
    refused: str = ""
    """The constraint that refuses it; empty where it is merely worse (or, rarely, better)."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One placed replica and its share of a request's time, in seconds."""

    microservice: str
    node: str
    fixed: bool
    transfer: float
    """Mean time of the transfers into it, waiting included; the longest of several."""
    compute: float
    waiting: float
    """For CPU, at the present load."""
    overlap: float
    """Added by parallel branches of the same request."""
    alternatives: tuple[Alternative, ...] = ()

    @property
    def seconds(self) -> float:
        """All its terms together."""
        return self.transfer + self.compute + self.waiting + self.overlap


@dataclass(frozen=True, slots=True)
class Explanation:
    """One placement in terms that people can check."""

    dag: str
    objective: float
    prediction: Prediction
    limit: float | None
    """Seconds at `percentile`; None where the DAG states none."""
    percentile: float
    replicas: tuple[Replica, ...]
    path: tuple[Hop, ...]
    """The critical path of mean times, from the user to the user."""

    @property
    def latency(self) -> float:
        """Seconds along the critical path; the rest of the mean is waiting at joins."""
        return sum(hop.seconds for hop in self.path)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for `-o json` and `-o yaml`."""
        return asdict(self)


def explain(
    problem: Problem,
    assign: IntArray,
    *,
    alternatives: int = 3,
    near: int | None = None,
    most: int | None = None,
    decision: Decision | None = None,
    brief: bool = False,
) -> Explanation:
    """Explain one placement (S,) of which every stage has a replica; `decision` saves its evaluation.

    Each free replica is compared with every node (or its `near` nearest) that could take it instead: the best
    `alternatives` of the feasible ones by J, then refused ones by constraint; with `most`, only so many
    replicas, those on which a request spends the most time. `brief`: only the free replicas, and no critical
    path. Raises ValueError for a stage without a replica.
    """
    placed = set(problem.stage[assign != UNPLACED].tolist())
    missing = [m.name for i, m in enumerate(problem.dag.microservices) if i not in placed]
    if missing:
        raise ValueError(f"{problem.dag.name}: {', '.join(missing)} has no replica; explain placed DAGs only")
    gate = full_gate(problem)
    evaluator = quick = gate.evaluator
    if alternatives:
        quick = Evaluator(problem)
        gate = gate if near is None else Gate(quick)
    objective = float(evaluator.objective(assign)[0]) if decision is None else decision.objective
    prediction = decision.prediction if decision is not None else None
    prediction = prediction or evaluator.evaluate(assign).one()
    parts = job_parts(evaluator, assign)
    path = () if brief else critical_path(evaluator, parts)
    rows = [_row(evaluator, assign, slot) for slot in range(len(assign))]
    compute, waiting = evaluator.layout.stage_ideal[rows], evaluator.layout.stage_wait[rows]
    nodes, stages = problem.world.substrate.nodes, problem.dag.microservices
    replicas: dict[int, Replica] = {}
    for slot in (problem.free if brief else np.flatnonzero(assign != UNPLACED)).tolist():
        stage = int(problem.stage[slot])
        inward = [
            parts.mean(len(stages) + t) for t, target in enumerate(evaluator.dag.target) if target == stage
        ]
        replicas[slot] = Replica(
            microservice=stages[stage].name,
            node=nodes[assign[slot]].name,
            fixed=bool(problem.fixed[slot] != UNPLACED),
            transfer=max(inward, default=0.0),
            compute=float(compute[slot]),
            waiting=float(waiting[slot]),
            overlap=float(parts.overlap[stage]),
        )
    for slot in sorted(replicas, key=lambda slot: -replicas[slot].seconds)[:most]:
        others = _alternatives(gate, quick, assign, slot, alternatives, near)
        replicas[slot] = replace(replicas[slot], alternatives=others)
    return Explanation(
        dag=f"{problem.dag.namespace}/{problem.dag.name}",
        objective=objective,
        prediction=prediction,
        limit=problem.dag.qos.max_latency,
        percentile=problem.dag.qos.percentile,
        replicas=tuple(replicas.values()),
        path=path,
    )


def reason(explanation: Explanation, replica: Replica, policy: str) -> str:
    """The compact JSON of one replica for its pod's annotation, at most REASON_BYTES long; times in ms."""
    prediction = explanation.prediction
    record: dict[str, Any] = {
        "node": replica.node,
        "policy": policy,
        "J": round(explanation.objective, 4),
        "transferMs": _ms(replica.transfer),
        "computeMs": _ms(replica.compute),
        "waitingMs": _ms(replica.waiting),
        "overlapMs": _ms(replica.overlap),
        "latencyMs": _ms(prediction.mean),
        f"p{explanation.percentile:g}Ms": _ms(prediction.percentile),
    }
    if explanation.limit is not None:
        record["limitMs"] = _ms(explanation.limit)
    others = [
        {"node": a.node, **({"refused": a.refused} if a.refused else {"dJ": round(a.difference or 0.0, 4)})}
        for a in replica.alternatives
    ]
    while True:
        text = json.dumps({**record, "instead": others}, separators=(",", ":"))
        if len(text.encode()) <= REASON_BYTES or not others:
            return text
        others.pop()


def _alternatives(
    gate: Gate, quick: Evaluator, assign: IntArray, slot: int, count: int, near: int | None
) -> tuple[Alternative, ...]:
    """The best other nodes of a free slot, and nodes that are refused, one per constraint."""
    problem = gate.problem
    if gate.fixed[slot] != UNPLACED or assign[slot] == UNPLACED or count == 0:
        return ()
    substrate = problem.world.substrate
    order = np.argsort(substrate.path_delay[assign[slot]], kind="stable")[
        : None if near is None else near + 1
    ]
    others = order[order != assign[slot]].astype(np.int32)
    if not len(others):
        return ()
    moved = np.repeat(assign[None], len(others), axis=0).astype(np.int32)
    moved[:, slot] = others
    allowed = gate.feasible(moved)
    found = []
    if allowed.any():
        change = quick.search(moved[allowed]) - quick.search(assign)[0]
        best = np.argsort(change, kind="stable")[:count]
        names = others[allowed]
        found = [Alternative(substrate.nodes[names[i]].name, float(change[i])) for i in best]
    refused: dict[str, str] = {}
    limits: dict[str, str] = {}
    for n, row, why in zip(
        others[~allowed], moved[~allowed], _refusals(gate, moved[~allowed], slot), strict=True
    ):
        if why not in refused:
            refused[why] = substrate.nodes[n].name
            limits[why] = _limit(gate, row) if why == QOS and near is None else why
    return (*found, *(Alternative(node, None, limits[why]) for why, node in list(refused.items())[:count]))


def _refusals(gate: Gate, moved: IntArray, slot: int) -> list[str]:
    """For each infeasible placement (B, S) that differs in `slot`, the first constraint that refuses it."""
    problem = gate.problem
    if not len(moved):
        return []
    masks = node_masks(problem, slot)
    without = moved[0].copy()
    without[slot] = UNPLACED
    room = mask_after(problem, gate.mask, without, slot)
    bits = gate.broken(moved)
    out = []
    for row, broken in zip(moved, bits, strict=True):
        node = int(row[slot])
        why = next((c.value for c, mask in masks.items() if not mask[node]), "")
        if not why and not room[node] and broken & CAPACITY:
            why = _short_resource(gate, row, slot)
        if not why:
            why = next((c.value for bit, c in BITS.items() if broken & bit), "")
        out.append(why or (QOS if gate.bounds else Constraint.OTHER_DAG.value))
    return out


def _limit(gate: Gate, row: IntArray) -> str:
    """Which limit a placement (S,) breaks that nothing else refuses."""
    found = violations(gate, row)
    return found[0].constraint.value if found else QOS


def _short_resource(gate: Gate, row: IntArray, slot: int) -> str:
    """The resource that the node of `slot` lacks for all replicas that `row` puts there."""
    here = (row == row[slot]) & (gate.fixed == UNPLACED)
    lacking = gate.request[here].sum(axis=0) - gate.free[row[slot]]
    short: FloatArray = np.where(
        gate.request[slot] > 0, lacking / np.maximum(gate.free[row[slot]], 1e-9), -np.inf
    )
    return RESOURCE_CONSTRAINTS[int(short.argmax())].value


def _row(evaluator: Evaluator, assign: IntArray, slot: int) -> int:
    """Row of a slot in the layout, whose replicas are in node order; 0 for a slot without a node."""
    if assign[slot] == UNPLACED:
        return 0
    stage = int(evaluator.problem.stage[slot])
    first, placed = int(evaluator.start[stage]), int(evaluator.layout.placed[stage])
    nodes = evaluator.layout.node[first : first + placed]
    return first + int(np.searchsorted(nodes, assign[slot]))


def _ms(seconds: float) -> float:
    return round(seconds / MS, 3)
