"""The calendar: a binary heap of what happens next, whose entries can be moved and removed."""

from edgewright.core.kernel import kernel
from edgewright.emulation.events.state import NONE, Floats, Ints, Records


@kernel
def schedule(clock: Records, heap: Ints, place: Ints, due: Floats, entry: int, at: float) -> None:
    """Put `entry` at time `at`, or move it there."""
    due[entry] = at
    if place[entry] == NONE:
        size = clock[0].calendar
        heap[size], place[entry] = entry, size
        clock[0].calendar = size + 1
        _rise(heap, place, due, size)
    elif not _rise(heap, place, due, place[entry]):
        _sink(heap, place, due, place[entry], clock[0].calendar)


@kernel
def cancel(clock: Records, heap: Ints, place: Ints, due: Floats, entry: int) -> None:
    """Take `entry` out, if it is there."""
    at = place[entry]
    if at == NONE:
        return
    place[entry] = NONE
    last = clock[0].calendar - 1
    clock[0].calendar = last
    if at == last:
        return
    moved = heap[last]
    heap[at], place[moved] = moved, at
    if not _rise(heap, place, due, at):
        _sink(heap, place, due, at, last)


@kernel
def _rise(heap: Ints, place: Ints, due: Floats, at: int) -> bool:
    entry, start = heap[at], at
    time = due[entry]
    while at > 0:
        up = (at - 1) >> 1
        above = heap[up]
        if due[above] <= time:
            break
        heap[at], place[above] = above, at
        at = up
    heap[at], place[entry] = entry, at
    return at != start


@kernel
def _sink(heap: Ints, place: Ints, due: Floats, at: int, size: int) -> None:
    entry = heap[at]
    time = due[entry]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and due[heap[child + 1]] < due[heap[child]]:
            child += 1
        below = heap[child]
        if due[below] >= time:
            break
        heap[at], place[below] = below, at
        at = child
    heap[at], place[entry] = entry, at
