"""Who holds the operator's and the agents' Leases, judged by the API server's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from edgewright.cli.reading import found
from edgewright.kube import paths
from edgewright.kube.api import Api

SLACK = 2.0
"""Seconds of the clocks' resolution and of a request's way, which make nobody late."""


@dataclass(frozen=True)
class Holder:
    """The state of a Lease."""

    name: str
    """Identity of the holder; empty: nobody."""
    silent: float = 0.0
    """Seconds since the last renewal."""
    duration: float = 0.0
    """Seconds for which a renewal is good."""
    exists: bool = True
    """Whether there is such a Lease at all."""

    @property
    def alive(self) -> bool:
        """Whether somebody holds it and renews it in time."""
        return bool(self.name) and self.silent <= self.duration + SLACK

    @property
    def state(self) -> str:
        """In words."""
        if not self.name:
            return "nobody holds it"
        if not self.alive:
            return f"{self.name} has not renewed it for {self.silent:.0f} s"
        return f"held by {self.name}"


async def holder(api: Api, namespace: str, name: str) -> Holder:
    """Who holds a Lease; raises ApiError if it may not be read."""
    lease = await found(api, paths.leases(namespace, name))
    if lease is None:
        return Holder("", exists=False)
    spec = lease.get("spec") or {}
    return Holder(
        spec.get("holderIdentity") or "",
        max(0.0, (server_time(api) - _written(lease)).total_seconds()),
        float(spec.get("leaseDurationSeconds") or 15),
    )


def server_time(api: Api) -> datetime:
    """The API server's clock at its last answer, to the second; this machine's if it did not say."""
    return parsedate_to_datetime(api.date) if api.date else datetime.now(UTC)


def _written(lease: Mapping[str, Any]) -> datetime:
    """When the Lease last changed: by the API server's clock if it kept that, else by its holder's."""
    times = [entry.get("time") for entry in lease["metadata"].get("managedFields") or ()]
    times = [time for time in times if time] or [(lease.get("spec") or {}).get("renewTime")]
    known = [datetime.fromisoformat(time) for time in times if time]
    return max(known, default=datetime.fromtimestamp(0, UTC))
