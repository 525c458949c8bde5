"""The agents' metrics, and how a region's state is read when Prometheus asks."""

from collections.abc import Iterator
from operator import add
from typing import TYPE_CHECKING

from edgewright.agents.binding import Outcome
from edgewright.kube.metrics import SLOW, STATES, Reading, counter, histogram

if TYPE_CHECKING:
    from edgewright.agents.governor import Governor

DECISION = histogram(
    "edgewright_agent_decision_duration_seconds",
    "How long a policy took to place one group of replicas, or to find that it cannot",
    "region",
    "policy",
)
UNPLACEABLE = counter(
    "edgewright_agent_unplaceable_total",
    "Decisions that found no place, once for each kind of constraint that failed (status.unplaced)",
    "region",
    "constraint",
)
BINDINGS = counter(
    "edgewright_agent_bindings_total",
    "Bindings by outcome; stage is rehearsal (the dry run of a group, one per node) or binding",
    "region",
    "stage",
    "result",
)
BINDING = histogram(
    "edgewright_agent_binding_duration_seconds",
    "From a decision until every binding of its group was answered, dry run included",
    "region",
)
DETECTION = histogram(
    "edgewright_agent_node_loss_detection_seconds",
    "How long a node had been silent when its loss was confirmed",
    "region",
    buckets=SLOW,
)
RECOVERY = histogram(
    "edgewright_agent_node_loss_recovery_seconds",
    "From the confirmed loss of a node until a ServiceDAG that had replicas there is bound in full again",
    "region",
    buckets=SLOW,
)
EVICTIONS = counter(
    "edgewright_agent_evicted_pods_total", "Pods deleted because their node was lost", "region"
)

LEADER = STATES.define("edgewright_agent_leader", "1 while this process holds the region's Lease", "region")
NODES = STATES.define(
    "edgewright_agent_nodes",
    "Governed nodes: usable, closed (silent, or back too recently for how often they were lost), or lost "
    "(the silent ones among the closed)",
    "region",
    "state",
    folded_by=add,
)
SERVICEDAGS = STATES.define(
    "edgewright_agent_servicedags", "ServiceDAGs of the region", "region", folded_by=add
)
UNPLACED = STATES.define(
    "edgewright_agent_unplaced_replicas", "Pods for which no place was found", "region", folded_by=add
)
QUEUE = STATES.define(
    "edgewright_agent_queue_depth", "ServiceDAGs that wait for a decision", "region", folded_by=add
)
SUSPENDED = STATES.define(
    "edgewright_agent_evictions_suspended",
    "1 while so much of the region is silent that nobody is evicted, else 0",
    "region",
)
LOAD_AGE = STATES.define(
    "edgewright_agent_node_load_age_seconds",
    "How long the operator has not reported the load of other namespaces (beyond 30 s it is stale)",
    "region",
)
_DAG = ("region", "namespace", "servicedag")
PREDICTED_LATENCY = STATES.define(
    "edgewright_servicedag_predicted_latency_seconds",
    "status.predicted: mean, percentile (spec.qos.percentile), jitter or skew",
    *_DAG,
    "statistic",
)
PREDICTED_SUCCESS = STATES.define(
    "edgewright_servicedag_predicted_success_ratio",
    "status.predicted: probability that a request is answered in time",
    *_DAG,
    folded_by=min,
)
_STATISTICS = {"mean": "latencyMs", "percentile": "p95Ms", "jitter": "jitterMs", "skew": "syncSkewMs"}


def begin(region: str) -> None:
    """Start the region's counters at 0, so that a first refusal is seen as a rise."""
    for outcome in Outcome:
        for stage in ("rehearsal", "binding"):
            BINDINGS.of(region, stage, outcome.value)
    EVICTIONS.of(region)
    DETECTION.of(region)
    BINDING.of(region)


def states(governor: "Governor", now: float) -> Iterator[Reading]:
    """Everything that the agent of one region knows while it governs."""
    region, name = governor.region, governor.region.key[0]
    governed, lost = region.terrain.governed, governor.evictions.lost
    closed = region.closed & governed
    yield NODES.at(len(governed) - len(closed), name, "usable")
    yield NODES.at(len(closed), name, "closed")
    yield NODES.at(len(lost), name, "lost")
    yield SERVICEDAGS.at(len(region.dags), name)
    yield UNPLACED.at(governor.unplaced, name)
    yield QUEUE.at(governor.waiting, name)
    yield SUSPENDED.at(governor.evictions.suspended, name)
    yield LOAD_AGE.at(now - region.load_heard, name)
    for key, predicted in governor.predictions():
        for statistic, field in _STATISTICS.items():
            if field in predicted:
                yield PREDICTED_LATENCY.at(predicted[field] / 1000, name, *key, statistic)
        if "successProbability" in predicted:
            yield PREDICTED_SUCCESS.at(predicted["successProbability"], name, *key)
