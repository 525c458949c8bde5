"""What a binding does that no API server is needed for."""

from typing import Any

from edgewright.agents.binding import Outcome, Target, bind


async def test_who_lost_the_lease_binds_nothing() -> None:
    nobody: Any = None  # any request would fail
    [result] = await bind(nobody, [Target("ns", "pod", "uid", "node")], leading=lambda: False)
    assert result.outcome is Outcome.FAILED
    assert "lost its Lease" in result.message
