"""What the operator asks the API server to find out that a watch went deaf."""

from collections.abc import Mapping
from typing import cast

import pytest

from edgewright.kube.api import Api
from edgewright.operator import work
from edgewright.operator.queue import KeyedQueue
from edgewright.operator.world import World


class Answering:
    """An API server with one answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def raw(self, method: str, path: str, *, params: Mapping[str, str], accept: str) -> bytes:
        assert (method, params) == ("GET", {"resourceVersion": "0"})
        assert "PartialObjectMetadataList" in accept
        return self._answer


@pytest.mark.parametrize(
    ("answer", "newest"),
    [
        (b'{"items": null}', 0),  # what a real API server says where there is none
        (b'{"items": []}', 0),
        (b'{"items": [{"metadata": {"resourceVersion": "9"}}, {"metadata": {"resourceVersion": "10"}}]}', 10),
        (b'{"items": [{"metadata": {"name": "a"}}, {"metadata": {"resourceVersion": "opaque"}}]}', 0),
    ],
)
async def test_the_newest_service_dag_on_the_server(answer: bytes, newest: int) -> None:
    queue: KeyedQueue[work.Work] = KeyedQueue(base=1, cap=1)
    assert await World(cast("Api", Answering(answer)), queue).newest_on_server() == newest
