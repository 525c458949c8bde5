"""One placement question and its answer: the world as it is, a DAG, what is fixed, what was decided."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edgewright.core.service import ServiceDag
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate

UNPLACED = -1
"""Node index of a replica that has no node."""


@dataclass(frozen=True, eq=False)
class PlacedDag:
    """A DAG with the replicas that are bound (or reserved) right now."""

    dag: ServiceDag
    stage: IntArray
    """(S,) index into `dag.microservices` of each replica slot."""
    node: IntArray
    """(S,) node index of each slot, UNPLACED where it has none."""


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a decision must respect, as of one moment."""

    substrate: Substrate
    used: FloatArray
    """(N, R) requests of every pod on each node: all DAGs' and foreign ones."""
    placed: tuple[PlacedDag, ...] = ()
    """Every DAG with replicas in this world."""
    stale: bool = False
    """Foreign load is older than 30 s: more headroom is kept."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Place the free slots of one DAG, the rest of the world fixed."""

    world: World
    """Without this DAG: neither its requests nor its load are counted in it."""
    dag: ServiceDag
    stage: IntArray
    """(S,) index into `dag.microservices` of each replica slot, non-decreasing."""
    fixed: IntArray
    """(S,) node index of replicas that stay where they are, UNPLACED for free slots."""
    allowed: BoolArray
    """(S, N) the caller's own exclusions (nodes not governed, closed by a kubelet, backed off).
    Tier, selector, taints and readiness are core's business, not the caller's."""
    request: FloatArray | None = None
    """(S, R) requests of the slots where they differ from the spec's (a rollout under way)."""
    seed: int = 0

    @property
    def free(self) -> IntArray:
        """Indices of the slots to place."""
        return np.flatnonzero(self.fixed == UNPLACED).astype(np.int32)


class Constraint(StrEnum):
    """Why a node, a link or a whole placement is refused."""

    CPU = "cpu"
    MEMORY = "memory"
    GPU = "gpu"
    NPU = "npu"
    RADIO = "radio"
    PODS = "pods"
    NOT_READY = "not-ready"
    EXCLUDED = "excluded"
    TIER = "tier"
    SELECTOR = "selector"
    TAINT = "taint"
    SPREAD = "spread"
    SLICE = "slice"
    UNREACHABLE = "unreachable"
    BANDWIDTH = "bandwidth"
    UTILISATION = "utilisation"
    INVOCATION_LATENCY = "invocation-latency"
    LATENCY = "latency"
    JITTER = "jitter"
    SKEW = "skew"
    SUCCESS = "success"
    OTHER_DAG = "other-dag"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint, for people and for status."""

    constraint: Constraint
    microservice: str = ""
    """Empty when the whole DAG is concerned."""
    where: str = ""
    """Node class (such as `edge nodes`), node, link, invocation or other DAG."""
    nodes: int = 0
    """How many nodes refuse for this reason (node constraints only)."""
    needed: float = 0.0
    available: float = 0.0
    unit: str = ""
    message: str = ""
    """One sentence: what is missing and what to change."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model expects of one placement; seconds and probabilities.

    `access + processing + synchronisation == mean` (Eq. 14 of [MAPPO], an identity here).
    """

    mean: float
    percentile: float
    """Latency at `Qos.percentile`."""
    jitter: float
    skew: float
    success: float
    violation: float
    """Expected share of requests above the latency limit."""
    access: float
    processing: float
    synchronisation: float


@dataclass(frozen=True, eq=False)
class Decision:
    """A policy's answer to a Problem."""

    assign: IntArray
    """(S,) node index of each slot; equal to `Problem.fixed` where that is set; UNPLACED in every
    free slot when no feasible placement was found."""
    policy: str
    objective: float
    """J of the placement (infinite when unplaced)."""
    prediction: Prediction | None = None
    violations: tuple[Violation, ...] = ()
    """Why nothing feasible was found; empty on success."""
    bound: float | None = None
    """Proven lower bound of J, from policies that have one."""
    evaluations: int = 0
    seconds: float = 0.0

    @property
    def feasible(self) -> bool:
        """Whether every slot has a node and nothing is violated."""
        return not self.violations and bool((self.assign != UNPLACED).all())
