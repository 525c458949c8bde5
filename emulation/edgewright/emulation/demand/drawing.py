"""Draws one DAG of a class: its requests, resources, work and payloads."""

import numpy as np

from edgewright.core.service import Demand, Ingress, Invocation, Microservice, Qos, ServiceDag
from edgewright.core.substrate import FloatArray
from edgewright.core.units import CORE_SPEED, GIB, KB, M_INSTRUCTIONS
from edgewright.emulation.demand.shapes import Shape
from edgewright.emulation.demand.workload import ServiceClass
from edgewright.emulation.fields import Range

SPREAD = (0.8, 1.25)
"""Of a DAG's requests around its class's, and of a replica's utilisation around its DAG's."""
SIZINGS = 400
"""Draws of CPU and work for one rate, before that rate is given up."""


def draw_dag(
    given: ServiceClass,
    shape: Shape,
    random: np.random.Generator,
    *,
    namespace: str,
    name: str,
    requests: float,
    ingress: Ingress,
    limit: float,
    abroad: bool,
    tenant: str,
) -> ServiceDag | None:
    """A DAG of about `requests` per second, `limit` in seconds; None where its work cannot be in its range.

    Users `abroad`, in another region than the DAG, send the inner share of the payload only. `tenant`: its
    slice, if it has one.
    """
    rate = requests * random.uniform(*SPREAD)
    calls = random.random() < given.calls
    sized = _sizes(given, shape, rate, random, calls=calls)
    if sized is None:
        return None
    cpu, memory, work = sized
    names = [f"s{number:02d}" for number in range(shape.size)]
    payload = given.payload_kb * KB
    sinks = 1 if calls else shape.size - len({caller for caller, _, _ in shape.calls})
    top = random.random()
    inner = _log_uniform(given.inner, top * random.random(len(shape.calls)))
    return ServiceDag(
        namespace=namespace,
        name=name,
        microservices=tuple(
            Microservice(
                name=names[m],
                request=(float(cpu[m]), float(memory[m]), 0.0, 0.0, 0.0, 1.0),
                work=float(work[m]),
                max_replicas=given.max_replicas,
            )
            for m in range(shape.size)
        ),
        invocations=tuple(
            Invocation(
                source=names[a],
                target=names[b],
                payload=float(inner[row] * payload),
                response=float(inner[row] * payload) if calls else 0.0,
                calls=float(often) if calls else 1.0,
            )
            for row, (a, b, often) in enumerate(shape.calls)
        ),
        demand=Demand(
            rate=rate,
            payload=payload * (float(_log_uniform(given.inner, random.random())) if abroad else 1.0),
            response=given.response_kb * KB / sinks,
        ),
        ingress=ingress,
        qos=Qos(max_latency=limit),
        flow="requestResponse" if calls else "pipeline",
        service_class=given.service_class,
        slice=tenant,
    )


def _sizes(
    given: ServiceClass, shape: Shape, rate: float, random: np.random.Generator, *, calls: bool
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """(cores, bytes, instructions per visit) of each stage, with the work in its range; None: not found.

    Cores are log-uniform between the class's least and a top of the DAG's own, memory goes with them; work is
    what keeps a replica busy for its utilisation at `rate`, given how often a request visits it.
    """
    visits = np.zeros(shape.size) if calls else np.ones(shape.size)
    visits[0] = 1.0
    for caller, called, often in shape.calls if calls else ():
        visits[called] += visits[caller] * often
    for _ in range(SIZINGS):
        top = random.random()
        place = top * random.random(shape.size)
        cpu = np.round(_log_uniform(given.cpu, place), 3)
        busy = random.uniform(given.utilisation.low, given.utilisation.high) * random.uniform(
            *SPREAD, shape.size
        )
        busy = busy.clip(given.utilisation.low, given.utilisation.high)
        per_request = busy * cpu * CORE_SPEED / rate
        if given.work.low <= per_request.sum() / M_INSTRUCTIONS <= given.work.high:
            memory = _log_uniform(given.memory_gb, place)
            return cpu, np.round(memory * GIB), per_request / visits
    return None


def _log_uniform(given: Range, place: FloatArray | float) -> FloatArray:
    """Values at `place` (0 to 1) of a range whose logarithm is linear."""
    values: FloatArray = given.low * (given.high / given.low) ** np.asarray(place)
    return values
