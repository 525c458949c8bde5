"""What an event simulation runs on: streams of requests, their tasks, and the ways that jobs take."""

from typing import NamedTuple

import numpy as np

from edgewright.emulation.events.state import Floats, Ints, Records

STREAM = np.dtype(
    [
        ("rate", "f8"),
        ("key", "u8"),
        ("arrived", "i8"),
        ("first", "i4"),  # task of its first stage; transfers follow the stages
        ("stages", "i4"),
        ("out_first", "i4"),  # transfers from the user, in `out`
        ("out_last", "i4"),
        ("exits", "i4"),
        ("pipeline", "i4"),
        ("measured", "i4"),
    ],
    align=True,
)
TASK = np.dtype(
    [
        ("mean", "f8"),
        ("sigma", "f8"),
        ("calls", "f8"),
        ("way", "i4"),  # of replica 0, or of replicas 0 and 0
        ("width", "i4"),  # replicas of a transfer's target
        ("replicas", "i4"),  # of a stage
        ("source", "i4"),  # of a transfer: task of a stage, NONE for the user
        ("target", "i4"),
        ("back", "i4"),  # response of a call
        ("parallel", "i4"),
        ("out_first", "i4"),  # transfers out of a stage, in `out`: sequential calls first
        ("out_last", "i4"),
        ("inputs", "i4"),
        ("near", "i4"),  # of a stage with `trafficDistribution`: its rows in `near`, NONE without
        ("caller", "i4"),  # stage whose replica decides then
    ],
    align=True,
)
WAY = np.dtype(
    [("cap", "f8"), ("delay", "f8"), ("weight", "f8"), ("first", "i4"), ("last", "i4")], align=True
)
"""One replica, or one pair of replicas: cap in levels, stations from `first` to `last` in `uses`."""
USE = np.dtype([("amount", "f8"), ("share", "f8"), ("station", "i4")], align=True)
"""What a job takes of a station per unit of its rate, and per level."""


class System(NamedTuple):
    """What does not change during a run; sizes in comments are those of `State`."""

    streams: Records
    tasks: Records
    ways: Records
    uses: Records
    out: Ints
    order: Ints
    """Stages of each stream (from its first task on) in topological order, as local indices."""
    near: Ints
    """For each stage with preferences: (replicas of the caller, replicas) 1 where preferred."""
    width: int
    """Stations that one way uses at most."""
    stages: int
    """Stages of one DAG at most."""
    branches: int
    """Jobs and calls of one request at most at once."""
    timeout: float


class Plan(NamedTuple):
    """A compiled system, its stations' capacities and where the tasks of each DAG begin."""

    system: System
    capacity: Floats
    """(stations,): the substrate's, then one for each replica with a CPU limit."""
    first: Ints
    """(D + 1,) first task of each placed DAG; of its M + T tasks the stages come first."""
