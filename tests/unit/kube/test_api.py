import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.kube.api import Api, ApiError

Make = Callable[..., Any]


async def test_a_refusal_carries_the_fields_of_the_status(fake_api: Api, script: Any, refuses: Make) -> None:
    script.then(refuses(403, "Forbidden", "pods is forbidden"))
    with pytest.raises(ApiError) as caught:
        await fake_api.get("/api/v1/pods")
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert "pods is forbidden" in str(caught.value)


async def test_a_busy_server_is_asked_again_after_the_time_it_names(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(refuses(429, "TooManyRequests", Retry_After="1"), says(body={"kind": "Pod"}))
    asked = time.monotonic()
    assert await fake_api.get("/api/v1/pods") == {"kind": "Pod"}
    assert time.monotonic() - asked >= 1.0


async def test_repeats_are_bounded(fake_api: Api, script: Any, refuses: Make) -> None:
    script.then(refuses(503, "ServiceUnavailable", Retry_After="0"))
    with pytest.raises(ApiError):
        await fake_api.get("/api/v1/pods")
    assert len(script.requests) == 4


@pytest.mark.parametrize("answer", ["busy", "dropped"])
async def test_a_create_is_never_repeated(
    fake_api: Api, script: Any, refuses: Make, drops: Any, answer: str
) -> None:
    script.then(refuses(429, "TooManyRequests", Retry_After="0") if answer == "busy" else drops)
    with pytest.raises(ApiError) as caught:
        await fake_api.create("/api/v1/namespaces/a/pods", {"kind": "Pod"})
    assert len(script.requests) == 1
    assert caught.value.unanswered == (answer == "dropped")


async def test_reads_and_applies_survive_a_dropped_connection(
    fake_api: Api, script: Any, says: Make, drops: Any
) -> None:
    script.then(drops, says(body={"n": 1}), drops, says(body={"n": 2}))
    assert await fake_api.get("/x") == {"n": 1}
    assert await fake_api.apply("/x", {"a": 1}, manager="me") == {"n": 2}
    assert script.requests[-1] == ("PATCH", "/x", {"fieldManager": "me", "force": "true"})


async def test_json_patches_are_not_repeated(fake_api: Api, script: Any, drops: Any) -> None:
    script.then(drops)
    with pytest.raises(ApiError):
        await fake_api.patch("/x", [{"op": "add"}], kind="json")
    assert len(script.requests) == 1


async def test_a_rejected_token_is_read_again_and_the_request_repeated(
    fake_api: Api, script: Any, says: Make, refuses: Make
) -> None:
    script.then(refuses(401, "Unauthorized"), says(201, {"n": 1}))
    assert await fake_api.create("/x", {}) == {"n": 1}


async def test_a_token_that_stays_rejected_is_an_error(fake_api: Api, script: Any, refuses: Make) -> None:
    script.then(refuses(401, "Unauthorized"))
    with pytest.raises(ApiError, match="401"):
        await fake_api.get("/x")
    assert len(script.requests) == 2


async def test_pages_are_read_to_the_end(fake_api: Api, script: Any, says: Make) -> None:
    script.then(
        says(body={"metadata": {"continue": "more"}, "items": [{"n": 1}]}),
        says(body={"metadata": {}, "items": [{"n": 2}]}),
    )
    assert [item["n"] for item in await fake_api.items("/x")] == [1, 2]
    assert script.requests[1][2]["continue"] == "more"


async def test_a_missing_object_is_ignored_only_when_asked(fake_api: Api, script: Any, refuses: Make) -> None:
    script.then(refuses(404, "NotFound"))
    await fake_api.delete("/x", uid="u", grace=3, missing_ok=True)
    assert b'"preconditions":{"uid":"u"}' in script.bodies[0]
    with pytest.raises(ApiError):
        await fake_api.delete("/x")


async def test_a_missing_kubeconfig_says_what_to_do() -> None:
    with pytest.raises(ApiError, match="--kubeconfig") as caught:
        await Api.connect("/nowhere/config")
    assert caught.value.reason == "NoConfiguration"


async def test_proxies_of_the_environment_are_not_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, fake_api: Api, script: Any, says: Make, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    script.then(says(body={"n": 1}))
    async with await Api.connect(str(tmp_path / "config")) as api:
        assert await api.get("/x") == {"n": 1}
