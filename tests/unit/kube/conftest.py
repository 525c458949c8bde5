"""A real HTTP server in the test process, for situations that a real API server cannot produce."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from edgewright.kube.api import Api

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Script:
    """Answers requests by a list of answers, in order; the last one is repeated."""

    answers: deque[Answer] = field(default_factory=deque)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def then(self, *answers: Answer) -> "Script":
        self.answers.extend(answers)
        return self

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        self.bodies.append(await request.read())
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def fake_api(script: Script, tmp_path: Path) -> AsyncIterator[Api]:
    """A client of a server that plays `script`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    async with TestServer(app) as server:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        async with await Api.connect(str(tmp_path / "config"), timeout=2.0) as api:
            yield api


@pytest.fixture
def says() -> Callable[..., Answer]:
    """Makes an answer from a status, a JSON body and headers."""

    def make(status: int = 200, body: Any = None, **headers: str) -> Answer:
        async def answer(_: web.Request) -> web.StreamResponse:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.json_response(body if body is not None else {}, status=status, headers=names)

        return answer

    return make


@pytest.fixture
def refuses() -> Callable[..., Answer]:
    """Makes a refusal with a Kubernetes Status."""

    def make(status: int, reason: str, message: str = "no", **headers: str) -> Answer:
        async def answer(_: web.Request) -> web.StreamResponse:
            body = {
                "kind": "Status",
                "status": "Failure",
                "reason": reason,
                "message": message,
                "code": status,
            }
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.json_response(body, status=status, headers=names)

        return answer

    return make


@pytest.fixture
def streams() -> Callable[..., Answer]:
    """Makes a watch answer from events, which ends then, or stays open with `hold`."""

    def make(*events: dict[str, Any], hold: bool = False) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for event in events:
                await response.write(json.dumps(event).encode() + b"\n")
            if hold:
                await asyncio.Event().wait()  # until the server closes and cancels it
            return response

        return answer

    return make


@pytest.fixture
def drops() -> Answer:
    """An answer that closes the connection without a word."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    return answer
