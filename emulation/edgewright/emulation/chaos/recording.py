"""What was seen of a cluster during a run: its state whenever it changed, and the life of every pod."""

import msgspec

USERS = "users"
"""The name of the one injection that is no fault: users ask."""


class DagSample(msgspec.Struct, frozen=True):
    """One ServiceDAG at one moment."""

    desired: int
    bound: int
    """Replicas on nodes that are not known to be down."""
    ready: int
    """Of those, the Ready ones."""
    condition: bool
    """Whether its condition Ready is True."""
    violated: bool
    """Whether its condition QoSMet is False."""
    predicted: float | None = None
    """Predicted latency at the DAG's percentile over its limit; None without a limit or a prediction."""
    observed: float | None = None
    """The same of the observed latency, where Prometheus measures it."""
    limit: float | None = None
    """Its limit in milliseconds."""

    @property
    def whole(self) -> bool:
        """Whether it is Ready with every replica that it wants."""
        return self.condition and self.ready >= self.desired


class Sample(msgspec.Struct, frozen=True):
    """The cluster at one moment."""

    at: float
    """Seconds since the recording began."""
    dags: dict[str, DagSample]
    """By `namespace/name`."""
    nodes: int
    nodes_ready: int
    silent: list[str]
    """Leases of the operator and the agents that were not renewed for long."""
    answers: bool = True
    """Whether the API server answers."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing: API, leaders, ServiceDAGs and replicas."""
        return self.answers and not self.silent and all(dag.whole for dag in self.dags.values())


class PodLife(msgspec.Struct):
    """When a replica was first seen, bound, Ready and gone, in seconds since the recording began."""

    pod: str
    dag: str
    microservice: str
    seen: float
    node: str = ""
    nodes: list[str] = []
    """Every node it was ever bound to: more than one would be a binding too many."""
    bound: float | None = None
    ready: float | None = None
    leaving: float | None = None
    gone: float | None = None


class Injection(msgspec.Struct):
    """One fault of the run, from its injection until it was healed."""

    id: str
    fault: str
    what: str
    began: float
    """Seconds since the recording began."""
    injected: float
    """When the injection was complete."""
    ended: float | None = None
    """When it was healed."""
    down: list[str] = []
    """Nodes that were as good as dead meanwhile."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One request of a user."""

    at: float
    """When it was due, in seconds since the recording began."""
    dag: str
    late: float
    """Seconds by which it left later."""
    seconds: float | None
    """Until it was answered; None for one that was lost."""


class Recording(msgspec.Struct):
    """All of it."""

    began: str
    """UTC, RFC 3339."""
    samples: list[Sample]
    pods: dict[str, PodLife]
    """By uid."""
    injections: list[Injection]
    asked: list[Asked] = []
    """By time; only what chaos itself sent."""

    @property
    def faults(self) -> list[Injection]:
        """The injections that may hurt."""
        return [each for each in self.injections if each.fault != USERS]
