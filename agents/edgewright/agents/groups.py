"""Which pods of a service DAG must be placed together, and what an incomplete group still waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewright.core.service import ServiceDag


@dataclass(frozen=True, slots=True)
class Replica:
    """A live pod of a microservice, as grouping and placement see it."""

    uid: str
    name: str
    microservice: str
    created: str
    """RFC 3339, so that text order is time order."""
    request: tuple[float, ...]
    """What it reserves, in the order of core's RESOURCES."""
    node: str = ""
    """Where it is bound or reserved; empty while it waits."""
    ready: bool = False
    held: bool = False
    """Whether it must not be bound now (a scheduling gate, or refused by kubelets too often)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to place for one DAG now."""

    groups: tuple[tuple[Replica, ...], ...] = ()
    """Each group is all or nothing; a later one takes the earlier ones as placed."""
    initial: bool = False
    """Whether the first group is the initial gang."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """Pods that the initial gang still waits for, by microservice."""
    partial: bool = False
    """Whether an initial gang is bound in part: it must be completed or taken back."""

    @property
    def waiting(self) -> bool:
        """Whether pods exist or are expected but cannot be placed yet."""
        return bool(self.missing)


def age_order(replica: Replica) -> tuple[str, str]:
    """Sort key: oldest first, then by name."""
    return replica.created, replica.name


def plan_groups(dag: ServiceDag, replicas: Sequence[Replica], *, completed: bool) -> Plan:
    """Group the pods of one DAG; linear in pods.

    While nothing is bound, the initial gang is the `min_replicas` oldest pods of every microservice, complete
    only when all of them exist (a quota may show fewer pods than replicas: then the DAG waits). Everything
    beyond that - elastic replicas, surge pods of a rollout, replacements - is placed with the rest fixed.
    `completed`: whether all minima were bound before, so that what is missing now is a replacement.
    """
    names = {m.name for m in dag.microservices}
    known = [replica for replica in replicas if replica.microservice in names]
    pending = sorted((r for r in known if not r.node and not r.held), key=age_order)
    bound = [r for r in known if r.node]
    if bound:
        placed = _count(bound)
        partial = not completed and any(placed.get(m.name, 0) < m.min_replicas for m in dag.microservices)
        return Plan((tuple(pending),) if pending else (), partial=partial)
    gang: list[Replica] = []
    missing: dict[str, int] = {}
    for microservice in dag.microservices:
        mine = [r for r in pending if r.microservice == microservice.name]
        gang += mine[: microservice.min_replicas]
        if len(mine) < microservice.min_replicas:
            missing[microservice.name] = microservice.min_replicas - len(mine)
    if missing:
        return Plan(missing=missing)
    chosen = {replica.uid for replica in gang}
    elastic = tuple(replica for replica in pending if replica.uid not in chosen)
    groups = tuple(group for group in (tuple(gang), elastic) if group)
    return Plan(groups, initial=bool(gang))


def replica_numbers(replicas: Sequence[Replica]) -> dict[str, int]:
    """A number from 0 for each replica within its microservice, by age; pod uid to number."""
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    for replica in sorted(replicas, key=age_order):
        numbers[replica.uid] = counts.get(replica.microservice, 0)
        counts[replica.microservice] = numbers[replica.uid] + 1
    return numbers


def minimum_bound(dag: ServiceDag, replicas: Sequence[Replica]) -> bool:
    """Whether every microservice has at least its minimum of replicas on nodes."""
    placed = _count([r for r in replicas if r.node])
    return all(placed.get(m.name, 0) >= m.min_replicas for m in dag.microservices)


def _count(replicas: Sequence[Replica]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for replica in replicas:
        counts[replica.microservice] = counts.get(replica.microservice, 0) + 1
    return counts
