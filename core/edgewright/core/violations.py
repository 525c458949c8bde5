"""What is wrong with one placement, constraint by constraint, in words that say how to mend it."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from edgewright.core import outcome
from edgewright.core.arrays import LOST
from edgewright.core.bounds import Bound
from edgewright.core.feasibility import Gate, own_utilisation
from edgewright.core.masks import EPSILON, RESOURCE_CONSTRAINTS, node_masks
from edgewright.core.neighbours import station_use
from edgewright.core.problem import UNPLACED, Constraint, Violation
from edgewright.core.routes import station_name
from edgewright.core.service import RESOURCES, ServiceDag
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.units import GIB, MBPS, MS

UNITS = {"cpu": (1.0, "cores"), "memory": (GIB, "GiB"), "radio": (MBPS, "Mbit/s"), "pods": (1.0, "pods")}
REFUSALS = {
    Constraint.NOT_READY: "is not ready or closed for new replicas; wait for it or choose another node",
    Constraint.EXCLUDED: "is not open to this agent; let its EdgeController govern it or choose another",
    Constraint.TAINT: "has a taint that the microservice does not tolerate; add it to placement.tolerations",
    Constraint.TIER: "is of a tier that placement.tiers excludes; add its tier",
    Constraint.SELECTOR: "does not match placement.nodeSelector; label the node or relax the selector",
    Constraint.SLICE: "is reserved for other slices; set spec.slice or choose another node",
}
QOS_NAMES = {
    Constraint.LATENCY: ("latency", "qos.maxLatencyMs"),
    Constraint.JITTER: ("jitter", "qos.maxJitterMs"),
    Constraint.SKEW: ("skew at joins", "qos.maxSyncSkewMs"),
    Constraint.SUCCESS: ("success probability", "qos.minSuccessProbability"),
    Constraint.INVOCATION_LATENCY: ("an invocation's transfer time", "invocations[].maxLatencyMs"),
}


def amount(resource: int, value: float) -> tuple[float, str]:
    """A quantity of RESOURCES[resource] in the unit that people read."""
    factor, unit = UNITS.get(RESOURCES[resource], (1.0, RESOURCES[resource]))
    return value / factor, unit


def violations(gate: Gate, assign: IntArray) -> tuple[Violation, ...]:
    """All violations of one placement (S,), in the order of the module's functions."""
    found = [*_nodes(gate, assign)]
    if (assign == UNPLACED).any():
        return tuple(found)
    found += [*_capacity(gate, assign), *_spread(gate, assign), *_network(gate, assign)]
    found += _utilisation(gate, assign)
    if not any(v.constraint == Constraint.UNREACHABLE for v in found):
        found += [*_qos(gate, assign), *_others(gate, assign)]
    return tuple(found)


def _free(gate: Gate) -> list[int]:
    return np.flatnonzero(gate.fixed == UNPLACED).tolist()


def _nodes(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    problem = gate.problem
    nodes, stages = problem.world.substrate.nodes, problem.dag.microservices
    for slot in _free(gate):
        name = stages[problem.stage[slot]].name
        if assign[slot] == UNPLACED:
            yield Violation(
                Constraint.EXCLUDED, name, "no node", message=f"a replica of {name} has no node; place it"
            )
            continue
        node = nodes[assign[slot]]
        for constraint, open_ in node_masks(problem, slot).items():
            if constraint not in RESOURCE_CONSTRAINTS and not open_[assign[slot]]:
                message = f"node {node.name} for {name} {REFUSALS[constraint]}"
                yield Violation(constraint, name, f"node {node.name}", nodes=1, message=message)
    for slot in np.flatnonzero((gate.fixed != UNPLACED) & (assign != gate.fixed)).tolist():
        name = stages[problem.stage[slot]].name
        yield Violation(
            Constraint.EXCLUDED, name, "fixed replica", message=f"a bound replica of {name} cannot move"
        )


def _capacity(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    problem = gate.problem
    need: dict[tuple[int, int], float] = defaultdict(float)
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    for slot in _free(gate):
        for r in np.flatnonzero(gate.request[slot] > 0).tolist():
            need[int(assign[slot]), r] += float(gate.request[slot, r])
            names[int(assign[slot]), r].append(problem.dag.microservices[problem.stage[slot]].name)
    for (node, r), wanted in need.items():
        free = float(gate.free[node, r])
        if wanted > free * (1 + EPSILON):
            needed, unit = amount(r, wanted)
            available = max(amount(r, free)[0], 0.0)
            where = f"node {problem.world.substrate.nodes[node].name}"
            who = ", ".join(dict.fromkeys(names[node, r]))
            yield Violation(
                RESOURCE_CONSTRAINTS[r],
                names[node, r][0],
                where,
                1,
                needed,
                available,
                unit,
                f"{where}: {needed:.4g} {unit} needed by {who}, {available:.4g} free; "
                "lower requests, use other nodes or add capacity",
            )


def _spread(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    stage, nodes = gate.problem.stage, gate.problem.world.substrate.nodes
    for m, microservice in enumerate(gate.problem.dag.microservices):
        slots = np.flatnonzero(stage == m)
        groups: dict[int, list[int]] = defaultdict(list)
        for slot in slots:
            key = int(gate.apart[m, assign[slot]])
            if key >= 0:
                groups[key].append(int(slot))
        for group in groups.values():
            if len(group) > 1 and any(gate.fixed[slot] == UNPLACED for slot in group):
                where = ", ".join(sorted({nodes[assign[slot]].name for slot in group}))
                yield Violation(
                    Constraint.SPREAD,
                    microservice.name,
                    where,
                    needed=len(group),
                    available=1,
                    message=f"{len(group)} replicas of {microservice.name} share one {microservice.spread} "
                    f"({where}); use fewer replicas or relax placement.spread",
                )


def _settle(gate: Gate, assign: IntArray) -> FloatArray:
    """(stations,) bandwidth that this placement reserves; fills the evaluator's layout."""
    evaluator, reserve = gate.evaluator, np.zeros(len(gate.most))
    station_use(evaluator.dag, evaluator.infra, evaluator.layout, evaluator.batch(assign)[0], reserve)
    return reserve


def transfer_name(dag: ServiceDag, source: int, target: int) -> str:
    """`a -> b`, with `user` at the ends."""
    names = [m.name for m in dag.microservices]
    return f"{names[source] if source >= 0 else 'user'} -> {names[target] if target >= 0 else 'user'}"


def _network(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    reserve = _settle(gate, assign)
    evaluator, substrate, dag = gate.evaluator, gate.problem.world.substrate, gate.problem.dag
    arrays, lay = evaluator.dag, evaluator.layout
    if arrays.cell == LOST:
        yield Violation(
            Constraint.UNREACHABLE,
            where=f"ingress node {dag.ingress.node}",
            message=f"spec.ingress.node {dag.ingress.node} is no node of this region; "
            "name one of its nodes or give a location",
        )
    for t, (source, target) in enumerate(zip(arrays.source, arrays.target, strict=True)):
        first = lay.pair_start[t]
        width = max(int(lay.placed[source]) if source >= 0 else 1, 1)
        count = width * (int(lay.placed[target]) if target >= 0 else 1)
        if not count:  # a stage without a replica has no transfers yet
            continue
        caps = lay.cap[first : first + count]
        where = transfer_name(dag, int(source), int(target))
        name = dag.microservices[target if target >= 0 else source].name
        if (caps <= 0).any() and not (arrays.cell == LOST and min(source, target) < 0):
            yield Violation(
                Constraint.UNREACHABLE, name, where, message=f"{where}: no path joins the nodes; add a link"
            )
        elif caps.min() < arrays.min_bandwidth[t]:
            needed, has = arrays.min_bandwidth[t] / MBPS, float(caps.min()) / MBPS
            yield Violation(
                Constraint.BANDWIDTH,
                name,
                where,
                needed=needed,
                available=has,
                unit="Mbit/s",
                message=f"{where}: the path carries {has:.4g} Mbit/s, minBandwidthMbps asks {needed:.4g}; "
                "lower it or use nodes with faster links",
            )
    already = evaluator.load.reserve
    for station in np.flatnonzero((reserve > 0) & (already + reserve > gate.reservable * (1 + 1e-9))):
        needed = float(reserve[station]) / MBPS
        has = max(float(evaluator.infra.capacity[station] - already[station]), 0.0) / MBPS
        where = station_name(substrate, int(station))
        yield Violation(
            Constraint.BANDWIDTH,
            where=where,
            needed=needed,
            available=has,
            unit="Mbit/s",
            message=f"{where}: invocations reserve {needed:.4g} Mbit/s, {has:.4g} are not reserved yet; "
            "lower minBandwidthMbps or place callers and callees together",
        )


def _utilisation(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    evaluator, substrate = gate.evaluator, gate.problem.world.substrate
    own = own_utilisation(evaluator, assign)
    load = evaluator.layout.rho
    total = evaluator.load.rho + load
    for station in np.flatnonzero((load > 0) & (total > gate.most * (1 + 1e-9))):
        where = station_name(substrate, int(station))
        yield Violation(
            Constraint.UTILISATION,
            where=where,
            needed=float(total[station]),
            available=gate.limit,
            message=f"{where} would be {total[station]:.0%} busy, at most {gate.limit:.0%} is allowed; "
            "lower demand, add replicas or use other nodes",
        )
    for m in np.flatnonzero(own.max(axis=1) > gate.most_own * (1 + 1e-9)):
        name, busy = gate.problem.dag.microservices[m].name, float(own[m].max())
        yield Violation(
            Constraint.UTILISATION,
            name,
            f"CPU limit of {name}",
            needed=busy,
            available=gate.limit,
            message=f"a replica of {name} would be {busy:.0%} busy within its CPU limit, at most "
            f"{gate.limit:.0%} is allowed; raise replicas.max or its CPU limit",
        )


def broken_bound(bound: Bound, value: float, dag: ServiceDag, *, other: bool = False) -> Violation:
    """The violation of one QoS bound."""
    what, field = QOS_NAMES[bound.constraint]
    ratio = bound.constraint in (Constraint.SUCCESS, Constraint.INVOCATION_LATENCY)
    scale, unit = (1.0, "") if ratio else (MS, "ms")
    needed, limit = value / scale, bound.limit / scale
    whose = f"{dag.namespace}/{dag.name}" if other else "the DAG"
    if bound.constraint == Constraint.INVOCATION_LATENCY:
        text = f"{what} would be {needed:.3g} times its limit"
    elif bound.constraint == Constraint.LATENCY:
        text = f"p{dag.qos.percentile:g} latency would be {needed:.4g} {unit} (limit {limit:.4g})"
    else:
        text = f"{what} would be {needed:.5g} {unit} (limit {limit:.5g})".replace("  ", " ")
    mend = "place it elsewhere" if other else f"relax {field}, lower demand or add capacity nearby"
    return Violation(
        Constraint.OTHER_DAG if other else bound.constraint,
        where=whose if other else "",
        needed=limit,
        available=needed,
        unit=unit,
        message=f"{whose}: {text}; {mend}",
    )


def _qos(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    if gate.bounds:
        out = gate.evaluator.predict(assign)[0]
        for bound in gate.bounds:
            if not bound.holds(out[bound.column : bound.column + 1])[0]:
                yield broken_bound(bound, float(out[bound.column]), gate.problem.dag)


def _others(gate: Gate, assign: IntArray) -> Iterator[Violation]:
    out = np.zeros((1, outcome.OUTPUTS))
    for d, bounds in gate.others:
        gate.evaluator.beside(d, gate.evaluator.batch(assign), out, whole=True)
        for bound in bounds:
            if not bound.holds(out[:, bound.column])[0]:
                yield broken_bound(
                    bound, float(out[0, bound.column]), gate.problem.world.placed[d].dag, other=True
                )
