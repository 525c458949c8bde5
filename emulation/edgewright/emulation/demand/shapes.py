"""Shapes of service DAGs: call graphs with the published statistics of Alibaba's microservices."""

from typing import NamedTuple

import numpy as np

SIZES = ((0.0, 2.0), (0.5, 6.0), (0.9, 10.0), (0.99, 18.0), (1.0, 65.0))
"""Quantiles of the number of microservices; between them its logarithm is linear."""
LEVELS = ((2, 0.26), (3, 0.67), (4, 0.064), (5, 0.004), (6, 0.0012), (9, 0.0004), (12, 0.0004))
"""How many microservices are on the longest path, and in which share of the graphs."""
GATEWAY = 0.5
"""Share of the graphs of three levels and more whose root only passes on to one busy microservice."""
OWN_CALL = 0.13
"""Chance that a further microservice is called by one that called nobody yet, and not by a busy one."""
MAIN = 0.92
"""Chance that it is called by the busiest microservice, and not by another one that calls."""
LEFT = 0.755
"""Share of the graphs that stay trees even where a further call is possible; with those where none is: 82.5 %."""
REPEATED = 0.167
"""Share of the calls that a request makes twice."""


class Shape(NamedTuple):
    """A DAG with one source, microservice 0; every caller has a lower number than those it calls."""

    size: int
    calls: tuple[tuple[int, int, int], ...]
    """(caller, called, how often per visit)."""


def draw_size(random: np.random.Generator) -> int:
    """A number of microservices."""
    shares, sizes = np.array(SIZES).T
    return round(float(np.exp(np.interp(random.random(), shares, np.log(sizes)))))


def draw_shape(size: int, random: np.random.Generator) -> Shape:
    """A shape of `size` microservices: a longest path, a busy caller on it, all others around these.

    Raises ValueError for less than one microservice.
    """
    if size < 1:
        raise ValueError(f"a DAG of {size} microservices: at least one is needed")
    levels = _levels(size, random)
    level = list(range(levels))
    edges = [(above, above + 1) for above in range(levels - 1)]
    hub = 1 if levels > 2 and random.random() < GATEWAY else 0
    callers = list(range(levels - 1))
    for new in range(levels, size):
        caller = _caller(level, callers, hub, levels, random)
        if caller not in callers:
            callers.append(caller)
        edges.append((caller, new))
        level.append(level[caller] + 1)
    if random.random() >= LEFT:
        edges += _shortcuts(edges, level, random)
    often = 1 + (random.random(len(edges)) < REPEATED)
    return _numbered(level, edges, often.tolist())


def _levels(size: int, random: np.random.Generator) -> int:
    counts, shares = np.array(LEVELS).T
    drawn = counts[np.searchsorted(shares.cumsum() / shares.sum(), random.random())]
    return min(int(drawn), size)


def _caller(level: list[int], callers: list[int], hub: int, levels: int, random: np.random.Generator) -> int:
    """Who calls the next microservice, without a path longer than `levels`."""
    if random.random() < OWN_CALL:
        idle = [node for node in range(len(level)) if node not in callers and level[node] < levels - 1]
        if idle:
            return idle[int(random.integers(len(idle)))]
    if random.random() < MAIN:
        return hub
    return callers[int(random.integers(len(callers)))]


def _shortcuts(
    edges: list[tuple[int, int]], level: list[int], random: np.random.Generator
) -> list[tuple[int, int]]:
    """One or more further calls to microservices that others call already, always to a deeper level."""
    callers = sorted({caller for caller, _ in edges})
    open_ = [
        (a, b) for a in callers for b in range(len(level)) if level[a] < level[b] and (a, b) not in edges
    ]
    count = min(int(random.geometric(0.6)), len(open_))
    return [open_[row] for row in random.choice(len(open_), count, replace=False)] if count else []


def _numbered(level: list[int], edges: list[tuple[int, int]], often: list[int]) -> Shape:
    """Numbers in the order of levels, so that callers come first."""
    order = sorted(range(len(level)), key=lambda node: (level[node], node))
    number = {node: place for place, node in enumerate(order)}
    calls = sorted((number[a], number[b], n) for (a, b), n in zip(edges, often, strict=True))
    return Shape(len(level), tuple(calls))
