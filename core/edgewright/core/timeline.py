"""A request's mean time taken apart: work, transfer, waiting, overlap; and its critical path."""

from dataclasses import dataclass

import numpy as np

from edgewright.core.evaluate import Evaluator
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.violations import transfer_name


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage or transfer on the critical path; mean seconds of one request."""

    kind: str
    """`compute` or `transfer`."""
    name: str
    """Microservice, or `a -> b`."""
    where: str
    """Node or `node -> node`; several replicas joined by commas."""
    ideal: float
    """Work over speed, or bits over bandwidth."""
    waiting: float
    overlap: float
    fixed: float
    """Propagation, switching and fixed delays."""

    @property
    def seconds(self) -> float:
        """All four together."""
        return self.ideal + self.waiting + self.overlap + self.fixed


@dataclass(frozen=True, eq=False)
class JobParts:
    """(M + T,) mean seconds of each stage and transfer by cause, over the replicas' shares of traffic."""

    ideal: FloatArray
    waiting: FloatArray
    overlap: FloatArray
    fixed: FloatArray

    def mean(self, job: int) -> float:
        """Mean seconds of one job."""
        return float(self.ideal[job] + self.waiting[job] + self.overlap[job] + self.fixed[job])


def job_parts(evaluator: Evaluator, assign: IntArray) -> JobParts:
    """Mean times of one placement (S,) in which every stage has a replica."""
    evaluator.predict(assign)
    dag, lay = evaluator.dag, evaluator.layout
    M, J = len(dag.work), len(dag.work) + len(dag.source)
    parts = np.zeros((3, J))
    for m in range(M):
        rows = slice(lay.start[m], lay.start[m] + lay.placed[m])
        share = lay.share[rows] / lay.share[rows].sum()
        parts[:, m] = [
            share @ lay.stage_ideal[rows],
            share @ lay.stage_wait[rows],
            share @ lay.stage_fixed[rows],
        ]
    for t in range(J - M):
        rows = slice(lay.pair_start[t], lay.pair_start[t] + _pairs(evaluator, t))
        share = lay.joint[rows] / lay.joint[rows].sum()
        parts[:, M + t] = [share @ lay.ideal[rows], share @ lay.wait[rows], share @ lay.fixed[rows]]
    return JobParts(parts[0], parts[1], evaluator.request.added.copy(), parts[2])


def critical_path(evaluator: Evaluator, parts: JobParts) -> tuple[Hop, ...]:
    """Stages and transfers of the path of largest mean time, in order; calls weigh several visits."""
    dag = evaluator.dag
    jobs = _flow_path(evaluator, parts) if dag.pipeline else _call_path(evaluator, parts)
    return tuple(_hop(evaluator, parts, job, times) for job, times in jobs)


def _pairs(evaluator: Evaluator, t: int) -> int:
    placed, dag = evaluator.layout.placed, evaluator.dag
    source, target = int(dag.source[t]), int(dag.target[t])
    return (int(placed[source]) if source >= 0 else 1) * (int(placed[target]) if target >= 0 else 1)


def _flow_path(evaluator: Evaluator, parts: JobParts) -> list[tuple[int, float]]:
    dag = evaluator.dag
    M = len(dag.work)
    end = np.zeros(M)

    def last(m: int) -> tuple[float, int]:
        inward = dag.inward[dag.inward_start[m] : dag.inward_start[m + 1]]
        arrivals = [
            (float(end[dag.source[t]]) if dag.source[t] >= 0 else 0.0) + parts.mean(M + t) for t in inward
        ]
        latest = int(np.argmax(arrivals))
        return arrivals[latest], int(inward[latest])

    for m in dag.order.tolist():
        end[m] = last(m)[0] + parts.mean(m)
    jobs: list[tuple[int, float]] = []
    at = M
    while at >= 0:
        t = last(at)[1]
        jobs.append((M + t, 1.0))
        at = int(dag.source[t])
        if at >= 0:
            jobs.append((at, 1.0))
    return jobs[::-1]


def _call_path(evaluator: Evaluator, parts: JobParts) -> list[tuple[int, float]]:
    dag = evaluator.dag
    M = len(dag.work)
    duration = np.zeros(M)

    def calls(m: int) -> list[int]:
        """Calls of stage m that a request waits for: all sequential ones, then the longest parallel one."""
        outward = dag.outward[dag.outward_start[m] : dag.outward_start[m + 1]].tolist()
        ours = [t for t in outward if dag.target[t] >= 0]
        together = [t for t in ours if dag.parallel[t]]
        return [t for t in ours if not dag.parallel[t]] + ([max(together, key=trip)] if together else [])

    def trip(t: int) -> float:
        there, back = parts.mean(M + t), parts.mean(M + int(dag.back[t]))
        return float(dag.calls[t]) * (there + float(duration[dag.target[t]]) + back)

    for m in dag.order.tolist()[::-1]:
        duration[m] = parts.mean(m) + sum(trip(t) for t in calls(m))

    def visit(m: int, times: float) -> list[tuple[int, float]]:
        jobs = [(m, times)]
        for t in calls(m):
            more = times * float(dag.calls[t])
            jobs += [(M + t, more), *visit(int(dag.target[t]), more), (M + int(dag.back[t]), more)]
        return jobs

    entries = dag.outward[dag.outward_start[M] : dag.outward_start[M + 1]].tolist()
    exits = dag.inward[dag.inward_start[M] : dag.inward_start[M + 1]].tolist()
    whole = [
        parts.mean(M + a) + float(duration[dag.target[a]]) + parts.mean(M + b)
        for a, b in zip(entries, exits, strict=True)
    ]
    e = int(np.argmax(whole))
    return [(M + entries[e], 1.0), *visit(int(dag.target[entries[e]]), 1.0), (M + exits[e], 1.0)]


def _hop(evaluator: Evaluator, parts: JobParts, job: int, times: float) -> Hop:
    dag, M = evaluator.dag, len(evaluator.dag.work)
    service, user = evaluator.problem.dag, "user"
    if job < M:
        kind, name, where = "compute", service.microservices[job].name, _nodes(evaluator, job)
    else:
        source, target = int(dag.source[job - M]), int(dag.target[job - M])
        ends = [_nodes(evaluator, m) if m >= 0 else user for m in (source, target)]
        kind, name, where = "transfer", transfer_name(service, source, target), " -> ".join(ends)
    values = (parts.ideal[job], parts.waiting[job], parts.overlap[job], parts.fixed[job])
    return Hop(kind, name, where, *(float(value * times) for value in values))


def _nodes(evaluator: Evaluator, m: int) -> str:
    lay, nodes = evaluator.layout, evaluator.problem.world.substrate.nodes
    rows = lay.node[lay.start[m] : lay.start[m] + lay.placed[m]]
    return ", ".join(dict.fromkeys(nodes[n].name for n in rows))
