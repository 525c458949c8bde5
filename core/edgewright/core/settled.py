"""What a placement fixes of its requests whatever the load: units, visits of stations, meetings."""

from typing import NamedTuple

import numpy as np

from edgewright.core.kernel import kernel
from edgewright.core.substrate import FloatArray, IntArray

SHARED = 4
"""Stations that two overlapping transfers share and that are compared; of more, the narrowest."""
MEETINGS = 3
"""Meetings on several stations that are kept per node pair; a later one counts at its worst alone."""


class Settled(NamedTuple):
    """One settled placement: J jobs (stages, transfers) of U units (replicas, node pairs) with H visits.

    A unit visits its node, or the stations of its route. What the users' transfers visit comes last.
    """

    first: IntArray
    """(J + 1,) first unit of each job."""
    visit: IntArray
    """(U + 1,) first visit of each unit; at the end, how many there are."""
    last: IntArray
    """(U,) the visit after each unit's last."""
    station: IntArray
    """(H,)."""
    power: FloatArray
    """(H,) exponent of `stretch` for the unit's cap at the station."""
    scale: FloatArray
    """(H,) factor of `stretch`."""
    bend: FloatArray
    """(H,) overlap in seconds on an idle station, from meetings that share this station alone."""
    inner: FloatArray
    """(H,) of it, what is from meetings that have no transfer of users."""
    ideal: FloatArray
    """(U,) x, seconds."""
    fixed: FloatArray
    """(U,) d, seconds."""
    cap: FloatArray
    """(U,) bit/s of the narrowest hop of a node pair."""
    met: FloatArray
    """(U,) probability that a request uses the unit."""
    own: FloatArray
    """(U,) utilisation by one request per second of the replica's CPU limit, 0 without one; of the narrowest
    hop by what the node pair carries."""
    pick: IntArray
    """(J x K,) unit that a job uses in each scenario; only where it has several."""
    meets: IntArray
    """(2,) meetings on several stations, and how many of them, the first ones, have no transfer of users."""
    meet_job: IntArray
    """(X,) the job that is delayed."""
    meet_visit: IntArray
    """(X x SHARED,) its visits."""
    meet_bend: FloatArray
    """(X x SHARED,) overlap there in seconds on an idle station: the largest counts."""
    used: IntArray
    """(2,) entries of `touched`, and how many of them, the first ones, are not of the users' transfers."""
    touched: IntArray
    """(G,) stations with load, of either kind each once: a DAG's load is added up in every period."""
    load: FloatArray
    """(G,) their utilisation by one request per second."""
    reached: FloatArray
    """(1,) probability that everything a request touches works."""


class Times(NamedTuple):
    """Work space of one settled placement at one utilisation."""

    stretched: FloatArray
    """(H,) Q of each visit."""
    wait: FloatArray
    """(U,) x Q, seconds."""
    late: FloatArray
    """(U,) d and the queues on the way, seconds."""


def int_size(U: int, H: int, X: int, J: int, K: int) -> int:
    """Length of the integers of a Settled."""
    return (J + 1) + (2 * U + 1) + 2 * H + J * K + 4 + X * (1 + SHARED)


def float_size(U: int, H: int, X: int) -> int:
    """Length of its floats."""
    return 5 * H + 5 * U + X * SHARED + 1


@kernel
def view(ints: IntArray, floats: FloatArray, U: int, H: int, X: int, J: int, K: int) -> Settled:
    """A Settled in two flat arrays: up to U units, H (in LANES) visits, X meetings, J jobs, K scenarios."""
    a = J + 1
    b = a + 2 * U + 1
    c = b + H
    d = c + H
    e = d + J * K
    f = e + X
    g = f + X * SHARED
    p = 5 * H
    q = p + 5 * U
    return Settled(
        first=ints[:a],
        visit=ints[a : a + U + 1],
        last=ints[a + U + 1 : b],
        station=ints[b:c],
        power=floats[:H],
        scale=floats[H : 2 * H],
        bend=floats[2 * H : 3 * H],
        inner=floats[3 * H : 4 * H],
        ideal=floats[p : p + U],
        fixed=floats[p + U : p + 2 * U],
        cap=floats[p + 2 * U : p + 3 * U],
        met=floats[p + 3 * U : p + 4 * U],
        own=floats[p + 4 * U : q],
        pick=ints[d:e],
        meets=ints[g : g + 2],
        meet_job=ints[e:f],
        meet_visit=ints[f:g],
        meet_bend=floats[q : q + X * SHARED],
        used=ints[g + 2 : g + 4],
        touched=ints[c:d],
        load=floats[4 * H : p],
        reached=floats[q + X * SHARED : q + X * SHARED + 1],
    )


def make_times(units: int, visits: int) -> Times:
    """Empty work space."""
    return Times(np.zeros(visits), np.zeros(units), np.zeros(units))
