"""A decision with the replicas it is about and the reasons that their pods carry."""

from dataclasses import dataclass, replace

from edgewright.agents.groups import Replica
from edgewright.agents.records import DagRecord, Key
from edgewright.core.problem import Constraint, Decision, Problem, Violation

ALTERNATIVES = 2
"""Other nodes that a pod's annotation compares with."""
COMPARED = 8
"""Of replicas placed at once, how many annotations compare: more would take as long as deciding."""
_NEARBY = 3


@dataclass(frozen=True)
class Choice:
    """Where each replica of a group goes, and why."""

    problem: Problem
    slots: tuple[Replica, ...]
    decision: Decision
    violations: tuple[Violation, ...]
    reasons: tuple[str, ...] = ()
    """The annotation of each free slot's pod, in the order of `problem.free`."""

    @property
    def moves(self) -> list[tuple[Replica, str, str]]:
        """The replicas placed by this choice, their nodes, and the reasons if there are any."""
        nodes, assign = self.problem.world.substrate.nodes, self.decision.assign.tolist()
        free = self.problem.free.tolist()
        reasons = self.reasons or ("",) * len(free)
        return [
            (self.slots[slot], nodes[assign[slot]].name, why) for slot, why in zip(free, reasons, strict=True)
        ]

    @property
    def settled(self) -> Problem:
        """The problem with every slot fixed where the decision puts it."""
        return replace(self.problem, fixed=self.decision.assign)

    @property
    def placed_slots(self) -> tuple[Replica, ...]:
        """The replicas on their nodes."""
        nodes = self.problem.world.substrate.nodes
        assign = self.decision.assign.tolist()
        return tuple(replace(r, node=nodes[n].name) for r, n in zip(self.slots, assign, strict=True))


@dataclass(frozen=True)
class NoNodes:
    """The answer while the region has no node at all."""

    region: Key

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The one thing that is wrong."""
        where = "/".join(self.region)
        message = f"EdgeController {where} grants no usable node; see its status.conditions."
        return (Violation(Constraint.NOT_READY, where=where, message=message),)


def reasons_of(problem: Problem, decision: Decision, alternatives: int = ALTERNATIVES) -> tuple[str, ...]:
    """The annotation of each free slot's pod, in the order of `problem.free`."""
    from edgewright.core.explain import explain, reason  # noqa: PLC0415

    found = explain(
        problem,
        decision.assign,
        alternatives=alternatives,
        near=_NEARBY,
        most=COMPARED,
        decision=decision,
        brief=True,
    )
    return tuple(reason(found, replica, decision.policy) for replica in found.replicas)


def imagined(record: DagRecord) -> list[Replica]:
    """The replicas that a dry-run DAG would have: what the operator chose, else the minima."""
    assert record.dag is not None
    desired = record.desired
    return [
        Replica(f"{m.name}-{n}", f"{m.name}-{n}", m.name, "", m.request)
        for m in record.dag.microservices
        for n in range(max(desired.get(m.name, m.min_replicas), m.min_replicas))
    ]
