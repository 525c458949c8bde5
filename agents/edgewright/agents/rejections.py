"""Remembers which nodes' kubelets refused which shapes of pods, and which replicas were refused too often."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.agents.groups import Replica, age_order

LIMIT = 3
"""Refusals per replica before the agent stops and reports KubeletRejected."""
RETRY = 300.0
"""Seconds after which a replica that was refused too often gets another chance."""
_BACKOFF = (10.0, 600.0)
_MEMORY = 600.0
_SOUND = 60.0

ADMISSION_REASONS = (
    "OutOf",
    "NodeAffinity",
    "NodePorts",
    "NodeName",
    "Taint",
    "PodAdmission",
    "UnexpectedAdmissionError",
    "AppArmor",
    "SysctlForbidden",
    "Evicted",
    "TopologyAffinityError",
    "InvalidNodeInfo",
    "UnsupportedPodLevelResource",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
)
"""Beginnings of `status.reason` of a Failed pod that a kubelet did not let in."""

Owner = tuple[str, str]
"""(DAG key joined by '/', microservice)."""
Shape = tuple[str, str, tuple[float, ...]]
"""(DAG, microservice, request): what the kubelet refused."""


@dataclass(slots=True)
class _Closed:
    failures: int
    until: float


def refused(phase: str, reason: str) -> bool:
    """Whether a pod's phase and reason say that its node's kubelet would not run it."""
    return phase == "Failed" and reason.startswith(ADMISSION_REASONS)


class Rejections:
    """Closes a node for a shape with exponential backoff from 10 s, and counts refusals per replica.

    A replica keeps its count through its replacements: the count of a refused pod passes to the next new pod
    of the same microservice. Times are seconds of one monotonic clock that the caller passes in.
    """

    def __init__(self) -> None:
        self._closed: dict[tuple[str, Shape], _Closed] = {}
        self._counts: dict[str, int] = {}
        self._heirs: dict[Owner, list[int]] = {}
        self._stopped: dict[str, tuple[str, float]] = {}
        """UID to (DAG, when the replica gets another chance)."""
        self._ready: dict[str, float] = {}

    def note(self, uid: str, owner: Owner, request: tuple[float, ...], node: str, now: float) -> int:
        """The kubelet of `node` refused pod `uid`; returns how often this replica has been refused."""
        self.close(owner, request, node, now)
        ran = now - self._ready.pop(uid, now)
        before = self._counts.pop(uid, 0)
        count = 1 + (before if ran < _SOUND else 0)
        self._heirs.setdefault(owner, []).append(count)
        return count

    def close(self, owner: Owner, request: tuple[float, ...], node: str, now: float) -> None:
        """Close `node` for a shape, each time for twice as long."""
        key = (node, (*owner, request))
        closed = self._closed.get(key)
        remembered = closed is not None and now < closed.until + _MEMORY
        failures = closed.failures + 1 if closed is not None and remembered else 1
        pause = min(_BACKOFF[1], _BACKOFF[0] * 2.0 ** (failures - 1))
        self._closed[key] = _Closed(failures, now + pause)

    @property
    def inheritances(self) -> bool:
        """Whether counts of refused pods wait for an heir."""
        return bool(self._heirs)

    def inherit(self, owner: Owner, pending: Sequence[Replica], now: float) -> None:
        """Give the counts of refused pods to the newest pods of `owner` that have none."""
        heirs = self._heirs.get(owner)
        if not heirs:
            return
        for replica in sorted(pending, key=age_order, reverse=True):
            if heirs and replica.uid not in self._counts:
                heirs.sort()
                self._counts[replica.uid] = heirs.pop()
                if self._counts[replica.uid] >= LIMIT:
                    self._stopped[replica.uid] = owner[0], now + RETRY
        if not heirs:
            del self._heirs[owner]

    def stopped(self, uid: str, now: float) -> bool:
        """Whether the pod's replica was refused too often to be placed now."""
        if uid not in self._stopped:
            return False
        if self._stopped[uid][1] > now:
            return True
        del self._stopped[uid]
        self._counts.pop(uid, None)
        return False

    def closed_for(self, owner: Owner, request: tuple[float, ...], now: float) -> frozenset[str]:
        """Nodes closed for this shape."""
        shape = (*owner, request)
        return frozenset(n for (n, s), closed in self._closed.items() if s == shape and closed.until > now)

    def ready(self, uid: str, now: float) -> None:
        """The pod is Ready: if it stays so for a minute, its replica's refusals are forgotten."""
        self._ready[uid] = now

    def gone(self, uid: str) -> None:
        """Forget a deleted pod."""
        self._counts.pop(uid, None)
        self._stopped.pop(uid, None)
        self._ready.pop(uid, None)

    def reset(self, dag: str) -> None:
        """The DAG's spec changed: its replicas are new ones."""
        self._stopped = {uid: entry for uid, entry in self._stopped.items() if entry[0] != dag}
        self._closed = {key: value for key, value in self._closed.items() if key[1][0] != dag}
        self._heirs = {owner: counts for owner, counts in self._heirs.items() if owner[0] != dag}

    def next_opening(self, now: float) -> float | None:
        """When the next closed node or stopped replica gets another chance."""
        times = [closed.until for closed in self._closed.values() if closed.until > now]
        times += [until for _, until in self._stopped.values() if until > now]
        return min(times, default=None)
