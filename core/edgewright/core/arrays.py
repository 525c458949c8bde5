"""A service DAG as arrays: stages, transfers with the users' own, visits, and which jobs may overlap."""

from collections import defaultdict
from collections.abc import Callable
from itertools import combinations
from statistics import NormalDist
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from edgewright.core.radio import attachment
from edgewright.core.service import ServiceDag, topological_order
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Substrate

USER = -1
"""The virtual stage at the user's cell, as source (`in`) or target (`out`) of a transfer."""
NO_CELL = -1
"""No cell in sight: access costs nothing."""
LOST = -2
"""The ingress names a node that is not here: no request arrives."""
EVEN, SAME_ZONE, SAME_NODE = range(3)
TRAFFIC = {"even": EVEN, "sameZone": SAME_ZONE, "sameNode": SAME_NODE}
TIMEOUT = 1.0
"""Seconds after which a request counts as lost."""


class DagArrays(NamedTuple):
    """M stages in `order`, T transfers: `in` edges, invocations, (responses,) `out` edges."""

    pipeline: bool
    rate: float
    """Requests per second."""
    limit: float
    """Seconds the mean is compared with in J: `Qos.max_latency`, or the timeout."""
    cell: int
    """Node index of the users' cell, NO_CELL or LOST."""
    cell_rate: float
    """Bit/s between the users and their cell; infinite when wired."""
    cell_delay: float
    z: float
    """Standard normal quantile of `Qos.percentile`."""
    order: IntArray
    """(M,) stages, callers first."""
    work: FloatArray
    """(M,) mean instructions per visit."""
    cores: FloatArray
    """(M,) CPU limit of a replica; infinite when it may use the whole node."""
    visits: FloatArray
    """(M,) mean visits per request."""
    traffic: IntArray
    """(M,) EVEN, SAME_ZONE or SAME_NODE."""
    caller: IntArray
    """(M,) the stage whose replica decides for SAME_*: the first that invokes it, USER for sources."""
    source: IntArray
    """(T,) stage or USER."""
    target: IntArray
    """(T,) stage or USER."""
    size: FloatArray
    """(T,) mean bits."""
    times: FloatArray
    """(T,) mean traversals per request."""
    calls: FloatArray
    """(T,) mean calls per visit of the caller."""
    back: IntArray
    """(T,) the response of a call; -1 where there is none."""
    parallel: IntArray
    """(T,) 1 where the caller issues it together with others."""
    min_bandwidth: FloatArray
    """(T,) bit/s to reserve."""
    bound: FloatArray
    """(T,) limit of the transfer time in seconds, infinite where there is none."""
    inward_start: IntArray
    """(M + 2,) rows of `inward`: transfers into stage m; the last row is those into the user."""
    inward: IntArray
    outward_start: IntArray
    """(M + 2,) rows of `outward`: forward transfers out of stage m; the last row is those out of the user."""
    outward: IntArray
    stage_pairs: IntArray
    """(., 2) stages of which neither waits for the other."""
    transfer_pairs: IntArray
    """(., 2) transfers of which neither waits for the other; sorted by the first;
    those with a transfer of the users come last, and it comes first in them."""
    inner_pairs: int
    """How many of them have none."""


_structures: dict[int, tuple[ServiceDag, DagArrays]] = {}
_compiled: "WeakKeyDictionary[Substrate, dict[int, tuple[ServiceDag, DagArrays]]]" = WeakKeyDictionary()
REMEMBERED = 1024
"""DAGs whose arrays are kept."""


def compile_dag(dag: ServiceDag, substrate: Substrate) -> DagArrays:
    """The arrays of `dag` for users attached to `substrate`; kept for both.

    `pipeline`: every stage is visited once. `requestResponse`: V_m = sum over callers of V x calls, and each
    call has a response edge back. Raises CyclicGraphError for a cycle.
    """
    known = _compiled.setdefault(substrate, {})
    entry = known.get(id(dag))
    if entry is None or entry[0] is not dag:
        structure = _remember(_structures, dag, _structure)
        cell, rate, delay = _access(dag, substrate)
        arrays = structure._replace(cell=cell, cell_rate=rate, cell_delay=delay)
        return _remember(known, dag, lambda _: arrays)
    return entry[1]


def _remember(
    known: dict[int, tuple[ServiceDag, DagArrays]], dag: ServiceDag, make: Callable[[ServiceDag], DagArrays]
) -> DagArrays:
    entry = known.get(id(dag))
    if entry is None or entry[0] is not dag:
        if len(known) >= REMEMBERED:
            known.clear()
        entry = known[id(dag)] = (dag, make(dag))
    return entry[1]


def _structure(dag: ServiceDag) -> DagArrays:
    """Everything that depends on the DAG alone; the cell is left open."""
    order = topological_order(dag)
    M, pipeline = len(dag.microservices), dag.flow == "pipeline"
    invocations, links = dag.invocations, _links(dag)
    sources = _sources(dag)
    sinks = [m for m in range(M) if all(source != m for source, _ in links)] if pipeline else sources
    visits = compile_visits(dag)

    rows: list[tuple[int, int, float, float, float, int, int, float, float]] = []
    first, E = len(sources), len(invocations)
    rows += [(USER, m, dag.demand.payload, 1.0, 1.0, -1, 1, 0.0, np.inf) for m in sources]
    for e, (i, (source, target)) in enumerate(zip(invocations, links, strict=True)):
        calls = 1.0 if pipeline else i.calls
        back = -1 if pipeline else first + E + e
        bound = np.inf if i.max_latency is None else i.max_latency
        times = 1.0 if pipeline else visits[source] * calls
        rows.append((source, target, i.payload, times, calls, back, int(i.parallel), i.min_bandwidth, bound))
    if not pipeline:
        for e, (source, target) in enumerate(links):
            times = rows[first + e][3]
            rows.append((target, source, invocations[e].response, times, 1.0, -1, 1, 0.0, np.inf))
    rows += [(m, USER, dag.demand.response, 1.0, 1.0, -1, 1, 0.0, np.inf) for m in sinks]
    columns = list(zip(*rows, strict=True))
    responses = range(first + E, len(rows) - len(sinks))
    caller = np.full(M, USER)
    for source, target in reversed(links):
        caller[target] = source
    return DagArrays(
        pipeline=pipeline,
        rate=float(dag.demand.rate),
        limit=float(dag.qos.max_latency or TIMEOUT),
        cell=NO_CELL,
        cell_rate=np.inf,
        cell_delay=0.0,
        z=NormalDist().inv_cdf(dag.qos.percentile / 100.0),
        order=_ints(order),
        work=_floats([m.work for m in dag.microservices]),
        cores=_floats([m.limit_cpu or np.inf for m in dag.microservices]),
        visits=visits,
        traffic=_ints([TRAFFIC[m.traffic] for m in dag.microservices]),
        caller=_ints(caller),
        source=_ints(columns[0]),
        target=_ints(columns[1]),
        size=_floats(columns[2]),
        times=_floats(columns[3]),
        calls=_floats(columns[4]),
        back=_ints(columns[5]),
        parallel=_ints(columns[6]),
        min_bandwidth=_floats(columns[7]),
        bound=_floats(columns[8]),
        **_adjacency(columns[0], columns[1], set(responses), M),
        **_overlaps(rows, order, first, E, pipeline=pipeline),
    )


def compile_visits(dag: ServiceDag) -> FloatArray:
    """(M,) mean visits per request: 1 in a pipeline, else V_m = sum over callers of V x calls."""
    visits = np.zeros(len(dag.microservices))
    visits[_sources(dag)] = 1.0
    if dag.flow == "pipeline":
        return np.ones(len(visits))
    outward: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (source, target), invocation in zip(_links(dag), dag.invocations, strict=True):
        outward[source].append((target, invocation.calls))
    for m in topological_order(dag):
        for target, calls in outward[m]:
            visits[target] += visits[m] * calls
    return visits


def _links(dag: ServiceDag) -> list[tuple[int, int]]:
    index = {m.name: i for i, m in enumerate(dag.microservices)}
    return [(index[i.source], index[i.target]) for i in dag.invocations]


def _sources(dag: ServiceDag) -> list[int]:
    invoked = {target for _, target in _links(dag)}
    return [m for m in range(len(dag.microservices)) if m not in invoked]


def _access(dag: ServiceDag, substrate: Substrate) -> tuple[int, float, float]:
    """(cell, rate, fixed delay) of the users."""
    found = attachment(substrate, dag.ingress, immersive=dag.service_class == "immersive")
    return found or ((NO_CELL if dag.ingress.node is None else LOST), np.inf, 0.0)


def _adjacency(sources: Any, targets: Any, responses: set[int], M: int) -> dict[str, Any]:
    """Transfers by target and by source; responses belong to their call and are in neither."""
    inward: list[list[int]] = [[] for _ in range(M + 1)]
    outward: list[list[int]] = [[] for _ in range(M + 1)]
    for t, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if t not in responses:
            inward[M if target == USER else target].append(t)
            outward[M if source == USER else source].append(t)
    return {
        "inward_start": _ints(np.cumsum([0, *map(len, inward)])),
        "inward": _ints([t for row in inward for t in row]),
        "outward_start": _ints(np.cumsum([0, *map(len, outward)])),
        "outward": _ints([t for row in outward for t in row]),
    }


def _overlaps(
    rows: list[Any], order: tuple[int, ...], first: int, E: int, *, pipeline: bool
) -> dict[str, Any]:
    """Pairs of stages, and of transfers, that may be at work at once for one request."""
    M, T = len(order), len(rows)
    jobs = M + T
    if pipeline:
        follows = np.zeros((jobs, jobs), bool)  # job a ends before job b starts
        after: dict[int, list[int]] = defaultdict(list)
        for t, row in enumerate(rows):
            after[row[0]].append(t)
        for m in reversed(order):
            for t in after[m]:
                target = rows[t][1]
                if target != USER:
                    follows[M + t, target] = True
                    follows[M + t] |= follows[target]
                follows[m, M + t] = True
                follows[m] |= follows[M + t]
        for t in after[USER]:
            follows[M + t, rows[t][1]] = True
            follows[M + t] |= follows[rows[t][1]]
        together = ~(follows | follows.T)
    else:
        together = _parallel_calls(rows, order, first, E)
    together = np.triu(together, 1)
    stages = np.argwhere(together[:M, :M])
    transfers = np.argwhere(together[M:, M:])
    of_users = np.array([USER in row[:2] for row in rows], bool)
    backward = of_users[transfers[:, 1]]
    transfers[backward] = transfers[backward, ::-1]
    leads = of_users[transfers[:, 0]]
    return {
        "stage_pairs": _ints(stages).reshape(-1, 2),
        "transfer_pairs": _ints(transfers[np.lexsort((*transfers.T[::-1], leads))]).reshape(-1, 2),
        "inner_pairs": int((~leads).sum()),
    }


def _parallel_calls(rows: list[Any], order: tuple[int, ...], first: int, E: int) -> BoolArray:
    """(M + T, M + T) whether two jobs are in different branches of calls issued together."""
    M, T = len(order), len(rows)
    calls: dict[int, list[int]] = defaultdict(list)
    for t in range(first, first + E):
        calls[rows[t][0]].append(t)
    below = np.zeros((M, M + T), bool)  # jobs that a visit of stage m causes
    branch: dict[int, BoolArray] = {}
    together = np.zeros((M + T, M + T), bool)

    def meet(branches: list[BoolArray]) -> None:
        for a, b in combinations(branches, 2):
            only_a, only_b = a & ~b, b & ~a
            together[np.ix_(only_a, only_b)] = True
            together[np.ix_(only_b, only_a)] = True

    for m in reversed(order):
        below[m, m] = True
        for t in calls[m]:
            branch[t] = below[rows[t][1]].copy()
            branch[t][[M + t, M + t + E]] = True
            below[m] |= branch[t]
        meet([branch[t] for t in calls[m] if rows[t][6]])
    entries = []
    for t in range(first):
        whole = below[rows[t][1]].copy()
        whole[[M + t, M + first + 2 * E + t]] = True
        entries.append(whole)
    meet(entries)
    return together


def _ints(values: Any) -> IntArray:
    return np.ascontiguousarray(values, dtype=np.int32)


def _floats(values: Any) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float64)
