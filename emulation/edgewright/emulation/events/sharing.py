"""Max-min fair shares, kept up to date job by job: only what a change can reach is filled again.

A job's level (its rate over its weight) is its cap, or it has a bottleneck: a station in full use where no
job has a higher level. An allocation with that property is the max-min fair one, and the only one. After a
change the property is restored by progressive filling among a few jobs, the others kept; jobs that lack
it then join them, until all have it.
"""

import numpy as np

from edgewright.core.kernel import kernel
from edgewright.emulation.events.calendar import cancel, schedule
from edgewright.emulation.events.state import NONE, State
from edgewright.emulation.events.system import System

TINY = 1e-9
"""Relative difference of levels, and share of a station's capacity, that count as none."""


@kernel
def occupy(system: System, state: State, j: int) -> None:
    """Let job j, its way and size set, be served from now on."""
    jobs, stations, uses, links = state.jobs, state.stations, system.uses, state.links
    way = system.ways[jobs[j].way]
    level, fits = way.cap, True
    first = j * system.width
    for u in range(way.first, way.last):
        station, link = uses[u].station, first + u - way.first
        ahead = stations[station].first
        links[link].next, links[link].previous, links[link].job = ahead, NONE, j
        if ahead != NONE:
            links[ahead].previous = link
        stations[station].first = link
        stations[station].count += 1
        room = stations[station].capacity * (1.0 + TINY) - stations[station].load
        fits = fits and uses[u].share * level <= room
    now = state.clock[0].now
    jobs[j].since, jobs[j].left, jobs[j].serving, jobs[j].bottleneck = now, jobs[j].size, 1, NONE
    if fits:
        for u in range(way.first, way.last):
            stations[uses[u].station].load += uses[u].share * level
        jobs[j].level, jobs[j].rate = level, level * way.weight
        _plan(state, j, now + jobs[j].size / jobs[j].rate)
        return
    jobs[j].level = jobs[j].rate = 0.0
    clock = state.clock[0]
    clock.filling += 1
    state.crowd[0], jobs[j].mark = j, clock.filling
    members = 1
    for u in range(way.first, way.last):
        station = uses[u].station
        if stations[station].load + uses[u].share * level > stations[station].capacity:
            members = _gather(state, station, members, False)
    _refill(system, state, members)


@kernel
def vacate(system: System, state: State, j: int) -> None:
    """Take job j from its stations, done or not; what it had is shared among the others."""
    jobs, stations, uses = state.jobs, state.stations, system.uses
    way = system.ways[jobs[j].way]
    clock = state.clock[0]
    cancel(state.clock, state.heap, state.place, state.due, len(state.stream) + j)
    left = jobs[j].left - jobs[j].rate * (clock.now - jobs[j].since)
    state.done[jobs[j].way] += jobs[j].size - max(left, 0.0)
    clock.filling += 1
    jobs[j].serving = 0
    if jobs[j].bottleneck != NONE:
        stations[jobs[j].bottleneck].held -= 1
    members = 0
    for u in range(way.first, way.last):
        station = uses[u].station
        _unlink(state, station, j * system.width + u - way.first)
        stations[station].load -= uses[u].share * jobs[j].level
        if stations[station].count == 0:
            stations[station].load = 0.0
        if stations[station].held > 0:
            members = _gather(state, station, members, True)
    if members > 0:
        _refill(system, state, members)


@kernel
def _unlink(state: State, station: int, link: int) -> None:
    links = state.links
    before, after = links[link].previous, links[link].next
    if before == NONE:
        state.stations[station].first = after
    else:
        links[before].next = after
    if after != NONE:
        links[after].previous = before
    state.stations[station].count -= 1


@kernel
def _plan(state: State, j: int, at: float) -> None:
    schedule(state.clock, state.heap, state.place, state.due, len(state.stream) + j, at)


@kernel
def _gather(state: State, station: int, members: int, only_held: bool) -> int:
    """Add the jobs at `station` (only those whose bottleneck it is) to the crowd; its new size."""
    filling = state.clock[0].filling
    link = state.stations[station].first
    while link != NONE:
        other = state.links[link].job
        if state.jobs[other].mark != filling and (not only_held or state.jobs[other].bottleneck == station):
            state.jobs[other].mark = filling
            state.crowd[members] = other
            members += 1
        link = state.links[link].next
    return members


@kernel
def _refill(system: System, state: State, members: int) -> None:
    """Share anew among the first `members` of the crowd, and among whom that reaches."""
    while True:
        stations = _open(system, state, members)
        _fill(system, state, members, stations)
        reached = _reach(system, state, members, stations)
        if reached == members:
            break
        members = reached
    _settle(system, state, members, stations)


@kernel
def _open(system: System, state: State, members: int) -> int:
    """Free what the crowd has; returns how many stations it touches."""
    jobs, stations, uses = state.jobs, state.stations, system.uses
    touched = 0
    for at in range(members):
        j = state.crowd[at]
        way = system.ways[jobs[j].way]
        jobs[j].fill = -1.0
        for u in range(way.first, way.last):
            s = uses[u].station
            if stations[s].mark == 0:
                stations[s].mark = 1
                stations[s].spare = stations[s].capacity - stations[s].load
                stations[s].weight, stations[s].members, stations[s].leaving = 0.0, 0, 0
                stations[s].top, stations[s].limit, stations[s].full = 0.0, np.inf, 0
                state.touched[touched] = s
                touched += 1
            stations[s].spare += uses[u].share * jobs[j].level
            stations[s].weight += uses[u].share
            stations[s].members += 1
        if jobs[j].bottleneck != NONE:
            stations[jobs[j].bottleneck].leaving += 1
    for at in range(touched):
        s = state.touched[at]
        stations[s].mark = 0
        stations[s].open = stations[s].members
        if stations[s].members == stations[s].count:
            stations[s].spare = stations[s].capacity
    return touched


@kernel
def _fill(system: System, state: State, members: int, touched: int) -> None:
    """Progressive filling: those at their caps, then those at the tightest stations, until none is open."""
    jobs, stations, uses, crowd = state.jobs, state.stations, system.uses, state.crowd
    left = members
    while left > 0:
        level = np.inf
        for at in range(touched):
            s = state.touched[at]
            if stations[s].open > 0:
                level = min(level, stations[s].spare / stations[s].weight)
        before = left
        for at in range(members):
            j = crowd[at]
            if jobs[j].fill < 0.0 and system.ways[jobs[j].way].cap <= level * (1.0 + TINY):
                _freeze(system, state, j, system.ways[jobs[j].way].cap, NONE)
                left -= 1
        if left < before:
            continue
        for at in range(touched):
            s = state.touched[at]
            stations[s].full = (
                1
                if stations[s].open > 0 and stations[s].spare <= level * (1.0 + TINY) * stations[s].weight
                else 0
            )
        for at in range(members):
            j = crowd[at]
            if jobs[j].fill >= 0.0:
                continue
            way = system.ways[jobs[j].way]
            for u in range(way.first, way.last):
                if stations[uses[u].station].full == 1:
                    _freeze(system, state, j, level, uses[u].station)
                    left -= 1
                    break


@kernel
def _freeze(system: System, state: State, j: int, level: float, bottleneck: int) -> None:
    stations, uses = state.stations, system.uses
    way = system.ways[state.jobs[j].way]
    state.jobs[j].fill, state.jobs[j].held = level, bottleneck
    for u in range(way.first, way.last):
        s = uses[u].station
        stations[s].spare = max(stations[s].spare - uses[u].share * level, 0.0)
        stations[s].weight -= uses[u].share
        stations[s].open -= 1
        stations[s].top = max(stations[s].top, level)
        if s == bottleneck:
            stations[s].limit = level


@kernel
def _reach(system: System, state: State, members: int, touched: int) -> int:
    """Add to the crowd who has no bottleneck any more or keeps a member from having one; its new size."""
    jobs, stations, filling = state.jobs, state.stations, state.clock[0].filling
    size = members
    for at in range(touched):
        s = state.touched[at]
        here = stations[s]
        stay = here.held - here.leaving
        if here.count == here.members or (here.limit == np.inf and stay == 0):
            continue
        full = here.spare <= TINY * here.capacity
        link = here.first
        while link != NONE:
            other = state.links[link].job
            link = state.links[link].next
            if jobs[other].mark == filling:
                continue
            level = jobs[other].level
            lost = jobs[other].bottleneck == s and (not full or level < here.top * (1.0 - TINY))
            if lost or level > here.limit * (1.0 + TINY):
                jobs[other].mark = filling
                state.crowd[size] = other
                size += 1
    return size


@kernel
def _settle(system: System, state: State, members: int, touched: int) -> None:
    """Make the filling's levels the jobs' own, and their ends those that follow."""
    jobs, stations, now = state.jobs, state.stations, state.clock[0].now
    for at in range(touched):
        s = state.touched[at]
        stations[s].load = stations[s].capacity - stations[s].spare
    for at in range(members):
        j = state.crowd[at]
        if jobs[j].bottleneck != jobs[j].held:
            if jobs[j].bottleneck != NONE:
                stations[jobs[j].bottleneck].held -= 1
            if jobs[j].held != NONE:
                stations[jobs[j].held].held += 1
            jobs[j].bottleneck = jobs[j].held
        if jobs[j].fill == jobs[j].level:
            continue
        jobs[j].left = max(jobs[j].left - jobs[j].rate * (now - jobs[j].since), 0.0)
        jobs[j].since = now
        jobs[j].level = jobs[j].fill
        jobs[j].rate = jobs[j].fill * system.ways[jobs[j].way].weight
        _plan(state, j, now + jobs[j].left / jobs[j].rate)
