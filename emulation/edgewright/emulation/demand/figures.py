"""What DAGs are like on average: with it one sees what acceptance made of a workload."""

from collections.abc import Sequence

import numpy as np

from edgewright.core.arrays import compile_visits
from edgewright.core.service import CPU, ServiceDag, topological_order
from edgewright.core.substrate import FloatArray
from edgewright.core.units import CORE_SPEED, GBPS, M_INSTRUCTIONS, MS

FIGURES = ("stages", "levels", "calls", "req/s", "reserved", "used", "M instr", "limit", "Gbps")
"""Microservices, those on the longest path, invocations, requests per second, CPU, instructions of a request,
limit in ms, rate of the users in their cell."""


def means(dags: Sequence[ServiceDag]) -> FloatArray:
    """(FIGURES,) means over DAGs that have a limit and users with a known rate."""
    mean: FloatArray = np.array([_figures(dag) for dag in dags]).mean(axis=0)
    return mean


def _figures(dag: ServiceDag) -> tuple[float, ...]:
    work = float(compile_visits(dag) @ [m.work for m in dag.microservices])
    return (
        len(dag.microservices),
        levels(dag),
        len(dag.invocations),
        dag.demand.rate,
        sum(m.request[CPU] for m in dag.microservices),
        work * dag.demand.rate / CORE_SPEED,
        work / M_INSTRUCTIONS,
        (dag.qos.max_latency or np.nan) / MS,
        (dag.ingress.rate or np.nan) / GBPS,
    )


def levels(dag: ServiceDag) -> int:
    """Microservices on the longest path."""
    depth = {m.name: 1 for m in dag.microservices}
    for m in topological_order(dag):
        name = dag.microservices[m].name
        for call in dag.invocations:
            if call.source == name:
                depth[call.target] = max(depth[call.target], depth[name] + 1)
    return max(depth.values())
