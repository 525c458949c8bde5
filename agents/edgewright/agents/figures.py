"""Reports the agent's figures in its EdgeController's status: seldom, and only what really changed."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from edgewright.agents.pace import Pace
from edgewright.agents.policy import FALLBACK, unavailable
from edgewright.agents.region import Region
from edgewright.kube import conditions, paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.names import API_VERSION, MANAGER_AGENT

INTERVAL = 10.0
"""Least seconds between two writes; one object is written again, however many ServiceDAGs there are."""
TOLERANCE = 0.2
"""Relative change of a figure that is worth a write."""
FIELDS = ("algorithm", "algorithmReason", "decisionsPerSecond", "p99DecisionMs", "lastError")
"""What the agent writes of the status (manifests/admission/agent-status.yaml lets it write nothing else)."""
_LONGEST = 512
_log = logging.getLogger(__name__)


class Figures:
    """What one region's agent says of itself."""

    def __init__(self, api: Api, region: Region, pace: Pace, auto: str) -> None:
        """`auto`: the policy that `algorithm: auto` means here."""
        self._api, self._region, self._pace, self._auto = api, region, pace, auto
        self._error: Mapping[str, str] | None = None
        self._refusal = ""

    def note_error(self, message: str) -> None:
        """Something went wrong; the same words again are told with the time of the first."""
        if self._error is None or self._error.get("message") != message[:_LONGEST]:
            self._error = {"message": message[:_LONGEST], "at": conditions.now()}

    def read(self) -> dict[str, Any]:
        """The figures now, as in the EdgeController's status."""
        asked = self._region.terrain.grant.algorithm
        rate, p99 = self._pace.read()
        figures: dict[str, Any] = {**in_use(asked, self._auto), "decisionsPerSecond": round(rate, 2)}
        if p99 is not None:
            figures["p99DecisionMs"] = float(f"{1000 * p99:.3g}")
        if self._error is not None:
            figures["lastError"] = self._error
        return figures

    async def run(self, status: Mapping[str, Any]) -> None:
        """Write until cancelled; `status` is what the EdgeController says now, by the agent before us."""
        self._error = self._error or status.get("lastError")
        written: Mapping[str, Any] = {name: status[name] for name in FIELDS if name in status}
        while True:
            figures = self.read()
            if worth_writing(written, figures) and await self._write(figures):
                written = figures
            await asyncio.sleep(INTERVAL)

    async def _write(self, figures: Mapping[str, Any]) -> bool:
        namespace, name = self._region.key
        body = {
            "apiVersion": API_VERSION,
            "kind": "EdgeController",
            "metadata": {"namespace": namespace, "name": name},
            "status": figures,
        }
        try:
            await self._api.apply(
                paths.edge_controllers(namespace, name, "status"), body, manager=MANAGER_AGENT
            )
        except ApiError as error:
            if str(error) != self._refusal:
                self._refusal = str(error)
                _log.warning("status of EdgeController %s/%s: %s", namespace, name, error)
            return False
        self._refusal = ""
        return True


def in_use(asked: str, auto: str = FALLBACK) -> dict[str, str]:
    """The algorithm that ServiceDAGs with `algorithm: auto` get, and why."""
    if asked == "auto":
        return {
            "algorithm": auto[:32],
            "algorithmReason": f"spec.algorithm is auto, which means {auto}"[:256],
        }
    why = unavailable(asked)
    if why:
        return {"algorithm": FALLBACK, "algorithmReason": f"spec.algorithm asks for {asked}, but {why}"}
    return {"algorithm": asked, "algorithmReason": f"spec.algorithm asks for {asked}"}


def worth_writing(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether anything but a small change of a figure happened."""
    if before.keys() != now.keys():
        return True
    return any(_moved(before[name], value) for name, value in now.items())


def _moved(before: Any, now: Any) -> bool:
    if isinstance(before, int | float) and isinstance(now, float):
        return abs(now - before) > TOLERANCE * max(abs(before), abs(now))
    return bool(before != now)
