"""The agent's part of a ServiceDAG's status: placements, why not, routes, prediction, summary; pure."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

import numpy as np

from edgewright.agents.groups import Replica, replica_numbers
from edgewright.core.arrays import USER
from edgewright.core.evaluate import Evaluator
from edgewright.core.neighbours import station_use
from edgewright.core.problem import UNPLACED, Prediction, Problem, Violation
from edgewright.core.scenarios import STATUS
from edgewright.core.service import ServiceDag
from edgewright.core.substrate import IntArray
from edgewright.core.units import MS
from edgewright.kube.conditions import Reason

_LIMITS = {"placements": 512, "unplaced": 64, "pairs": 8}
_ALL_PAIRS = 256
"""Most node pairs over all routes, so that the largest object stays below 512 KiB."""
_TOLERANCE = 0.05


def placements(slots: Sequence[Replica], since: Mapping[str, str]) -> list[dict[str, Any]]:
    """Where each replica is, stage by stage; `since` maps a pod's uid to when it was bound."""
    numbers = replica_numbers(slots)
    entries = []
    for replica in slots:
        entry: dict[str, Any] = {
            "microservice": replica.microservice,
            "replica": min(numbers[replica.uid], 39),
            "node": replica.node,
        }
        if replica.uid in since:
            entry["since"] = since[replica.uid]
        entries.append(entry)
    entries.sort(key=lambda entry: (entry["microservice"], entry["replica"]))
    return entries[: _LIMITS["placements"]]


def unplaced(violations: Sequence[Violation]) -> list[dict[str, Any]]:
    """Every failed constraint, bounded as the schema wants it."""
    entries = []
    for violation in violations[: _LIMITS["unplaced"]]:
        entry: dict[str, Any] = {"constraint": violation.constraint.value}
        texts = {
            "microservice": violation.microservice[:40],
            "where": violation.where[:127],
            "unit": violation.unit[:16],
            "message": violation.message[:512],
        }
        entry |= {name: text for name, text in texts.items() if text}
        if violation.nodes:
            entry["nodes"] = violation.nodes
        for name, value in (("needed", violation.needed), ("available", violation.available)):
            if math.isfinite(value) and (violation.needed or violation.available):
                entry[name] = float(f"{value:.6g}")
        entries.append(entry)
    return entries


def evaluator_of(problem: Problem, stages: int) -> Evaluator | None:
    """For the placement `problem.fixed`; None while one of the DAG's microservices has no replica."""
    if len(set(problem.stage.tolist())) < stages or (problem.fixed == UNPLACED).any():
        return None
    return Evaluator(problem, STATUS)


def predicted(prediction: Prediction) -> dict[str, float]:
    """A prediction in the units of the API; values without meaning are left out."""
    values = {
        "latencyMs": prediction.mean / MS,
        "p95Ms": prediction.percentile / MS,
        "jitterMs": prediction.jitter / MS,
        "syncSkewMs": prediction.skew / MS,
        "successProbability": prediction.success,
        "accessMs": prediction.access / MS,
        "processingMs": prediction.processing / MS,
        "synchronisationMs": prediction.synchronisation / MS,
        "violationProbability": prediction.violation,
    }
    return {name: float(f"{value:.4g}") for name, value in values.items() if math.isfinite(value)}


def routes(evaluator: Evaluator, assign: IntArray) -> list[dict[str, Any]]:
    """Per invocation the node pairs with most of its traffic, for one complete placement (S,)."""
    problem, arrays, layout = evaluator.problem, evaluator.dag, evaluator.layout
    station_use(
        arrays, evaluator.infra, layout, evaluator.batch(assign)[0], np.zeros(len(evaluator.load.rho))
    )
    names = [node.name for node in problem.world.substrate.nodes]
    first = int((arrays.source == USER).sum())
    most = max(1, min(_LIMITS["pairs"], _ALL_PAIRS // max(1, len(problem.dag.invocations))))
    entries = []
    for t, invocation in enumerate(problem.dag.invocations, start=first):
        source, target = int(arrays.source[t]), int(arrays.target[t])
        width, shares = int(layout.placed[target]), dict[tuple[str, str], float]()
        for i in range(int(layout.placed[source])):
            for j in range(width):
                pair = (
                    names[layout.node[layout.start[source] + i]],
                    names[layout.node[layout.start[target] + j]],
                )
                share = float(layout.joint[layout.pair_start[t] + i * width + j])
                shares[pair] = shares.get(pair, 0.0) + share
        top = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:most]
        pairs = [
            {"source": a, "target": b, "fraction": min(1.0, round(f, 4))} for (a, b), f in top if f > 0.0
        ]
        entries.append({"from": invocation.source, "to": invocation.target, "pairs": pairs})
    return entries


def summary(
    dag: ServiceDag, bound: Sequence[Replica], wanted: int, prediction: Prediction | None
) -> dict[str, str]:
    """The texts of the columns PLACED, LATENCY and NODES."""
    texts = {"placed": f"{len(bound)}/{max(wanted, len(bound))}"}
    limit = dag.qos.max_latency
    if prediction is not None and math.isfinite(prediction.percentile):
        value = f"{prediction.percentile / MS:.3g}"
        texts["latency"] = f"{value}/{limit / MS:g} ms" if limit is not None else f"{value} ms"
    elif limit is not None:
        texts["latency"] = f"-/{limit / MS:g} ms"
    nodes = ",".join(sorted({replica.node for replica in bound if replica.node}))
    if nodes:
        texts["nodes"] = nodes if len(nodes) <= 127 else nodes[:124] + "..."
    return texts


class News(Enum):
    """What a new status tells that the written one does not."""

    NONE = auto()
    DRIFT = auto()
    """A prediction moved by more than 5 %, because neighbours came or went."""
    MOVE = auto()
    """Replicas, routes or words changed."""
    TURN = auto()
    """The condition turned, or there was nothing before."""


def news(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> News:
    """Compare two statuses of one ServiceDAG."""
    if before is None or headline(before) != headline(after):
        return News.TURN
    if _solid(before) != _solid(after):
        return News.MOVE
    old, new = before.get("predicted") or {}, after.get("predicted") or {}
    if old.keys() != new.keys():
        return News.MOVE
    moved = any(abs(new[name] - old[name]) > _TOLERANCE * max(abs(old[name]), 1e-3) for name in new)
    return News.DRIFT if moved else News.NONE


def headline(status: Mapping[str, Any]) -> tuple[str, str]:
    """Status and reason of the condition; while a loss is mended its steps count as one."""
    condition = status["conditions"][0]
    mending = condition["reason"] in {Reason.NODE_LOST, Reason.REBINDING}
    return condition["status"], Reason.REBINDING if mending else condition["reason"]


def _solid(status: Mapping[str, Any]) -> dict[str, Any]:
    """What does not move with the load: all but predictions and the text made from them."""
    summary = {name: text for name, text in (status.get("summary") or {}).items() if name != "latency"}
    return {**{name: part for name, part in status.items() if name != "predicted"}, "summary": summary}
