"""Tells dead nodes from late ones by the rhythm of their Leases, on this process' monotonic clock alone."""

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

DEFAULT_INTERVAL = 10.0
"""Seconds between renewals before any rhythm is known: the kubelet's default."""
SUSPEND_SHARE = 0.55
"""Share of a region that, silent together, is taken for a fault of the network or of the API server."""

CONGESTED_SHARE, LARGEST_STRETCH = 0.3, 2.0
"""When this share of the fleet is later than its rhythm, something that all share is slow: everybody gets as
much more time as the best of these are late, up to this factor; half of it is left an interval later."""

_HISTORY = 8
_NEVER = -1
_MISSED = 2.0
_LONG_DEAD = 2.0 * LARGEST_STRETCH * _MISSED
"""Intervals of silence after which a node was dead, not late."""
_JITTER_FLOOR = (0.5, 0.05)
_BREAK_INTERVALS = 1.5
_FLAP_MEMORY = 600.0
_FLAP_BASE = 10.0
_FLAP_CAP = 600.0


@dataclass(slots=True)
class _Rhythm:
    """One Lease: its last value, its recent intervals, and its age in proven time."""

    token: str
    start: float
    """Proven time from which the age counts."""
    base: float = 0.0
    """Age already reached at `start`."""
    renewed: float = 0.0
    """Proven time of the last renewal."""
    breaks: int = 0
    """Number of breaks of the watch when it was last renewed: an interval across a break is no sample, nor is
    the time since a Lease was first listed."""
    intervals: deque[float] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    interval: float | None = None
    jitter: float = 0.0

    def age(self, proven: float) -> float:
        return self.base + max(0.0, proven - self.start)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of the nodes asked about are silent, and whether evictions are suspended."""

    silent: frozenset[str]
    suspended: bool
    late: int
    """Nodes that missed at least one renewal, the silent ones included."""


class Detector:
    """Learns each Lease's rhythm and reports Leases that broke it.

    A renewal is a change of `renewTime`; the value itself, the holder and the promised duration are never
    read, so clock skew has no effect and a Lease that someone else took over is a silent node. Ages count in
    proven time: the time between two proofs that the API server answers while the watch is open, when they
    are close enough together. After a break every Lease gets one full interval before its age counts again.
    All times are seconds of one monotonic clock that the caller passes in.
    """

    def __init__(self) -> None:
        self._leases: dict[str, _Rhythm] = {}
        self._proven = 0.0
        self._last_proof: float | None = None
        self._breaks = 0
        self._typical = DEFAULT_INTERVAL
        self._stretch = 1.0
        self._unsettled = 0

    @property
    def interval(self) -> float:
        """The fleet's median interval between renewals, DEFAULT_INTERVAL until it is known."""
        return self._typical

    @property
    def probe_period(self) -> float:
        """Seconds between the proofs that `proven` wants: a tenth of the rhythm, within [0.25, 0.5]."""
        return min(0.5, max(0.25, 0.1 * self._typical))

    @property
    def largest_gap(self) -> float:
        """Proofs farther apart than this many seconds have a break between them."""
        return min(3.0, max(1.0, 0.3 * self._typical))

    @property
    def patience(self) -> float:
        """Seconds without any event of the Lease watch after which it is not taken for live."""
        return _BREAK_INTERVALS * self._typical + 1.0

    def seen(self, node: str, token: str, now: float) -> bool:
        """Note a Lease as the watch delivers it; `token` is its `renewTime`. True if that is a renewal."""
        at = self._proven
        if self._last_proof is not None and now - self._last_proof > self.largest_gap:
            self.broken()
        if self._last_proof is not None:
            at += max(0.0, now - self._last_proof)
        rhythm = self._leases.get(node)
        if rhythm is None:
            self._leases[node] = _Rhythm(token, at, renewed=at, breaks=_NEVER)
            return False
        if token == rhythm.token:
            return False
        rhythm.token = token
        if rhythm.breaks == self._breaks and at > rhythm.renewed:
            self._warn(rhythm.age(at) / (rhythm.interval or self._typical))
            self._learn(rhythm, at - rhythm.renewed)
        rhythm.base, rhythm.start, rhythm.renewed = 0.0, at, at
        rhythm.breaks = self._breaks
        return True

    def gone(self, node: str) -> None:
        """Forget a Lease that was deleted."""
        self._leases.pop(node, None)

    def proven(self, now: float) -> None:
        """Note a proof: at `now` the watch was open and a request sent after the last proof was answered."""
        last = self._last_proof
        if last is not None and now - last > self.largest_gap:
            self.broken()
            last = None
        faded = 1.0 if last is None else 1.0 + (self._stretch - 1.0) * 0.5 ** ((now - last) / self._typical)
        if last is None:
            for rhythm in self._leases.values():
                rhythm.base = rhythm.age(self._proven)
                rhythm.start = self._proven + (rhythm.interval or self._typical)
        else:
            self._proven += max(0.0, now - last)
        self._last_proof = now
        self._stretch = max(faded, self._congestion())

    def broken(self) -> None:
        """Note that the watch was lost, or that the API server did not answer: the clock stops."""
        if self._last_proof is not None:
            self._last_proof = None
            self._breaks += 1

    @property
    def live(self) -> bool:
        """Whether the clock runs."""
        return self._last_proof is not None

    def judge(self, nodes: Iterable[str]) -> Verdict:
        """The silent ones among `nodes` (of one region) as of the last proof; linear in `nodes`."""
        silent, late, known = set(), 0, 0
        for node in nodes:
            rhythm = self._leases.get(node)
            if rhythm is None:
                continue
            known += 1
            age = rhythm.age(self._proven)
            interval = rhythm.interval or self._typical
            late += age > interval
            if age > self._stretch * _MISSED * interval + rhythm.jitter + self._floor(interval):
                silent.add(node)
        suspended = bool(silent) and late >= SUSPEND_SHARE * known
        return Verdict(frozenset(silent), suspended, late)

    def age(self, node: str) -> float | None:
        """Seconds of proven time since the last renewal, None for an unknown node."""
        rhythm = self._leases.get(node)
        return None if rhythm is None else rhythm.age(self._proven)

    def token(self, node: str) -> str | None:
        """The last `renewTime` seen, None for an unknown node."""
        rhythm = self._leases.get(node)
        return None if rhythm is None else rhythm.token

    def _warn(self, late: float) -> None:
        """A living node was `late` intervals late: nobody may be taken for dead for as little.

        So one wrong verdict, whose evictions keep the API server busy, does not bring about the next.
        """
        if _MISSED < late < _LONG_DEAD:
            self._stretch = max(self._stretch, min(LARGEST_STRETCH, late / _MISSED))

    def _congestion(self) -> float:
        """How many intervals old the Leases are that all but CONGESTED_SHARE of the fleet surpass in youth.

        1 at least, LARGEST_STRETCH at most; Leases of nodes that are long dead do not count.
        """
        ages = [r.age(self._proven) / (r.interval or self._typical) for r in self._leases.values()]
        alive = sorted(age for age in ages if age < _LONG_DEAD)
        if not alive:
            return 1.0
        return min(LARGEST_STRETCH, max(1.0, alive[int((1.0 - CONGESTED_SHARE) * (len(alive) - 1))]))

    def _learn(self, rhythm: _Rhythm, elapsed: float) -> None:
        rhythm.intervals.append(elapsed)
        if len(rhythm.intervals) < 3:
            self._settle(rhythm)
            return
        middle = statistics.median(rhythm.intervals)
        spread = statistics.median(abs(sample - middle) for sample in rhythm.intervals)
        rhythm.interval, rhythm.jitter = middle, min(3.0 * spread, middle)
        self._settle(rhythm)

    def _settle(self, rhythm: _Rhythm) -> None:
        """Refresh the fleet's rhythm after as many renewals as there are Leases."""
        self._unsettled += 1
        if self._unsettled * 2 >= len(self._leases):
            known = [r.interval for r in self._leases.values() if r.interval is not None]
            if known:
                self._typical = statistics.median(known)
            self._unsettled = 0

    @staticmethod
    def _floor(interval: float) -> float:
        seconds, share = _JITTER_FLOOR
        return max(seconds, share * interval)


@dataclass(slots=True)
class _Losses:
    count: int
    until: float
    """When the node may be used again after its return."""
    returned: float | None = None


class Flapping:
    """Keeps replicas off nodes that keep dying: 0, 10, 20, 40 ... 600 s after each return.

    The count is forgotten when a node stays for ten minutes after its backoff.
    """

    def __init__(self) -> None:
        self._losses: dict[str, _Losses] = {}

    def lost(self, node: str, now: float) -> None:
        """Note that the node fell silent."""
        losses = self._losses.get(node)
        if losses is None or self._forgotten(losses, now):
            self._losses[node] = _Losses(1, float("inf"))
        elif losses.returned is not None:
            self._losses[node] = _Losses(losses.count + 1, float("inf"))

    def returned(self, node: str, now: float) -> float:
        """Note that a lost node renews again; returns the seconds for which it stays closed."""
        losses = self._losses.get(node)
        if losses is None or losses.returned is not None:
            return 0.0
        pause = 0.0 if losses.count == 1 else min(_FLAP_CAP, _FLAP_BASE * 2.0 ** (losses.count - 2))
        losses.returned, losses.until = now, now + pause
        return pause

    def closed(self, now: float) -> frozenset[str]:
        """Nodes that are silent, or came back too recently for how often they were lost."""
        return frozenset(node for node, losses in self._losses.items() if losses.until > now)

    def next_opening(self, now: float) -> float | None:
        """When the next closed node opens by the clock alone."""
        openings = [losses.until for losses in self._losses.values() if now < losses.until < float("inf")]
        return min(openings, default=None)

    def gone(self, node: str) -> None:
        """Forget a node that was deleted."""
        self._losses.pop(node, None)

    @staticmethod
    def _forgotten(losses: _Losses, now: float) -> bool:
        return losses.returned is not None and now > losses.until + _FLAP_MEMORY
