"""What to do about each constraint and condition that keeps pods from nodes."""

from edgewright.kube.conditions import Reason

_RESOURCE = "lower its request, or free or add nodes: `edgewright top nodes` shows what is taken"
_QOS = (
    "relax the limit, lower spec.demand, or allow nodes nearer to the users; `edgewright explain` shows "
    "where the time goes"
)
CONSTRAINTS = {
    "cpu": _RESOURCE,
    "memory": _RESOURCE,
    "gpu": _RESOURCE,
    "npu": _RESOURCE,
    "radio": _RESOURCE,
    "pods": _RESOURCE,
    "not-ready": "bring the nodes back: `kubectl get nodes`; a node that kept dying opens again by itself",
    "excluded": "closed for now: a kubelet or an admission rule refused such a pod: `kubectl get events`",
    "tier": "allow the tier in placement.tiers, or label nodes with edgewright.dev/tier",
    "selector": "label nodes as placement.nodeSelector asks, or relax it",
    "taint": "tolerate the taint in placement.tolerations, or take it off the nodes",
    "spread": "lower replicas.min, or relax placement.spread",
    "slice": "set spec.slice to a slice that the nodes serve",
    "unreachable": "add a link to an EdgeTopology, or mend spec.ingress",
    "bandwidth": "lower minBandwidthMbps or payloadKB, or add bandwidth to the EdgeTopology",
    "utilisation": "lower spec.demand, raise replicas.max, or add nodes",
    "invocation-latency": _QOS,
    "latency": _QOS,
    "jitter": _QOS,
    "skew": _QOS,
    "success": _QOS,
    "other-dag": "it would break a required limit of another ServiceDAG: add capacity, or relax one of both",
}
"""What to do about each constraint of core; `tests/unit/cli` holds them against each other."""
CONDITIONS = {
    Reason.BINDING_FAILED: "the agent goes on elsewhere by itself; if it stays: `edgewright doctor`",
    Reason.KUBELET_REJECTED: "see what the kubelet says: `kubectl get events`; tried again after 5 minutes",
    Reason.WAITING_FOR_PODS: "see why the ReplicaSet does not make them: `kubectl describe replicaset`",
    Reason.NODE_LOST: "wait for the replacement, or bring the node back: `kubectl get nodes`",
    Reason.REBINDING: "wait: the agent is placing it",
}


def about(message: str, microservice: str) -> str:
    """What core says of a microservice, without its name in front, so that equal words can be told once."""
    return message.removeprefix(f"{microservice}: ") if microservice else message
