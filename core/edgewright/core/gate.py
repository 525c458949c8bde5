"""Whether placements are feasible, fast and in batches: capacity, spread, bandwidth and utilisation."""

from edgewright.core.arrays import DagArrays
from edgewright.core.kernel import entry, kernel
from edgewright.core.stations import Infrastructure, Layout, container_rho, settle
from edgewright.core.substrate import BoolArray, FloatArray, IntArray

NODE, CAPACITY, SPREAD, BANDWIDTH, UTILISATION, UNREACHABLE = 1, 2, 4, 8, 16, 32
"""Bits of what a placement breaks."""
SLACK = 1.0 + 1e-9


@entry
def admit(
    dag: DagArrays,
    infra: Infrastructure,
    lay: Layout,
    assign: IntArray,
    fixed: IntArray,
    mask: BoolArray,
    request: FloatArray,
    free: FloatArray,
    apart: IntArray,
    background: FloatArray,
    most: FloatArray,
    most_own: FloatArray,
    reserve: FloatArray,
    reservable: FloatArray,
    taken: FloatArray,
    promised: FloatArray,
    broken: IntArray,
) -> None:
    """Write to `broken` (B,) the bits of what each placement (B, S) breaks; 0 passes.

    `mask` (S, N), `request` (S, R), `free` (N, R) beside the fixed slots, `apart` (M, N) keys that replicas
    of a stage may not share (negative: free), `background` and `most` (stations,) utilisation there is and
    may be, `most_own` (M,) of a replica's CPU limit, `reserve` and `reservable` (stations,) bit/s.
    `taken` (N, R) and `promised` (stations,) are work space, zero before and after.
    """
    for b in range(len(assign)):
        broken[b] = _nodes(lay, assign[b], fixed, mask, request, free, apart, taken)
        if broken[b] & NODE:
            continue
        settle(dag, infra, lay, assign[b], True, True)
        broken[b] |= _bandwidth(dag, lay, reserve, reservable, promised)
        for station in lay.touched[: lay.used[0]]:
            if background[station] + lay.rho[station] > most[station] * SLACK:
                broken[b] |= UTILISATION
        for m in range(len(lay.placed)):
            for slot in range(lay.start[m], lay.start[m] + lay.placed[m]):
                node = lay.node[slot]
                if dag.cores[m] < infra.cores[node]:
                    rho = container_rho(dag, lay, m, slot, dag.cores[m] * infra.speed[node])
                    if rho > most_own[m] * SLACK:
                        broken[b] |= UTILISATION


@kernel
def _nodes(
    lay: Layout,
    assign: IntArray,
    fixed: IntArray,
    mask: BoolArray,
    request: FloatArray,
    free: FloatArray,
    apart: IntArray,
    taken: FloatArray,
) -> int:
    for slot in range(len(assign)):
        if assign[slot] < 0 or not mask[slot, assign[slot]]:
            return NODE
    broken = _capacity(assign, fixed, request, free, taken)
    for m in range(len(lay.placed)):
        for i in range(lay.start[m], lay.start[m + 1]):
            for j in range(lay.start[m], i):
                key = apart[m, assign[i]]
                if key >= 0 and key == apart[m, assign[j]] and (fixed[i] < 0 or fixed[j] < 0):
                    broken |= SPREAD
    return broken


@kernel
def _capacity(
    assign: IntArray, fixed: IntArray, request: FloatArray, free: FloatArray, taken: FloatArray
) -> int:
    broken, R = 0, request.shape[1]
    for slot in range(len(assign)):
        if fixed[slot] < 0:
            for r in range(R):
                taken[assign[slot], r] += request[slot, r]
    for slot in range(len(assign)):
        if fixed[slot] < 0:
            node = assign[slot]
            for r in range(R):
                if request[slot, r] > 0.0 and taken[node, r] > free[node, r] * SLACK:
                    broken |= CAPACITY
    for slot in range(len(assign)):
        for r in range(R):
            taken[assign[slot], r] = 0.0
    return broken


@kernel
def _bandwidth(
    dag: DagArrays, lay: Layout, reserve: FloatArray, reservable: FloatArray, promised: FloatArray
) -> int:
    broken = 0
    for t in range(len(dag.source)):
        source, target = dag.source[t], dag.target[t]
        width = (lay.placed[source] if source >= 0 else 1) * (lay.placed[target] if target >= 0 else 1)
        for pair in range(lay.pair_start[t], lay.pair_start[t] + width):
            if lay.cap[pair] <= 0.0:
                broken |= UNREACHABLE
            elif lay.cap[pair] < dag.min_bandwidth[t]:
                broken |= BANDWIDTH
            if dag.min_bandwidth[t] > 0.0:
                for h in range(lay.hops[pair]):
                    promised[lay.route[pair, h]] += dag.min_bandwidth[t] * lay.joint[pair]
    for t in range(len(dag.source)):
        if dag.min_bandwidth[t] <= 0.0:
            continue
        width = lay.placed[dag.source[t]] * lay.placed[dag.target[t]]
        for pair in range(lay.pair_start[t], lay.pair_start[t] + width):
            for h in range(lay.hops[pair]):
                station = lay.route[pair, h]
                if reserve[station] + promised[station] > reservable[station] * SLACK:
                    broken |= BANDWIDTH
                promised[station] = 0.0
    return broken


@kernel
def holds(left: FloatArray, request: FloatArray) -> bool:
    """Whether what a node has left (R,) holds `request` (R,); resources not asked for do not count."""
    for r in range(len(request)):
        if request[r] > 0.0 and request[r] > left[r] * SLACK:
            return False
    return True


@kernel
def stays_apart(keys: IntArray, assign: IntArray, replica: int, node: int) -> bool:
    """Whether a stage's other replicas (placed in `assign`) allow one more on `node`; `keys` (N,) as `apart`."""
    key = keys[node]
    if key >= 0:
        for other in range(len(assign)):
            if other != replica and assign[other] >= 0 and keys[assign[other]] == key:
                return False
    return True
