"""How many replicas each microservice gets: enough that none is busier than 70 %, between its bounds."""

import math

from edgewright.core.arrays import compile_visits
from edgewright.core.service import CPU, Microservice, ServiceDag
from edgewright.core.units import CORE_SPEED

TARGET = 0.7
"""Utilisation of one replica's CPU that is not exceeded at declared demand: the upper end of 0.3-0.7, below
which waiting stays under about twice the work and a burst of 20 % stays feasible."""


def replica_counts(dag: ServiceDag, *, speed: float = CORE_SPEED) -> tuple[int, ...]:
    """Replicas of each microservice, in its order, at the DAG's declared demand.

    Least n with rate x visits x work / (n x cores x speed) <= TARGET, kept between min and max. `cores` is
    the CPU limit, or the request where there is none (what it is sure to get); `speed` in instructions per
    second of a core. Without any CPU request one replica is taken to have a whole core.
    """
    visits = compile_visits(dag)
    return tuple(
        min(max(_needed(m, dag.demand.rate * v, speed), m.min_replicas), m.max_replicas)
        for m, v in zip(dag.microservices, visits, strict=True)
    )


def _needed(microservice: Microservice, rate: float, speed: float) -> int:
    cores = microservice.limit_cpu or microservice.request[CPU] or 1.0
    load = rate * microservice.work / (cores * speed * TARGET)
    return max(1, math.ceil(load * (1 - 1e-9)))
