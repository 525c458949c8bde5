"""Which regions have an agent: Leases judged by this process' monotonic clock, never by wall clocks."""

from edgewright.kube.objects import Lease

PATIENCE = 15.0
"""Seconds for which a silent agent counts as alive, or its Lease's if longer: a standby takes over."""


class AgentsAlive:
    """Remembers when each agent Lease (one per namespace) was last seen to change."""

    def __init__(self) -> None:
        self._changed: dict[str, float] = {}
        self._leases: dict[str, Lease] = {}

    def see(self, old: Lease | None, new: Lease | None, now: float) -> None:
        """Take over a watch event."""
        if new is None:
            if old is not None:
                self._leases.pop(old.metadata.namespace, None)
            return
        namespace = new.metadata.namespace
        self._leases[namespace] = new
        self._changed[namespace] = now

    def alive(self, namespace: str, now: float) -> bool:
        """Whether the Lease in `namespace` is held and changed lately enough."""
        lease = self._leases.get(namespace)
        return lease is not None and bool(lease.spec.holder_identity) and now < self._expiry(namespace, lease)

    def next_expiry(self, now: float) -> float | None:
        """When the next living agent would count as gone if it stayed silent."""
        expiries = [
            self._expiry(namespace, lease)
            for namespace, lease in self._leases.items()
            if lease.spec.holder_identity
        ]
        return min((expiry for expiry in expiries if expiry > now), default=None)

    def _expiry(self, namespace: str, lease: Lease) -> float:
        return self._changed[namespace] + max(PATIENCE, lease.spec.lease_duration_seconds or 0)
