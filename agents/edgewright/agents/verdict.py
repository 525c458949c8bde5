"""How a DAG's `Placed` condition is judged from its replicas and what the agent knows about them; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgewright.agents.groups import Replica, minimum_bound
from edgewright.agents.standing import Standing
from edgewright.core.problem import Violation
from edgewright.core.service import ServiceDag
from edgewright.kube.conditions import Reason, Status

PATIENCE = 3.0
"""Seconds for which pods may wait for a decision before the condition says so."""
SIBLINGS_PATIENCE = 15.0
"""The same while pods of the group do not exist yet, which the operator watches over as well."""
_BY_ALGORITHM = {
    "heuristic": Reason.PLACED_BY_HEURISTIC,
    "exact": Reason.PLACED_BY_EXACT,
    "best-fit": Reason.PLACED_BY_BEST_FIT,
    "genetic": Reason.PLACED_BY_GENETIC,
    "heft": Reason.PLACED_BY_HEFT,
    "kube": Reason.PLACED_BY_KUBE,
    "milp": Reason.PLACED_BY_MILP,
    "network-aware": Reason.PLACED_BY_NETWORK_AWARE,
    "random": Reason.PLACED_BY_RANDOM,
}


@dataclass(frozen=True)
class Verdict:
    """The `Placed` condition."""

    status: Status
    reason: Reason
    message: str


@dataclass(frozen=True)
class Facts:
    """What a verdict is made from, as of one moment."""

    dag: ServiceDag
    replicas: Sequence[Replica]
    standing: Standing
    desired: Mapping[str, int]
    """Replicas that the operator chose; the minima where it has not yet."""
    completed: bool
    silent: Collection[str]
    """Nodes that broke the rhythm of their Lease."""
    rejected: Collection[str]
    """Waiting pods whose replica kubelets refused too often."""
    stale: bool
    now: float


def judge(facts: Facts) -> Verdict | None:
    """The condition, or None while there is nothing worth saying yet (a decision is about to come)."""
    if facts.dag.policy.dry_run:
        return _dry_run(facts)
    bound = [r for r in facts.replicas if r.node]
    enough = bool(bound) and minimum_bound(facts.dag, bound)
    status: Status = "True" if enough else "False"
    trouble = _trouble(facts, bound, enough=enough)
    if trouble is not None:
        return Verdict(status, *trouble)
    if enough:
        said = _where(bound) + _instead(facts.standing)
        return Verdict("True", by_algorithm(facts.standing.algorithm), said)
    return _waiting(facts, bound)


def by_algorithm(algorithm: str) -> Reason:
    """The reason that names the policy."""
    return _BY_ALGORITHM.get(algorithm, Reason.PLACED_BY_POLICY)


def summarise(violations: Sequence[Violation]) -> str:
    """The first violations in words."""
    said = list(dict.fromkeys(v.message or v.constraint.value for v in violations))
    more = f" And {len(said) - 3} more; see status.unplaced." if len(said) > 3 else ""
    return " ".join(text if text.endswith(".") else f"{text}." for text in said[:3]) + more


def _dry_run(facts: Facts) -> Verdict | None:
    choice = facts.standing.imagined
    if choice is None and not facts.standing.violations:
        return None
    if facts.standing.violations:
        return Verdict("False", Reason.NO_FEASIBLE_PLACEMENT, summarise(facts.standing.violations))
    nodes = len({node for _, node, _ in choice.moves}) if choice is not None else 0
    count = len(choice.moves) if choice is not None else 0
    return Verdict(
        "False",
        Reason.DRY_RUN,
        f"{count} replicas would go to {nodes} nodes; nothing is created.{_instead(facts.standing)}",
    )


def _trouble(  # noqa: PLR0911 - one return per rule, the first that applies
    facts: Facts, bound: Sequence[Replica], *, enough: bool
) -> tuple[Reason, str] | None:
    """What needs attention although pods may be placed, the gravest first."""
    if facts.rejected:
        names = ", ".join(sorted(facts.rejected)[:3])
        return Reason.KUBELET_REJECTED, f"Kubelets refused three times: {names}."
    lost = sorted({r.node for r in bound if r.node in facts.silent})
    if lost:
        said = f"{sum(r.node in facts.silent for r in bound)} replicas stand on silent nodes: "
        return Reason.NODE_LOST, said + _listed(lost)
    waiting = [r for r in facts.replicas if not r.node and not r.held]
    if waiting and facts.standing.failure:
        return Reason.BINDING_FAILED, facts.standing.failure
    stuck = [r for r in waiting if r.uid in facts.standing.unplaced]
    if stuck and enough:
        said = summarise(facts.standing.violations)
        if all(_count(bound, r.microservice) >= facts.desired.get(r.microservice, 0) for r in stuck):
            return Reason.NO_SURGE_CAPACITY, f"A rolling update waits for room: {said}"
        return Reason.NO_FEASIBLE_PLACEMENT, f"{len(stuck)} replicas beyond the minimum have no place: {said}"
    if not enough and facts.completed and (bound or waiting):
        if stuck:
            return Reason.NO_FEASIBLE_PLACEMENT, summarise(facts.standing.violations)
        return Reason.REBINDING, f"{len(bound)} replicas are bound; replacements are being placed."
    if enough and facts.stale:
        return Reason.LOAD_STALE, "Foreign load was not reported for 30 s; more headroom is kept."
    return None


def _waiting(facts: Facts, bound: Sequence[Replica]) -> Verdict | None:
    standing = facts.standing
    if standing.unplaced:
        return Verdict("False", Reason.NO_FEASIBLE_PLACEMENT, summarise(standing.violations))
    if standing.missing and _long(standing.waiting_since, facts.now, SIBLINGS_PATIENCE):
        short = ", ".join(f"{name} ({count})" for name, count in sorted(standing.missing.items()))
        return Verdict("False", Reason.WAITING_FOR_PODS, f"Pods that do not exist yet: {short}.")
    if _long(standing.pending_since, facts.now, PATIENCE):
        said = f"{len(bound)} of {len(facts.replicas)} pods are bound; the decision is under way."
        return Verdict("False", Reason.WAITING_FOR_AGENT, said)
    return None


def _long(since: float | None, now: float, patience: float) -> bool:
    return since is not None and now - since > patience


def _count(replicas: Sequence[Replica], microservice: str) -> int:
    return sum(r.microservice == microservice for r in replicas)


def _where(bound: Sequence[Replica]) -> str:
    nodes = sorted({r.node for r in bound})
    return f"{len(bound)} replicas on {len(nodes)} nodes."


def _instead(standing: Standing) -> str:
    """That another algorithm decided than the spec asks for, and why."""
    if not standing.unavailable:
        return ""
    return f" Placed by {standing.algorithm} instead: {standing.unavailable}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more." if len(names) > 5 else ".")
