"""From nodes and links to the arrays of a Substrate: stations, and every pair's shortest path by delay."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgewright.core.paths import shortest_paths
from edgewright.core.substrate import BoolArray, FloatArray, IntArray, Link, Node, Substrate
from edgewright.core.units import GBPS, MS

BACKBONE = "backbone"
"""Name of the virtual switch to which nodes without a link are attached."""
BACKBONE_BANDWIDTH = 10 * GBPS
BACKBONE_DELAY = 0.5 * MS
BLOCK = 128
"""Sources routed at once: bounds the memory of a compilation."""
HOP = 1e-9
"""Seconds added per hop while routing, so that among equal delays the fewest hops win."""


def compile_substrate(nodes: Sequence[Node], links: Sequence[Link] = ()) -> Substrate:
    """Number the stations and route every pair of the N nodes along its path of least delay.

    A node with one link has that link as its up and down port, so its traffic meets one station, not two. A
    node with several links stands beside a switch that passes transit traffic on; its own traffic enters
    through a port as fast as its fastest link. A node with no link hangs on a virtual backbone switch at 10
    Gbps and the backhaul latency of its tuple (0.5 ms if that is zero); the given links then join the
    backbone at the best connected vertex of each of their components. An end that is no node is a switch.
    Raises ValueError for a repeated node, and for a link to itself, with no bandwidth or negative delay.
    """
    _validate(nodes, links)
    names = [node.name for node in nodes]
    links = (*links, *_backbone(nodes, links))
    vertices = list(dict.fromkeys((*names, *(end for link in links for end in (link.source, link.target)))))
    number = {name: i for i, name in enumerate(vertices)}
    ends = np.array([(number[link.source], number[link.target]) for link in links], np.int32).reshape(-1, 2)
    N, D = len(nodes), 2 * len(links)
    capacity, success, hidden = _stations(nodes, links, ends)
    direction, delay, bandwidth = _directions(links, ends, len(vertices))
    path_delay, path_bandwidth, blocks = np.empty((N, N)), np.empty((N, N)), []
    for rows in np.split(np.arange(N, dtype=np.int32), range(BLOCK, N, BLOCK)):
        block, path_delay[rows], path_bandwidth[rows] = _walk(rows, N, direction, delay, bandwidth, hidden)
        blocks.append(block)
    np.minimum(path_bandwidth, capacity[N : 2 * N, None], out=path_bandwidth)
    np.minimum(path_bandwidth, capacity[2 * N : 3 * N], out=path_bandwidth)
    np.fill_diagonal(path_bandwidth, np.inf)
    return Substrate(
        nodes=tuple(nodes),
        links=tuple(links),
        capacity=_capacities(nodes),
        station_capacity=capacity,
        station_success=success,
        path=_stack(blocks, 5 * N + D),
        path_delay=path_delay,
        path_bandwidth=path_bandwidth,
    )


def with_nodes(substrate: Substrate, nodes: Sequence[Node]) -> Substrate:
    """The same topology with other properties of its nodes (readiness, capacity), without routing again.

    Raises ValueError unless the names are the same in the same order.
    """
    if [node.name for node in nodes] != [node.name for node in substrate.nodes]:
        raise ValueError(
            "with_nodes: nodes must have the substrate's names in its order; compile a new substrate"
        )
    N = len(nodes)
    capacity, success = substrate.station_capacity.copy(), substrate.station_success.copy()
    capacity[:N] = _cpu_capacity(nodes)
    success[:N] = success[3 * N : 4 * N] = success[4 * N : 5 * N] = [node.success for node in nodes]
    return replace(
        substrate,
        nodes=tuple(nodes),
        capacity=_capacities(nodes),
        station_capacity=capacity,
        station_success=success,
    )


def station_name(substrate: Substrate, station: int) -> str:
    """What people call a station: `cpu of a`, `uplink of a`, `cell of a (up)`, `link a -> b`."""
    N = len(substrate.nodes)
    if station >= 5 * N:
        link = substrate.links[(station - 5 * N) // 2]
        ends = (link.source, link.target) if (station - 5 * N) % 2 == 0 else (link.target, link.source)
        return f"link {ends[0]} -> {ends[1]}"
    kind = ("cpu of {}", "uplink of {}", "downlink of {}", "cell of {} (up)", "cell of {} (down)")[
        station // N
    ]
    return kind.format(substrate.nodes[station % N].name)


def _validate(nodes: Sequence[Node], links: Sequence[Link]) -> None:
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1:
            raise ValueError(f"node {name} is given {count} times; node names must be unique")
    for link in links:
        if link.source == link.target or link.bandwidth <= 0 or link.delay < 0:
            raise ValueError(
                f"link {link.source} - {link.target} with {link.bandwidth} bit/s and {link.delay} s: a link "
                "joins two different vertices with a positive bandwidth and no negative delay"
            )


def _backbone(nodes: Sequence[Node], links: Sequence[Link]) -> tuple[Link, ...]:
    """Virtual links of nodes that have none, and of the components that the given links form."""
    degree = Counter(end for link in links for end in (link.source, link.target))
    alone = [node for node in nodes if not degree[node.name]]
    if not alone:
        return ()
    root = {name: name for name in degree}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for link in links:
        root[find(link.source)] = find(link.target)
    heads: dict[str, str] = {}
    for name in degree:
        head = heads.setdefault(find(name), name)
        if degree[name] > degree[head]:
            heads[find(name)] = name
    return (
        *(
            Link(node.name, BACKBONE, BACKBONE_BANDWIDTH, node.latency[2] or BACKBONE_DELAY, BACKBONE)
            for node in alone
        ),
        *(Link(name, BACKBONE, BACKBONE_BANDWIDTH, BACKBONE_DELAY, BACKBONE) for name in heads.values()),
    )


def _capacities(nodes: Sequence[Node]) -> FloatArray:
    return np.array([node.capacity for node in nodes], float).reshape(len(nodes), -1)


def _cpu_capacity(nodes: Sequence[Node]) -> FloatArray:
    return np.array([node.capacity[0] * node.speed for node in nodes])


def _stations(
    nodes: Sequence[Node], links: Sequence[Link], ends: IntArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Capacity and success of every station, and which link directions are a node's port."""
    N, D = len(nodes), 2 * len(links)
    capacity, success = np.ones(5 * N + D + 1), np.ones(5 * N + D + 1)
    capacity[:N] = _cpu_capacity(nodes)
    capacity[N : 3 * N], capacity[-1] = np.inf, np.inf
    success[:N] = success[3 * N : 4 * N] = success[4 * N : 5 * N] = [node.success for node in nodes]
    bandwidth = np.repeat([link.bandwidth for link in links], 2)
    capacity[5 * N : -1] = bandwidth
    success[5 * N : -1] = np.repeat([link.success for link in links], 2)
    hidden = np.zeros(D + 1, bool)
    degree = np.bincount(ends.ravel(), minlength=N)
    for j, link in enumerate(links):
        for end in ends[j]:
            if end >= N:
                continue
            for port in (N + end, 2 * N + end):
                if degree[end] > 1:
                    known = capacity[port] if np.isfinite(capacity[port]) else 0.0
                    capacity[port] = max(known, link.bandwidth)
                elif not hidden[2 * j]:
                    capacity[port], success[port] = link.bandwidth, link.success
            if degree[end] == 1:
                hidden[2 * j : 2 * j + 2] = True
    return capacity, success, hidden


def _directions(
    links: Sequence[Link], ends: IntArray, vertices: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """(V, V) direction of the quickest link between neighbours, and each direction's delay and bandwidth."""
    direction = np.full((vertices, vertices), -1, np.int32)
    for j in sorted(range(len(links)), key=lambda j: (-links[j].delay, links[j].bandwidth)):
        a, b = ends[j]
        direction[a, b], direction[b, a] = 2 * j, 2 * j + 1
    delay = np.repeat([link.delay for link in links], 2).astype(float)
    return direction, delay, np.repeat([link.bandwidth for link in links], 2).astype(float)


def _walk(
    sources: IntArray,
    N: int,
    direction: IntArray,
    delay: FloatArray,
    bandwidth: FloatArray,
    hidden: BoolArray,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Stations (rows, N, hops), delay and narrowest link (rows, N) of the best paths from `sources`."""
    rows = np.arange(len(sources))[:, None]
    dummy = 5 * N + len(delay)
    predecessor = _predecessors(sources, direction, delay)
    vertex = np.broadcast_to(np.arange(N), (len(sources), N)).copy()
    total, narrowest = np.zeros(vertex.shape), np.full(vertex.shape, np.inf)
    hops: list[IntArray] = []
    while (moving := (before := predecessor[rows, vertex]) >= 0).any():
        hop = np.where(moving, direction[np.where(moving, before, 0), vertex], 0)
        total += np.where(moving, delay[hop], 0.0)
        np.minimum(narrowest, np.where(moving, bandwidth[hop], np.inf), out=narrowest)
        hops.append(np.where(moving & ~hidden[hop], 5 * N + hop, dummy).astype(np.int32))
        vertex = np.where(moving, before, vertex)
    apart = vertex != sources[:, None]
    narrowest[apart], total[apart] = 0.0, np.inf
    return _pack(hops, vertex.shape, dummy), total, narrowest


def _predecessors(sources: IntArray, direction: IntArray, delay: FloatArray) -> IntArray:
    """(rows, V) the vertex before each one on the path from each source; negative where the path ends."""
    V = len(direction)
    source, target = np.nonzero(direction >= 0)
    weight = delay[direction[source, target]] + HOP
    first = np.searchsorted(source, np.arange(V + 1)).astype(np.int32)
    predecessor = np.full((len(sources), V), -1, np.int32)
    shortest_paths(
        first, target.astype(np.int32), weight, sources, np.empty(V), np.empty(V, np.bool_), predecessor
    )
    return predecessor


def _pack(hops: list[IntArray], shape: tuple[int, ...], dummy: int) -> IntArray:
    """(*shape, P) the hops that are stations of their own, in path order, padded with the dummy."""
    length = np.zeros(shape, np.int32)
    for hop in hops:
        length += hop != dummy
    path = np.full((*shape, int(length.max(initial=0))), dummy, np.int32)
    length[:] = 0
    for hop in reversed(hops):
        u, v = np.nonzero(hop != dummy)
        path[u, v, length[u, v]] = hop[u, v]
        length[u, v] += 1
    return path


def _stack(blocks: list[IntArray], dummy: int) -> IntArray:
    """The blocks' rows under one another, padded with the dummy to the longest path; empties `blocks`."""
    longest = max(*(block.shape[2] for block in blocks), 1)
    shape = sum(len(block) for block in blocks), blocks[0].shape[1], longest
    path = np.empty(shape, np.int32)
    end = shape[0]
    while blocks:
        block = blocks.pop()
        start = end - len(block)
        path[start:end, :, block.shape[2] :] = dummy
        path[start:end, :, : block.shape[2]] = block
        end = start
    return path
