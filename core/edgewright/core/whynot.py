"""Why no placement of a DAG is feasible: per microservice, constraint and class of nodes."""

from collections import Counter

import numpy as np

from edgewright.core.feasibility import check
from edgewright.core.masks import (
    RESOURCE_CONSTRAINTS,
    free_capacity,
    node_mask,
    node_masks,
    requests,
)
from edgewright.core.physics import impossible
from edgewright.core.problem import UNPLACED, Constraint, Problem, Violation
from edgewright.core.substrate import BoolArray, FloatArray, IntArray
from edgewright.core.violations import amount

WORDS = {
    Constraint.NOT_READY: "are not ready or closed",
    Constraint.EXCLUDED: "are not open to this agent",
    Constraint.TAINT: "have a taint that is not tolerated (placement.tolerations)",
    Constraint.TIER: "are of another tier (placement.tiers)",
    Constraint.SELECTOR: "do not match placement.nodeSelector",
    Constraint.SLICE: "are reserved for other slices (spec.slice)",
}


def why_not(problem: Problem, nearest: IntArray | None = None) -> tuple[Violation, ...]:
    """Explain an infeasible problem; never empty, so call it only after no placement was found.

    In this order: replicas that no node would take alone, by constraint and node class (a node counts
    for the first constraint it breaks); limits that physics forbids; resources short in total; and what the
    least bad placement found, `nearest` (S,), breaks.
    """
    mask = node_mask(problem)
    free = problem.free
    stuck = [int(slot) for slot in free if not mask[slot].any()]
    if stuck:
        first = {int(problem.stage[slot]): slot for slot in reversed(stuck)}
        return tuple(v for stage in sorted(first) for v in _refusals(problem, first[stage]))
    forbidden = impossible(problem.dag, problem.world.substrate, _stage_masks(problem, mask))
    found = [*forbidden, *_totals(problem, mask)]
    if not found and nearest is not None:
        found += check(problem, nearest)
    if not found:
        found = [_together(problem, mask, free)]
    return tuple(found)


def _together(problem: Problem, mask: BoolArray, free: IntArray) -> Violation:
    """Each replica fits alone, no combination does: the scarcest resource, the replica with fewest nodes."""
    if not len(free):
        return Violation(
            Constraint.UTILISATION, message="every replica is bound already; none is left to place"
        )
    scarce = int(free[mask[free].sum(axis=1).argmin()])
    name, nodes = problem.dag.microservices[problem.stage[scarce]].name, int(mask[scarce].sum())
    need, left = _need_and_left(problem, mask)
    share = np.divide(need, left, out=np.zeros_like(need), where=left > 0)
    resource = RESOURCE_CONSTRAINTS[int(share.argmax())]
    return Violation(
        resource,
        name,
        "together",
        nodes=nodes,
        needed=float(share.max()),
        available=1.0,
        message=f"every replica fits alone, no combination found fits together; {resource.value} is scarcest "
        f"({share.max():.0%} of what is free), {name} has the fewest nodes ({nodes}); "
        "add capacity, lower requests or relax a limit",
    )


def _stage_masks(problem: Problem, mask: BoolArray) -> BoolArray:
    """(M, N) nodes of any slot of each stage."""
    rows = [mask[problem.stage == m].any(axis=0) for m in range(len(problem.dag.microservices))]
    return np.array(rows, bool)


def _refusals(problem: Problem, slot: int) -> list[Violation]:
    """One violation per constraint and node class that keeps a replica off every node."""
    nodes = problem.world.substrate.nodes
    name = problem.dag.microservices[problem.stage[slot]].name
    open_ = np.ones(len(nodes), bool)
    found = []
    if not len(nodes):
        text = f"{name}: the region has no nodes; label some for its EdgeController"
        return [Violation(Constraint.NOT_READY, name, "nodes", message=text)]
    request, free = requests(problem)[slot], free_capacity(problem)
    for constraint, mask in node_masks(problem, slot).items():
        refused = open_ & ~mask
        open_ &= mask
        for tier, count in sorted(Counter(nodes[n].tier for n in np.flatnonzero(refused)).items()):
            where = f"{tier} nodes"
            members = [n for n in np.flatnonzero(refused) if nodes[n].tier == tier]
            if constraint in RESOURCE_CONSTRAINTS:
                found.append(_short(constraint, name, where, request, free[members]))
                continue
            text = f"{name}: {count} {where} {WORDS[constraint]}"
            found.append(Violation(constraint, name, where, count, message=text))
    return found


def _short(constraint: Constraint, name: str, where: str, request: FloatArray, free: FloatArray) -> Violation:
    r = RESOURCE_CONSTRAINTS.index(constraint)
    needed, unit = amount(r, float(request[r]))
    best = max(amount(r, float(free[:, r].max()))[0], 0.0)
    text = f"{name}: {len(free)} {where} have too little {constraint.value}: {needed:.4g} {unit} needed, "
    return Violation(
        constraint, name, where, len(free), needed, best, unit, f"{text}at most {best:.4g} free on one"
    )


def _totals(problem: Problem, mask: BoolArray) -> list[Violation]:
    """Resources of which the free slots need more than all their nodes have left together."""
    need, left = _need_and_left(problem, mask)
    usable = mask[problem.fixed == UNPLACED].any(axis=0)
    found = []
    for r, constraint in enumerate(RESOURCE_CONSTRAINTS):
        if need[r] > left[r] * (1 + 1e-9):
            needed, unit = amount(r, float(need[r]))
            has = amount(r, float(left[r]))[0]
            text = f"all replicas together need {needed:.4g} {unit} of {constraint.value}, "
            found.append(
                Violation(
                    constraint,
                    where="all nodes",
                    nodes=int(usable.sum()),
                    needed=needed,
                    available=has,
                    unit=unit,
                    message=f"{text}{has:.4g} are free on the {int(usable.sum())} nodes they may use",
                )
            )
    return found


def _need_and_left(problem: Problem, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(R,) what the free slots request, and what is free on the nodes that any of them may use."""
    slots = np.flatnonzero(problem.fixed == UNPLACED)
    usable = mask[slots].any(axis=0)
    need = requests(problem)[slots].sum(axis=0)
    left = np.maximum(free_capacity(problem)[usable], 0.0).sum(axis=0)
    return np.asarray(need, float), np.asarray(left, float)
