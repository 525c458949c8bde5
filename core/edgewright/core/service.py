"""What a service asks for: a DAG of microservices, its demand, and its quality objectives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RESOURCES = ("cpu", "memory", "gpu", "npu", "radio", "pods")
"""Columns of every capacity and request array: cores, bytes, devices, devices, bit/s, pods."""
CPU, MEMORY, GPU, NPU, RADIO, PODS = range(len(RESOURCES))

Flow = Literal["pipeline", "requestResponse"]
Spread = Literal["node", "zone", "none"]
Traffic = Literal["even", "sameZone", "sameNode"]
OnNodeLoss = Literal["fast", "safe", "keep"]


@dataclass(frozen=True, slots=True)
class Toleration:
    """A pod's toleration of node taints, with Kubernetes' meaning of empty fields."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Microservice:
    """One stage of a service DAG."""

    name: str
    request: tuple[float, ...]
    """What one replica reserves, in the order of RESOURCES (cores, bytes, devices, devices, bit/s, 1)."""
    work: float
    """Mean instructions per visit."""
    limit_cpu: float | None = None
    """Cores that one replica may use at most; none: the whole node."""
    min_replicas: int = 1
    max_replicas: int = 1
    tiers: frozenset[str] = frozenset()
    """Node tiers allowed; empty: any."""
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    spread: Spread = "node"
    """How replicas keep apart: no two on one node, in one zone, or free."""
    traffic: Traffic = "even"
    """How the Service in front of the replicas picks one (`trafficDistribution`)."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A directed edge of the DAG: data flow (`pipeline`) or call (`requestResponse`)."""

    source: str
    target: str
    payload: float
    """Mean bits sent per traversal."""
    response: float = 0.0
    """Mean bits sent back per call (`requestResponse` only)."""
    calls: float = 1.0
    """Mean calls per request of the caller (`requestResponse` only)."""
    parallel: bool = True
    """Whether the caller issues it together with its other parallel calls."""
    min_bandwidth: float = 0.0
    """Bit/s that every path used must be able to carry."""
    max_latency: float | None = None
    """Bound on the transfer time of this invocation in seconds, at `Qos.percentile`."""


@dataclass(frozen=True, slots=True)
class Qos:
    """Objectives of a request through the whole DAG; an absent bound is None."""

    max_latency: float | None = None
    """Seconds, at `percentile`."""
    max_jitter: float | None = None
    """Seconds, standard deviation of the latency."""
    max_skew: float | None = None
    """Seconds, largest mean(latest - earliest input) over the joins."""
    min_success: float | None = None
    """Probability in [0, 1]."""
    percentile: float = 95.0
    required: bool = False
    """Whether a binding may never break these bounds (hard) or only should not (soft)."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Poisson arrivals of requests at the DAG's ingress."""

    rate: float
    """Requests per second."""
    payload: float
    """Mean bits from the user to each source."""
    response: float = 0.0
    """Mean bits from each sink to the user."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """Where the users are: a position in metres, or the node whose cell they use."""

    location: tuple[float, float] | None = None
    node: str | None = None
    rate: float | None = None
    """Bit/s between the users and their cell where it is known; else it follows from their distance."""


@dataclass(frozen=True, slots=True)
class PlacementPolicy:
    """How the agent may place and move the DAG."""

    algorithm: str = "auto"
    dry_run: bool = False
    on_node_loss: OnNodeLoss = "safe"
    migration_allowed: bool = True
    max_migrations_per_minute: int = 2


@dataclass(frozen=True, slots=True)
class ServiceDag:
    """A service DAG with everything that placement needs."""

    namespace: str
    name: str
    microservices: tuple[Microservice, ...]
    invocations: tuple[Invocation, ...]
    demand: Demand
    ingress: Ingress = Ingress()
    qos: Qos = Qos()
    flow: Flow = "pipeline"
    service_class: str = "massive"
    slice: str = ""
    priority: int = 0
    created: float = 0.0
    """Unix seconds; older DAGs of equal priority go first."""
    uid: str = ""
    policy: PlacementPolicy = PlacementPolicy()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name


class CyclicGraphError(ValueError):
    """The invocations contain a cycle; `cycle` names its microservices in order."""

    def __init__(self, dag: ServiceDag, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        path = " -> ".join((*cycle, cycle[0]))
        super().__init__(
            f"ServiceDAG {dag.namespace}/{dag.name}: spec.invocations form the cycle {path}; "
            "remove one of these invocations"
        )


def topological_order(dag: ServiceDag) -> tuple[int, ...]:
    """Indices of `dag.microservices`, every caller before its targets, ties in the order written.

    Linear in microservices + invocations. Raises CyclicGraphError naming one cycle, and KeyError
    for an invocation of an unknown microservice (refused by the API long before).
    """
    index = {m.name: i for i, m in enumerate(dag.microservices)}
    targets: list[list[int]] = [[] for _ in dag.microservices]
    inputs = [0] * len(dag.microservices)
    for invocation in dag.invocations:
        targets[index[invocation.source]].append(index[invocation.target])
        inputs[index[invocation.target]] += 1
    order = [i for i, n in enumerate(inputs) if n == 0]
    for stage in order:
        for target in targets[stage]:
            inputs[target] -= 1
            if inputs[target] == 0:
                order.append(target)
    if len(order) < len(dag.microservices):
        raise CyclicGraphError(dag, _cycle(dag, targets, {i for i, n in enumerate(inputs) if n > 0}))
    return tuple(order)


def _cycle(dag: ServiceDag, targets: list[list[int]], rest: set[int]) -> tuple[str, ...]:
    """One cycle among `rest`, the stages left by Kahn's algorithm (a cycle and what it reaches)."""
    callers: dict[int, int] = {}
    for stage in sorted(rest):
        for target in targets[stage]:
            if target in rest:
                callers.setdefault(target, stage)
    # Every stage of `rest` has a caller in `rest`: walking backwards must close a cycle.
    walk: list[int] = [min(rest)]
    while callers[walk[-1]] not in walk:
        walk.append(callers[walk[-1]])
    cycle = walk[walk.index(callers[walk[-1]]) :]
    return tuple(dag.microservices[i].name for i in reversed(cycle))
