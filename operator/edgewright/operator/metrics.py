"""The operator's metrics, and how its states are read when Prometheus asks."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgewright.kube.conditions import ConditionType, Reason, find
from edgewright.kube.metrics import STATES, Reading, counter, histogram
from edgewright.operator.world import World

RECONCILE = histogram(
    "edgewright_operator_reconcile_duration_seconds",
    "How long working on one key of the queue took, its writes included; kind is what was worked on",
    "kind",
)
RECONCILES = counter(
    "edgewright_operator_reconciles_total",
    "Keys worked on by outcome: ok, failed (tried again after a backoff), refused (by the API server), "
    "unled (not written, because the Lease may be lost), or error (a defect; see the log)",
    "kind",
    "result",
)
VIOLATIONS = counter(
    "edgewright_operator_qos_violations_total",
    "Times that QoSMet of a ServiceDAG turned False, by whether it was judged from observed requests",
    "source",
)
OBSERVATIONS = counter(
    "edgewright_operator_observations_total",
    "Questions to Prometheus by outcome: ok, unreachable (no answer, or an error), or nonsense (an answer "
    "that cannot be read)",
    "result",
)
OBSERVATION = histogram(
    "edgewright_operator_observation_duration_seconds", "How long Prometheus took to answer"
)

LEADER = STATES.define("edgewright_operator_leader", "1 while this process leads, else 0")
QUEUE = STATES.define(
    "edgewright_operator_queue_depth",
    "Keys in the queue: ready for a worker, busy with one, or waiting for their time (after a failure, say)",
    "state",
)
SERVICEDAGS = STATES.define("edgewright_operator_servicedags", "ServiceDAGs by status.phase", "phase")
AGENT = STATES.define(
    "edgewright_operator_agent_ready",
    "1 if an agent holds the Lease of the region's EdgeController, else 0",
    "region",
    folded_by=min,
)
ASKS = STATES.define(
    "edgewright_operator_observation_configured", "1 if the operator was given a Prometheus to ask, else 0"
)
OBSERVED_DAGS = STATES.define(
    "edgewright_operator_observed_servicedags", "ServiceDAGs whose QoSMet is judged from observed requests"
)
_DAG = ("namespace", "servicedag")
MET = STATES.define(
    "edgewright_servicedag_qos_met",
    "Condition QoSMet: 1 if True, 0 if False (absent while Unknown); source is observed or predicted",
    *_DAG,
    "source",
    folded_by=min,
)
LATENCY_LIMIT = STATES.define(
    "edgewright_servicedag_latency_limit_seconds", "spec.qos.maxLatencyMs", *_DAG, folded_by=min
)
OBSERVED_LATENCY = STATES.define(
    "edgewright_servicedag_observed_latency_seconds",
    "status.observed: mean, percentile (spec.qos.percentile) or jitter of the latency of users' requests",
    *_DAG,
    "statistic",
)
OBSERVED_SUCCESS = STATES.define(
    "edgewright_servicedag_observed_success_ratio",
    "status.observed: share of users' requests that were answered",
    *_DAG,
    folded_by=min,
)


def states(world: World, queue: Mapping[str, int]) -> Iterator[Reading]:
    """Everything that a leading operator knows now; `queue` is the number of keys by state."""
    yield from (QUEUE.at(count, state) for state, count in queue.items())
    for controller in world.controllers.values():
        yield AGENT.at(world.agent_alive(controller), controller.key[0])
    yield ASKS.at(world.measured is not None)
    yield OBSERVED_DAGS.at(len(world.measured or ()))
    phases: dict[str, int] = {}
    for key, body in world.dags.items():
        phase = str((body.get("status") or {}).get("phase") or "New")
        phases[phase] = phases.get(phase, 0) + 1
        yield from _quality(world, key, body)
    yield from (SERVICEDAGS.at(count, phase) for phase, count in phases.items())


def _quality(world: World, key: tuple[str, str], body: Mapping[str, Any]) -> Iterator[Reading]:
    measured = (world.measured or {}).get(key)
    condition = find((body.get("status") or {}).get("conditions") or [], ConditionType.QOS_MET)
    if condition is not None and condition["status"] != "Unknown" and condition["reason"] != Reason.NO_LIMITS:
        source = "predicted" if measured is None else "observed"
        yield MET.at(condition["status"] == "True", *key, source)
    qos = (body.get("spec") or {}).get("qos") or {}
    if "maxLatencyMs" in qos:
        yield LATENCY_LIMIT.at(qos["maxLatencyMs"] / 1000, *key)
    if measured is None:
        return
    percentile = measured.percentile(float(qos.get("percentile", 95)))
    for statistic, value in (
        ("mean", measured.mean),
        ("percentile", percentile),
        ("jitter", measured.jitter),
    ):
        if value is not None:
            yield OBSERVED_LATENCY.at(value, *key, statistic)
    if measured.success is not None:
        yield OBSERVED_SUCCESS.at(measured.success, *key)
