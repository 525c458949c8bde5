"""Which nodes a replica may use at all: readiness, tier, selector, taints, slice, spread, capacity."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np

from edgewright.core.load import zone_of
from edgewright.core.problem import UNPLACED, Constraint, Problem
from edgewright.core.service import RESOURCES, Microservice, Toleration
from edgewright.core.substrate import LABEL_SLICE, BoolArray, FloatArray, IntArray, Substrate, Taint

TAINT_EDGE = "edgewright.dev/edge"
"""Taint that keeps other schedulers away; every replica placed here tolerates it."""
EPSILON = 1e-9
"""Relative slack of capacity comparisons: sums of decimal quantities are not exact in binary."""

RESOURCE_CONSTRAINTS = (
    Constraint.CPU,
    Constraint.MEMORY,
    Constraint.GPU,
    Constraint.NPU,
    Constraint.RADIO,
    Constraint.PODS,
)
NODE_CONSTRAINTS = (
    Constraint.NOT_READY,
    Constraint.EXCLUDED,
    Constraint.TAINT,
    Constraint.TIER,
    Constraint.SELECTOR,
    Constraint.SLICE,
    *RESOURCE_CONSTRAINTS,
)
"""In the order in which a refusal is attributed: a node counts for the first one that it breaks."""

_cache: "WeakKeyDictionary[Substrate, dict[object, BoolArray]]" = WeakKeyDictionary()


def tolerates(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    """Whether a pod with `tolerations` may be bound to a node with `taint` (Kubernetes' rules)."""
    if taint.effect not in ("NoSchedule", "NoExecute") or taint.key == TAINT_EDGE:
        return True
    return any(
        (not t.effect or t.effect == taint.effect)
        and (not t.key or t.key == taint.key)
        and (t.operator == "Exists" or (bool(t.key) and t.value == taint.value))
        for t in tolerations
    )


def node_masks(problem: Problem, slot: int) -> dict[Constraint, BoolArray]:
    """(N,) per node constraint: nodes that satisfy it for the replica of a free slot."""
    substrate, microservice = problem.world.substrate, problem.dag.microservices[problem.stage[slot]]
    masks = _static(substrate, microservice, problem.dag.slice)
    request, free = requests(problem)[slot], free_capacity(problem)
    every: dict[Constraint, BoolArray] = {**masks, Constraint.EXCLUDED: problem.allowed[slot]}
    for r, constraint in enumerate(RESOURCE_CONSTRAINTS):
        every[constraint] = fits(request[r : r + 1], free[:, r : r + 1])
    return {constraint: every[constraint] for constraint in NODE_CONSTRAINTS}


def node_mask(problem: Problem) -> BoolArray:
    """(S, N) nodes on which each slot could be alone: every node constraint; fixed slots: their own node.

    Capacity here is per slot, beside the fixed slots; `mask_after` accounts for the slots placed before.
    """
    substrate = problem.world.substrate
    need, free = requests(problem), free_capacity(problem)
    mask = np.zeros((len(problem.stage), len(substrate.nodes)), bool)
    for slot, (stage, node) in enumerate(zip(problem.stage, problem.fixed, strict=True)):
        if node != UNPLACED:
            mask[slot, node] = True
            continue
        masks = _static(substrate, problem.dag.microservices[stage], problem.dag.slice)
        mask[slot] = problem.allowed[slot] & fits(need[slot], free)
        for one in masks.values():
            mask[slot] &= one
    return mask


def mask_after(problem: Problem, mask: BoolArray, assign: IntArray, slot: int) -> BoolArray:
    """(N,) nodes still open to `slot`: its row of `node_mask` after the slots placed in `assign` (S,).

    Accounts for the capacity they take and for the spread of the slot's own microservice.
    """
    need, free = requests(problem), free_capacity(problem).copy()
    placed = np.flatnonzero((assign != UNPLACED) & (problem.fixed == UNPLACED))
    np.subtract.at(free, assign[placed], need[placed])
    still = np.asarray(mask[slot] & fits(need[slot], free), bool)
    spread = problem.dag.microservices[problem.stage[slot]].spread
    if spread != "none":
        same = np.flatnonzero((problem.stage == problem.stage[slot]) & (assign != UNPLACED))
        keys = spread_keys(problem.world.substrate, spread)
        still &= ~np.isin(keys, keys[assign[same[same != slot]]])
    return still


def fits(request: FloatArray, free: FloatArray) -> BoolArray:
    """(N,) nodes whose free capacity (N, R) holds `request` (R,); resources not asked for do not count."""
    enough = (free * (1 + EPSILON) >= request) | (request <= 0)
    return np.asarray(enough.all(axis=1), bool)


def requests(problem: Problem) -> FloatArray:
    """(S, R) what each slot reserves."""
    if problem.request is not None:
        return problem.request
    table = np.array([m.request for m in problem.dag.microservices], float).reshape(-1, len(RESOURCES))
    wanted: FloatArray = table[problem.stage]
    return wanted


def free_capacity(problem: Problem) -> FloatArray:
    """(N, R) capacity left by everything that is bound, this DAG's fixed slots included."""
    world = problem.world
    free = np.asarray(world.substrate.capacity - world.used, float)
    fixed = np.flatnonzero(problem.fixed != UNPLACED)
    np.subtract.at(free, problem.fixed[fixed], requests(problem)[fixed])
    return free


def spread_keys(substrate: Substrate, spread: str) -> IntArray:
    """(N,) equal numbers may not hold two replicas of one microservice."""
    if spread == "node":
        return np.arange(len(substrate.nodes), dtype=np.int32)
    keys: dict[str, int] = {}
    return np.array(
        [keys.setdefault(zone_of(substrate, n), n) for n in range(len(substrate.nodes))], np.int32
    )


def static_mask(
    substrate: Substrate, microservice: Microservice, slice_: str, *, ready: bool = True
) -> BoolArray:
    """(N,) nodes that suit a microservice by tier, selector, taints, slice, and by readiness if `ready`."""
    mask = np.ones(len(substrate.nodes), bool)
    for constraint, one in _static(substrate, microservice, slice_).items():
        if ready or constraint != Constraint.NOT_READY:
            mask &= one
    return mask


def _static(substrate: Substrate, microservice: Microservice, slice_: str) -> dict[Constraint, BoolArray]:
    """Masks that depend on node and microservice only; each distinct question is asked once."""
    nodes = substrate.nodes
    known = _cache.setdefault(substrate, {})

    def ask(key: object, answer: Callable[[int], bool]) -> BoolArray:
        if key not in known:
            if len(known) > 1024:
                known.clear()
            known[key] = np.fromiter((answer(n) for n in range(len(nodes))), bool, len(nodes))
        return known[key]

    wanted = microservice.node_selector
    return {
        Constraint.NOT_READY: ask("ready", lambda n: nodes[n].schedulable),
        Constraint.TAINT: ask(
            ("taint", microservice.tolerations),
            lambda n: all(tolerates(microservice.tolerations, taint) for taint in nodes[n].taints),
        ),
        Constraint.TIER: ask(
            ("tier", microservice.tiers),
            lambda n: not microservice.tiers or nodes[n].tier in microservice.tiers,
        ),
        Constraint.SELECTOR: ask(
            ("selector", wanted), lambda n: all(nodes[n].labels.get(key) == value for key, value in wanted)
        ),
        Constraint.SLICE: ask(
            ("slice", slice_), lambda n: _serves(nodes[n].labels.get(LABEL_SLICE, ""), slice_)
        ),
    }


def _serves(label: str, slice_: str) -> bool:
    return not label or slice_ in label.split("_")
