"""What a binding does that no API server is needed for."""

from typing import Any

import pytest

from edgewright.agents.binding import Outcome, Target, bind, rehearse
from edgewright.kube.errors import ApiError


async def test_who_lost_the_lease_binds_nothing() -> None:
    nobody: Any = None  # any request would fail
    [result] = await bind(nobody, [Target("ns", "pod", "uid", "node")], leading=lambda: False)
    assert result.outcome is Outcome.FAILED
    assert "lost its Lease" in result.message


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ('User "agent" cannot create resource "pods/binding" in API group ""', Outcome.FAILED),
        ("denied request: node n is not granted to agent", Outcome.REFUSED),
    ],
)
async def test_a_server_that_does_not_know_its_roles_yet_says_nothing_of_the_node(
    said: str, outcome: Outcome
) -> None:
    class Api:
        async def raw(self, *_: Any, **__: Any) -> bytes:
            raise ApiError(403, "Forbidden", said)

    api: Any = Api()
    target = Target("ns", "pod", "uid", "node")
    [rehearsed], [bound] = await rehearse(api, [target]), await bind(api, [target], lambda: True)
    assert rehearsed.outcome is bound.outcome is outcome
