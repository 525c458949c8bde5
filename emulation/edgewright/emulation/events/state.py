"""The memory of a running simulation: jobs, requests, calls, stations and the calendar, in growing arrays."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[np.void]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
NONE = -1

JOB = np.dtype(
    [
        ("size", "f8"),
        ("left", "f8"),  # work or bits still to do at `since`
        ("rate", "f8"),
        ("since", "f8"),
        ("began", "f8"),
        ("level", "f8"),  # rate over the way's weight: what is shared max-min fairly
        ("fill", "f8"),  # level in a filling under way; negative while open
        ("key", "u8"),
        ("way", "i4"),
        ("task", "i4"),
        ("request", "i4"),
        ("call", "i4"),
        ("bottleneck", "i4"),  # station that holds it back; NONE: its own cap
        ("held", "i4"),  # the same in a filling under way
        ("mark", "i4"),  # last filling that it was in
        ("serving", "i4"),  # 1 while stations work on it, 0 while it is delayed
        ("next", "i4"),  # of the same request, or next free one
        ("previous", "i4"),
    ],
    align=True,
)
LINK = np.dtype([("next", "i4"), ("previous", "i4"), ("job", "i4")], align=True)
"""A job's place in the list of one station that it uses."""
STATION = np.dtype(
    [
        ("capacity", "f8"),
        ("load", "f8"),
        ("spare", "f8"),  # in a filling under way
        ("weight", "f8"),
        ("top", "f8"),
        ("limit", "f8"),
        ("first", "i4"),
        ("count", "i4"),
        ("held", "i4"),  # jobs whose bottleneck it is
        ("mark", "i4"),  # 1 while a filling collects its stations
        ("members", "i4"),
        ("open", "i4"),
        ("leaving", "i4"),  # members whose bottleneck it was
        ("full", "i4"),
    ],
    align=True,
)
REQUEST = np.dtype(
    [
        ("born", "f8"),
        ("earliest", "f8"),  # first answer that reached the user
        ("key", "u8"),
        ("number", "i8"),  # row of the outcome; negative: not measured
        ("stream", "i4"),
        ("jobs", "i4"),
        ("calls", "i4"),
        ("open", "i4"),  # answers that the user still waits for
        ("next", "i4"),  # younger one, or next free one
        ("previous", "i4"),
    ],
    align=True,
)
CALL = np.dtype(
    [
        ("earliest", "f8"),  # first reply to the callee's own parallel calls
        ("key", "u8"),
        ("parent", "i4"),
        ("task", "i4"),  # the transfer that carries the call
        ("repeats", "i4"),
        ("turn", "i4"),  # repeats done
        ("step", "i4"),  # of the callee's own calls, those made
        ("open", "i4"),  # parallel calls not yet answered
        ("joined", "i4"),  # parallel calls made
        ("request", "i4"),
        ("next", "i4"),
        ("previous", "i4"),
    ],
    align=True,
)
SEEN = np.dtype([("seconds", "f8"), ("visits", "i8"), ("skew", "f8"), ("joins", "i8")], align=True)
"""What was measured of one stage or transfer."""
OUTCOME = np.dtype([("born", "f8"), ("latency", "f8"), ("stream", "i4")], align=True)
"""Of a measured request; latency NaN while it is under way, infinite when lost."""
CLOCK = np.dtype(
    [
        ("now", "f8"),
        ("events", "i8"),
        ("numbered", "i8"),  # rows of the outcome in use
        ("unfinished", "i8"),  # of them, under way
        ("oldest", "i4"),
        ("newest", "i4"),
        ("free_job", "i4"),
        ("free_request", "i4"),
        ("free_call", "i4"),
        ("jobs_left", "i4"),
        ("requests_left", "i4"),
        ("calls_left", "i4"),
        ("calendar", "i4"),  # entries
        ("ready", "i4"),
        ("filling", "i4"),  # number of the last filling
        ("doomed", "i4"),  # request that met a failed node
    ],
    align=True,
)


class State(NamedTuple):
    """Everything that changes during a run; Q streams of requests, J jobs, R requests and C calls at most."""

    clock: Records
    """(1,)."""
    jobs: Records
    links: Records
    """(J x uses,) of each job, one for each station that its way may use."""
    requests: Records
    calls: Records
    stations: Records
    stream: Records
    """(Q,) copy of the system's streams, whose rates may change."""
    done: Floats
    """(ways,) work or bits done."""
    failed: Ints
    """(ways,) 1 where a node of the way has failed."""
    picked: Ints
    """(R, stages) replica of each stage."""
    waits: Ints
    """(R, stages) inputs still missing."""
    early: Floats
    """(R, stages) time of the first input."""
    seen: Records
    """(tasks + Q,) the last for the answers that reach the user."""
    due: Floats
    """(Q + J,) time of each stream's next request and each job's next event."""
    heap: Ints
    """(Q + J,) entries of the calendar, a binary heap by `due`."""
    place: Ints
    """(Q + J,) where in the heap, NONE when it is not there."""
    ready: Ints
    """(J,) jobs that ended without taking time."""
    crowd: Ints
    """(J,) jobs in a filling."""
    touched: Ints
    """(stations,) stations in a filling."""


def make(capacity: Floats, streams: Records, tasks: int, ways: int, stages: int, uses: int) -> State:
    """An empty system of stations with `capacity`, room for a few requests (it grows)."""
    stations = np.zeros(len(capacity), STATION)
    stations["capacity"], stations["first"] = capacity, NONE
    clock = np.zeros(1, CLOCK)
    for name in ("oldest", "newest", "free_job", "free_request", "free_call", "doomed"):
        clock[name] = NONE
    Q = len(streams)
    empty = State(
        clock=clock,
        jobs=np.zeros(0, JOB),
        links=np.zeros(0, LINK),
        requests=np.zeros(0, REQUEST),
        calls=np.zeros(0, CALL),
        stations=stations,
        stream=streams.copy(),
        done=np.zeros(ways),
        failed=np.zeros(ways, np.int32),
        picked=np.zeros((0, stages), np.int32),
        waits=np.zeros((0, stages), np.int32),
        early=np.zeros((0, stages)),
        seen=np.zeros(tasks + Q, SEEN),
        due=np.full(Q, np.inf),
        heap=np.full(Q, NONE, np.int32),
        place=np.full(Q, NONE, np.int32),
        ready=np.zeros(0, np.int32),
        crowd=np.zeros(0, np.int32),
        touched=np.zeros(len(capacity), np.int32),
    )
    return grow(empty, jobs=256, requests=64, calls=64, uses=uses)


def grow(state: State, *, jobs: int = 0, requests: int = 0, calls: int = 0, uses: int) -> State:
    """The same state with room for so many more jobs, requests and calls."""
    clock = state.clock.copy()
    grown = state._replace(
        clock=clock,
        jobs=_chained(state.jobs, jobs, clock, "free_job"),
        requests=_chained(state.requests, requests, clock, "free_request"),
        calls=_chained(state.calls, calls, clock, "free_call"),
        links=_longer(state.links, jobs * uses, 0),
        picked=_longer(state.picked, requests, 0),
        waits=_longer(state.waits, requests, 0),
        early=_longer(state.early, requests, 0),
        due=_longer(state.due, jobs, np.inf),
        heap=_longer(state.heap, jobs, NONE),
        place=_longer(state.place, jobs, NONE),
        ready=_longer(state.ready, jobs, 0),
        crowd=_longer(state.crowd, jobs, 0),
    )
    clock["jobs_left"] += jobs
    clock["requests_left"] += requests
    clock["calls_left"] += calls
    return grown


def _chained(pool: Records, more: int, clock: Records, free: str) -> Records:
    """`pool` with `more` entries, the new ones in front of its free list."""
    grown: Records = _longer(pool, more, 0)
    if more:
        first = len(pool)
        grown["next"][first:] = np.arange(first + 1, len(grown) + 1)
        grown["next"][-1] = clock[free][0]
        clock[free] = first
    return grown


def _longer(array: Any, more: int, value: float) -> Any:
    tail = np.zeros((more, *array.shape[1:]), array.dtype)
    if value:
        tail[:] = value
    return np.ascontiguousarray(np.concatenate([array, tail]))
