"""Shortest paths: Dijkstra's algorithm without a heap, for graphs of some thousand vertices.

scipy has it too, at 35 MB in every agent and half a second of every start (docs/decisions/0007).
"""

import numpy as np

from edgewright.core.kernel import entry
from edgewright.core.substrate import BoolArray, FloatArray, IntArray


@entry
def shortest_paths(
    first: IntArray,
    target: IntArray,
    weight: FloatArray,
    sources: IntArray,
    distance: FloatArray,
    settled: BoolArray,
    predecessor: IntArray,
) -> None:
    """Write to `predecessor` (rows, V) the vertex before each one on the path from each source.

    The edges of vertex v are `first[v]` to `first[v + 1]` of `target` and `weight` (E,), not negative;
    `predecessor` is negative before, and stays so for the source and where no path leads. `distance` and
    `settled` (V,) are work space. Takes rows x (V x V + E) steps.
    """
    V = len(distance)
    for row in range(len(sources)):
        distance[:] = np.inf
        settled[:] = False
        distance[sources[row]] = 0.0
        for _ in range(V):
            nearest = -1
            for v in range(V):
                if not settled[v] and (nearest < 0 or distance[v] < distance[nearest]):
                    nearest = v
            if not distance[nearest] < np.inf:
                break
            settled[nearest] = True
            for e in range(first[nearest], first[nearest + 1]):
                reached = distance[nearest] + weight[e]
                if reached < distance[target[e]]:
                    distance[target[e]] = reached
                    predecessor[row, target[e]] = nearest
