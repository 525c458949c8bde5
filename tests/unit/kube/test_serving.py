"""The HTTP server of operator and agent, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from edgewright.kube.serving import ListenError, address, serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_metrics_liveness_and_readiness_are_served(session: aiohttp.ClientSession) -> None:
    port, standing = free_port(), (False, "waiting for its Lease")
    async with serving(f"127.0.0.1:{port}", lambda: standing):
        base = f"http://127.0.0.1:{port}"
        async with session.get(f"{base}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert "process_cpu_seconds_total" in await answer.text()
        async with session.get(f"{base}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "waiting for its Lease\n")
        standing = (True, "leading")
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "leading\n")
        async with session.post(f"{base}/metrics", data=b"x") as answer:
            assert answer.status == 405
        async with session.get(f"{base}/etc/passwd") as answer:
            assert answer.status == 404
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"{base}/healthz")


async def test_a_port_in_use_is_refused_with_the_address_in_the_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match=rf"--listen {listen}: .*in use.*choose another"):
            async with serving(listen, lambda: (True, "")):
                pass


async def test_a_host_that_is_not_here_is_refused() -> None:
    with pytest.raises(ListenError, match=r"--listen 192\.0\.2\.1:8080"):
        async with serving("192.0.2.1:8080", lambda: (True, "")):
            pass


@pytest.mark.parametrize(
    "listen",
    ["8080", ":8080", "localhost", "127.0.0.1:", "a:b", "127.0.0.1:70000", "http://x:1", "u@h:1", "h:1/x"],
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ListenError, match="give HOST:PORT"):
        address(listen)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8080", ("::1", 8080)), ("h:0", ("h", 0))],
)
def test_addresses(listen: str, expected: tuple[str, int]) -> None:
    assert address(listen) == expected


async def test_without_an_address_nothing_is_served() -> None:
    before = len(asyncio.all_tasks())
    async with serving("", lambda: (True, "")):
        assert len(asyncio.all_tasks()) == before
