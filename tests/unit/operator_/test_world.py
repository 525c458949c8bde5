"""The operator's picture stays true whatever order events, lists and answers come in."""

from collections.abc import Callable, Mapping
from typing import Any, cast

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
    assert await world_on(Answering(answer)).newest_on_server("servicedags") == newest


class Listing:
    """An API server with some objects by collection; `meanwhile` happens before it answers."""

    def __init__(self, **items: list[dict[str, Any]]) -> None:
        self.items_of = items
        self.meanwhile: Callable[[], None] = lambda: None

    async def items(self, path: str) -> list[dict[str, Any]]:
        self.meanwhile()
        return self.items_of[path.rpartition("/")[2]]


@pytest.fixture(params=["servicedags", "edgecontrollers"])
def picture(request: pytest.FixtureRequest) -> "Picture":
    return Picture(request.param)


class Picture:
    """One of our kinds in a World: what was told, and what is known then."""

    def __init__(self, plural: str) -> None:
        self.plural = plural
        self.server = Listing(servicedags=[], edgecontrollers=[])
        self.world = world_on(self.server)
        self.tell = self.world.see_dag if plural == "servicedags" else self.world.see_controller

    @property
    def known(self) -> tuple[str, int] | None:
        """Incarnation and generation of the object."""
        if self.plural == "edgecontrollers":
            controller = self.world.controllers.get(("region", "one"))
            return None if controller is None else (controller.uid, controller.generation)
        dag = self.world.dags.get(("region", "one"))
        return None if dag is None else (dag["metadata"]["uid"], dag["metadata"]["generation"])


def world_on(api: object) -> World:
    queue: KeyedQueue[work.Work] = KeyedQueue(base=1, cap=1)
    return World(cast("Api", api), queue)


def body(version: int, generation: int = 1, uid: str = "first") -> dict[str, Any]:
    metadata = {"namespace": "region", "name": "one", "uid": uid, "generation": generation}
    spec = {"nodeSelector": {"edgewright.dev/region": "one"}}
    return {"metadata": {**metadata, "resourceVersion": str(version)}, "spec": spec}


def test_an_answer_that_comes_after_a_newer_event_changes_nothing(picture: Picture) -> None:
    picture.tell("ADDED", body(1))
    picture.tell("MODIFIED", body(3, generation=2))
    picture.tell("ANSWERED", body(2))  # the status write came before the user's change, its answer after
    assert picture.known == ("first", 2)


def test_an_answer_does_not_bring_back_what_is_gone(picture: Picture) -> None:
    picture.tell("ADDED", body(1))
    picture.tell("DELETED", body(3))
    picture.tell("ANSWERED", body(2))
    assert picture.known is None


def test_the_end_of_an_incarnation_is_not_that_of_the_next(picture: Picture) -> None:
    picture.tell("ADDED", body(1))
    picture.tell("MODIFIED", body(4, uid="second"))
    picture.tell("DELETED", body(3))
    assert picture.known == ("second", 1)


async def test_a_list_without_an_object_forgets_it(picture: Picture) -> None:
    picture.tell("ADDED", body(1))
    await picture.world.resync()
    assert picture.known is None


async def test_what_comes_while_a_list_is_read_stays(picture: Picture) -> None:
    picture.server.meanwhile = lambda: picture.tell("ADDED", body(2))
    await picture.world.resync()
    assert picture.known == ("first", 1)


async def test_an_event_newer_than_the_list_stays(picture: Picture) -> None:
    picture.tell("ADDED", body(1))
    picture.server.items_of[picture.plural] = [body(1)]
    picture.server.meanwhile = lambda: picture.tell("MODIFIED", body(2, generation=2))
    await picture.world.resync()
    assert picture.known == ("first", 2)


async def test_a_list_of_a_restored_server_is_believed(picture: Picture) -> None:
    picture.tell("ADDED", body(900, generation=2))
    picture.server.items_of[picture.plural] = [body(500)]
    await picture.world.resync()
    assert picture.known == ("first", 1)
