"""What a placement agent sees: one function from a Snapshot to numbers, simulated or live."""

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.core.kernel import entry, inlined
from edgewright.core.service import CPU, GPU, MEMORY, NPU
from edgewright.core.substrate import FloatArray, IntArray
from edgewright.core.units import CORE_SPEED, GBPS, GIB, MS

Observation = npt.NDArray[np.float32]

CORES, BYTES, DEVICES = 16.0, 32 * GIB, 4.0
"""What counts as 1: a mid-sized edge server."""
NODE = (
    "ready",
    "cores",
    "free cpu",
    "free memory",
    "free gpu",
    "free npu",
    "cpu load",
    "uplink load",
    "downlink load",
    "delay to users",
)
SLOT = ("wanted", "cpu", "memory", "gpu", "npu", "work", "caller", "payload", "node")
HEAD = ("kind", "rate", "limit", "latency", "violation", "moves", "pending", "active", "load elsewhere")
SCALES = (
    f"cores/{CORES:g} bytes/{BYTES:g} devices/{DEVICES:g} ms/10 gbit*10ms log1p(rate)/8 latency/limit<=10"
)
HEAD_SIZE, NODE_SIZE, SLOT_SIZE = len(HEAD), len(NODE), len(SLOT)
NOTHING, PENDING, PLACED = range(3)
"""Kinds of head: nothing to decide, a DAG without all of its replicas, one that may move."""
LIMIT = 10.0
"""Most that a ratio counts."""


class Snapshot(NamedTuple):
    """One agent's knowledge at one moment: n nodes, R resources, s slots of the DAG in question."""

    capacity: FloatArray
    """(n, R)."""
    used: FloatArray
    """(n, R) requests of the agent's own DAGs, now."""
    foreign: FloatArray
    """(n, R) requests of everything else, as last reported."""
    ready: FloatArray
    """(n,) 1 where new replicas may go."""
    cpu: FloatArray
    """(n,) utilisation, one period old."""
    uplink: FloatArray
    downlink: FloatArray
    delay: FloatArray
    """(n,) seconds from the users' cell to the node."""
    request: FloatArray
    """(s, R)."""
    work: FloatArray
    """(s,) instructions per second at the present rate."""
    caller: IntArray
    """(s,) first slot of the stage that calls, -1 for users."""
    payload: FloatArray
    """(s,) bits that a call brings."""
    node: IntArray
    """(s,) row of the node where the replica is, -1 for none."""
    kind: int
    """NOTHING, PENDING or PLACED."""
    rate: float
    """Requests per second of the DAG."""
    limit: float
    """Seconds."""
    latency: float
    """Seconds at the DAG's percentile in the last period; infinite when it was not served."""
    violation: float
    moves: int
    """Replicas that may move now."""
    pending: int
    """DAGs of the agent that miss replicas."""
    active: int
    """DAGs of the agent."""
    elsewhere: float
    """Mean CPU utilisation of the other agents' nodes, as last reported."""


def schema(nodes: int, slots: int) -> str:
    """Hash of the meaning of every number of an observation with so many nodes and slots."""
    text = f"{nodes} x {NODE}; {slots} x {SLOT}; {HEAD}; {SCALES}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def size(nodes: int, slots: int) -> int:
    """Numbers in an observation."""
    return nodes * NODE_SIZE + slots * SLOT_SIZE + HEAD_SIZE


def observe(snapshot: Snapshot, nodes: int, slots: int) -> Observation:
    """(size,) HEAD, then NODE of each node, then SLOT of each slot; zeros for rows that are not there.

    Raises ValueError for more nodes or slots than there are rows.
    """
    n, s = len(snapshot.capacity), len(snapshot.request)
    if n > nodes or s > slots:
        raise ValueError(
            f"a snapshot of {n} nodes and {s} slots does not fit an observation of {nodes} and {slots}; "
            "make the observation larger"
        )
    out = np.zeros(size(nodes, slots), np.float32)
    _observe(snapshot, nodes, out)
    return out


@entry
def _observe(given: Snapshot, nodes: int, out: Observation) -> None:
    write_head(
        out,
        given.kind,
        given.rate,
        given.limit,
        given.latency,
        given.violation,
        given.moves,
        given.pending,
        given.active,
        given.elsewhere,
    )
    if given.kind == NOTHING:
        return
    for i in range(len(given.capacity)):
        write_node(
            out[HEAD_SIZE + NODE_SIZE * i :],
            given.capacity[i],
            given.used[i],
            given.foreign[i],
            given.ready[i],
            given.cpu[i],
            given.uplink[i],
            given.downlink[i],
            given.delay[i],
        )
    for i in range(len(given.request)):
        write_slot(
            out[HEAD_SIZE + NODE_SIZE * nodes + SLOT_SIZE * i :],
            given.request[i],
            given.work[i],
            given.caller[i],
            given.payload[i],
            given.node[i],
        )


@inlined
def write_head(
    out: Observation,
    kind: int,
    rate: float,
    limit: float,
    latency: float,
    violation: float,
    moves: int,
    pending: int,
    active: int,
    elsewhere: float,
) -> None:
    """HEAD into the first numbers of `out`."""
    out[0] = kind
    out[1] = np.log1p(rate) / 8.0
    out[2] = limit / (100.0 * MS)
    out[3] = min(latency / limit, LIMIT) if limit > 0.0 else 0.0
    out[4] = violation
    out[5] = moves
    out[6], out[7] = pending / 10.0, active / 10.0
    out[8] = min(elsewhere, LIMIT)


@inlined
def write_node(
    out: Observation,
    capacity: FloatArray,
    used: FloatArray,
    foreign: FloatArray,
    ready: float,
    cpu: float,
    uplink: float,
    downlink: float,
    delay: float,
) -> None:
    """NODE into the first numbers of `out`."""
    out[0] = ready
    out[1] = capacity[CPU] * (1.0 / CORES)
    out[2] = (capacity[CPU] - used[CPU] - foreign[CPU]) * (1.0 / CORES)
    out[3] = (capacity[MEMORY] - used[MEMORY] - foreign[MEMORY]) * (1.0 / BYTES)
    out[4] = (capacity[GPU] - used[GPU] - foreign[GPU]) * (1.0 / DEVICES)
    out[5] = (capacity[NPU] - used[NPU] - foreign[NPU]) * (1.0 / DEVICES)
    out[6], out[7], out[8] = min(cpu, LIMIT), min(uplink, LIMIT), min(downlink, LIMIT)
    out[9] = min(delay * (1.0 / (10.0 * MS)), LIMIT)


@inlined
def write_slot(
    out: Observation, request: FloatArray, work: float, caller: int, payload: float, node: int
) -> None:
    """SLOT into the first numbers of `out`."""
    out[0] = 1.0
    out[1] = request[CPU] * (1.0 / CORES)
    out[2] = request[MEMORY] * (1.0 / BYTES)
    out[3], out[4] = request[GPU] * (1.0 / DEVICES), request[NPU] * (1.0 / DEVICES)
    out[5] = work * (1.0 / CORE_SPEED)
    out[6] = caller
    out[7] = payload * (1.0 / (10.0 * MS * GBPS))
    out[8] = node
