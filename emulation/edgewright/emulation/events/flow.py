"""What a request does next: stages, transfers, joins, calls there and back, its answer or its loss."""

import numpy as np

from edgewright.core.kernel import kernel
from edgewright.emulation.events.calendar import cancel, schedule
from edgewright.emulation.events.sharing import occupy, vacate
from edgewright.emulation.events.state import NONE, Records, State
from edgewright.emulation.events.stream import exponential, mix, size_factor, uniform
from edgewright.emulation.events.system import System

# Parts of a call's key: whether a fractional call happens, then four of each turn.
FRACTION, PAYLOAD, WORK, RESPONSE, FRAME, TURN = 0, 1, 2, 3, 4, 4


@kernel
def arrive(system: System, state: State, q: int, measured: int) -> None:
    """A request of stream q arrives now, and its next one is drawn; at most `measured` are measured."""
    clock, stream = state.clock[0], state.stream[q]
    key = mix(stream.key, 2 * stream.arrived)
    stream.arrived += 1
    gap = exponential(mix(stream.key, 2 * stream.arrived - 1)) / stream.rate
    schedule(state.clock, state.heap, state.place, state.due, q, clock.now + gap)
    r = clock.free_request
    request = state.requests[r]
    clock.free_request = request.next
    clock.requests_left -= 1
    request.born, request.key, request.stream, request.number = clock.now, key, q, -1
    request.jobs = request.calls = request.next = NONE
    request.previous = clock.newest
    if clock.newest != NONE:
        state.requests[clock.newest].next = r
    else:
        clock.oldest = r
    clock.newest = r
    if stream.measured == 1 and clock.numbered < measured:
        request.number = clock.numbered
        clock.numbered += 1
        clock.unfinished += 1
    _pick(system, state, r)
    entries = stream.out_last - stream.out_first
    request.open = stream.exits if stream.pipeline == 1 else entries
    for at in range(stream.out_first, stream.out_last):
        task = system.out[at]
        if stream.pipeline == 1:
            begin(system, state, task, r, NONE, mix(key, stream.stages + task - stream.first))
        else:
            _call(system, state, task, r, NONE, mix(key, stream.stages + task - stream.first), 1)


@kernel
def _pick(system: System, state: State, r: int) -> None:
    """The replica of each stage, by equal chance among those that the Service prefers."""
    request = state.requests[r]
    stream = state.stream[request.stream]
    for at in range(stream.first, stream.first + stream.stages):
        m = system.order[at]
        task = system.tasks[stream.first + m]
        state.waits[r, m] = task.inputs
        if task.replicas == 1:
            state.picked[r, m] = 0
            continue
        u = uniform(mix(request.key, m))
        state.picked[r, m] = int(u * task.replicas)
        if task.near == NONE:
            continue
        row = task.near + state.picked[r, task.caller] * task.replicas
        preferred = 0
        for i in range(task.replicas):
            preferred += system.near[row + i]
        rank = int(u * preferred) if preferred > 0 else -1
        for i in range(task.replicas):
            if preferred > 0 and system.near[row + i] == 1:
                if rank == 0:
                    state.picked[r, m] = i
                rank -= 1


@kernel
def begin(system: System, state: State, t: int, r: int, c: int, key: np.uint64) -> None:
    """Start a job of task t for request r (and call c); without work, path and delay it is ready at once."""
    clock, task = state.clock[0], system.tasks[t]
    first = state.stream[state.requests[r].stream].first
    if task.replicas > 0:
        way = task.way + state.picked[r, t - first]
    else:
        i = state.picked[r, task.source - first] if task.source != NONE else 0
        way = task.way + i * task.width
        way += state.picked[r, task.target - first] if task.target != NONE else 0
    if state.failed[way] == 1:
        clock.doomed = r
        return
    j = clock.free_job
    job = state.jobs[j]
    clock.free_job = job.next
    clock.jobs_left -= 1
    job.way, job.task, job.request, job.call, job.began = way, t, r, c, clock.now
    job.serving = 0
    state.requests[r].jobs = _link(state.jobs, state.requests[r].jobs, j)
    if task.mean > 0.0 and system.ways[way].last > system.ways[way].first:
        job.size = task.mean * size_factor(key, task.sigma)
        occupy(system, state, j)
    else:
        delay(system, state, j)


@kernel
def delay(system: System, state: State, j: int) -> None:
    """Let job j, its work done, wait for its fixed delay."""
    seconds = system.ways[state.jobs[j].way].delay
    if seconds > 0.0:
        entry = len(state.stream) + j
        schedule(state.clock, state.heap, state.place, state.due, entry, state.clock[0].now + seconds)
    else:
        state.ready[state.clock[0].ready] = j
        state.clock[0].ready += 1


@kernel
def follow(system: System, state: State, outcome: Records, j: int) -> None:
    """Job j has ended: start what waited for it."""
    clock, job = state.clock[0], state.jobs[j]
    t, r, c = job.task, job.request, job.call
    task, request = system.tasks[t], state.requests[r]
    if request.number >= 0:
        state.seen[t].seconds += clock.now - job.began
        state.seen[t].visits += 1
    request.jobs = _unlink(state.jobs, request.jobs, j)
    job.next, clock.free_job = clock.free_job, j
    clock.jobs_left += 1
    stream = state.stream[request.stream]
    if stream.pipeline == 0:
        if task.replicas > 0:
            _step(system, state, c)
        elif task.back != NONE:
            call = state.calls[c]
            call.step = 0
            begin(system, state, task.target, r, c, mix(call.key, TURN * call.turn + WORK))
        else:
            _return(system, state, outcome, c)
    elif task.replicas > 0:
        for at in range(task.out_first, task.out_last):
            then = system.out[at]
            begin(system, state, then, r, NONE, mix(request.key, stream.stages + then - stream.first))
    elif task.target == NONE:
        _answer(system, state, outcome, r)
    else:
        m = task.target - stream.first
        inputs = system.tasks[task.target].inputs
        if state.waits[r, m] == inputs:
            state.early[r, m] = clock.now
        state.waits[r, m] -= 1
        if state.waits[r, m] == 0:
            if inputs > 1:
                _join(state, r, task.target, clock.now - state.early[r, m])
            begin(system, state, task.target, r, NONE, mix(request.key, stream.stages + m))


@kernel
def _join(state: State, r: int, t: int, skew: float) -> None:
    if state.requests[r].number >= 0:
        state.seen[t].skew += skew
        state.seen[t].joins += 1


@kernel
def _call(system: System, state: State, t: int, r: int, parent: int, key: np.uint64, repeats: int) -> None:
    """Call the target of transfer t for the callee of call `parent` (NONE: the user), `repeats` times."""
    clock = state.clock[0]
    c = clock.free_call
    call = state.calls[c]
    clock.free_call = call.next
    clock.calls_left -= 1
    state.requests[r].calls = _link(state.calls, state.requests[r].calls, c)
    call.key, call.parent, call.task, call.request = key, parent, t, r
    call.repeats, call.turn = repeats, 0
    begin(system, state, t, r, c, mix(key, PAYLOAD))


@kernel
def _step(system: System, state: State, c: int) -> None:
    """The callee of call c has done its own work or a sequential call: it makes its next one, or answers."""
    call = state.calls[c]
    stage = system.tasks[system.tasks[call.task].target]
    first = state.stream[state.requests[call.request].stream].first
    frame = mix(call.key, TURN * call.turn + FRAME)
    made = 0
    for at in range(stage.out_first + call.step, stage.out_last):
        t = system.out[at]
        key = mix(frame, t - first)
        times = int(system.tasks[t].calls)
        times += 1 if uniform(mix(key, FRACTION)) < system.tasks[t].calls - times else 0
        call.step += 1
        if times == 0:
            continue
        _call(system, state, t, call.request, c, key, times)
        made += 1
        if system.tasks[t].parallel == 0:
            return
    call.open = call.joined = made
    if made == 0:
        _reply(system, state, c)


@kernel
def _reply(system: System, state: State, c: int) -> None:
    call = state.calls[c]
    back = system.tasks[call.task].back
    begin(system, state, back, call.request, c, mix(call.key, TURN * call.turn + RESPONSE))


@kernel
def _return(system: System, state: State, outcome: Records, c: int) -> None:
    """The response of call c has arrived: call again, or let the caller go on."""
    call, clock = state.calls[c], state.clock[0]
    r, parent = call.request, call.parent
    call.turn += 1
    if call.turn < call.repeats:
        begin(system, state, call.task, r, c, mix(call.key, TURN * call.turn + PAYLOAD))
        return
    state.requests[r].calls = _unlink(state.calls, state.requests[r].calls, c)
    call.next, clock.free_call = clock.free_call, c
    clock.calls_left += 1
    if parent == NONE:
        _answer(system, state, outcome, r)
    elif system.tasks[call.task].parallel == 0:
        _step(system, state, parent)
    else:
        caller = state.calls[parent]
        if caller.open == caller.joined:
            caller.earliest = clock.now
        caller.open -= 1
        if caller.open == 0:
            if caller.joined > 1:
                _join(state, r, system.tasks[caller.task].target, clock.now - caller.earliest)
            _reply(system, state, parent)


@kernel
def _answer(system: System, state: State, outcome: Records, r: int) -> None:
    """One of the answers for the user has arrived; with the last one the request has ended."""
    request, clock = state.requests[r], state.clock[0]
    stream = state.stream[request.stream]
    expected = stream.exits if stream.pipeline == 1 else stream.out_last - stream.out_first
    if request.open == expected:
        request.earliest = clock.now
    request.open -= 1
    if request.open == 0:
        if expected > 1:
            _join(state, r, len(system.tasks) + request.stream, clock.now - request.earliest)
        _end(state, outcome, r, clock.now - request.born)


@kernel
def lose(system: System, state: State, outcome: Records, r: int) -> None:
    """Request r is given up: what it does is stopped and what it holds is freed."""
    request, clock = state.requests[r], state.clock[0]
    while request.jobs != NONE:
        j = request.jobs
        if state.jobs[j].serving == 1:
            vacate(system, state, j)
        else:
            cancel(state.clock, state.heap, state.place, state.due, len(state.stream) + j)
        request.jobs = state.jobs[j].next
        state.jobs[j].next, clock.free_job = clock.free_job, j
        clock.jobs_left += 1
    while request.calls != NONE:
        c = request.calls
        request.calls = state.calls[c].next
        state.calls[c].next, clock.free_call = clock.free_call, c
        clock.calls_left += 1
    clock.ready = 0
    _end(state, outcome, r, np.inf)


@kernel
def _end(state: State, outcome: Records, r: int, latency: float) -> None:
    request, clock = state.requests[r], state.clock[0]
    if request.number >= 0:
        row = outcome[request.number]
        row.born, row.latency, row.stream = request.born, latency, request.stream
        clock.unfinished -= 1
    before, after = request.previous, request.next
    if before == NONE:
        clock.oldest = after
    else:
        state.requests[before].next = after
    if after == NONE:
        clock.newest = before
    else:
        state.requests[after].previous = before
    request.next, clock.free_request = clock.free_request, r
    clock.requests_left += 1


@kernel
def _link(pool: Records, head: int, at: int) -> int:
    """Put entry `at` in front of a request's list; the list's new head."""
    pool[at].previous, pool[at].next = NONE, head
    if head != NONE:
        pool[head].previous = at
    return at


@kernel
def _unlink(pool: Records, head: int, at: int) -> int:
    """Take entry `at` out of a request's list; the list's new head."""
    before, after = pool[at].previous, pool[at].next
    if after != NONE:
        pool[after].previous = before
    if before == NONE:
        return after
    pool[before].next = after
    return head
