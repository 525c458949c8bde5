"""What the tests of the doctor share: its findings, waited for, and objects that are changed for a while."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.cluster.builders import until

from edgewright.cli.checks.finding import Cluster, Finding
from edgewright.cli.doctor import examine
from edgewright.cli.reading import Reader
from edgewright.kube import manifests
from edgewright.kube.api import Api

Report = list[tuple[str, Finding]]


async def asked(reader: Reader) -> Report:
    return await examine(Cluster(reader))


def said(report: Report, check: str) -> list[tuple[str, str]]:
    """(level, message) of what a check found, ok left out."""
    return [(str(f.level), f.message) for name, f in report if name == check and f.level != "ok"]


async def named(reader: Reader, check: str, level: str, *words: str, seconds: float = 30.0) -> None:
    """Wait until a check reports all `words` at `level`, with something to mend."""

    async def seen() -> Any:
        report = await asked(reader)
        found = [f for name, f in report if name == check and f.level == level]
        assert any(all(word in f.message for word in words) for f in found), said(report, check)
        assert all(f.mend for f in found), found
        return True

    await until(f"doctor's {check} names {words}", seen, seconds)


async def healthy(reader: Reader, seconds: float = 60.0) -> None:
    """Wait until the doctor finds nothing."""

    async def nothing() -> Any:
        bad = [(name, f.message) for name, f in await asked(reader) if f.level != "ok"]
        assert bad == []
        return True

    await until("the installation is well (again)", nothing, seconds)


@contextlib.asynccontextmanager
async def replaced(api: Api, path: str, change: Callable[[dict[str, Any]], None]) -> AsyncIterator[None]:
    """An object changed for the time of the block."""
    before = await api.get(path)
    body = json.loads(json.dumps(before))
    change(body)
    await api.replace(path, body)
    try:
        yield
    finally:
        now = await api.get(path)
        now.update({name: part for name, part in before.items() if name not in {"metadata", "status"}})
        now["metadata"]["labels"] = before["metadata"].get("labels", {})
        now["metadata"]["annotations"] = before["metadata"].get("annotations", {})
        await api.replace(path, now)


@contextlib.asynccontextmanager
async def without(api: Api, path: str) -> AsyncIterator[None]:
    """An object of the manifests deleted for the time of the block."""
    await api.delete(path)
    try:
        yield
    finally:
        await manifests.install(api)
