"""Asks Prometheus how users' requests fare, all ServiceDAGs in one question, and says so when it cannot."""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgewright.kube.conditions import now
from edgewright.operator.claims import Key
from edgewright.operator.log import log
from edgewright.operator.measurement import Measurement, NonsenseError, moved, question, read
from edgewright.operator.metrics import OBSERVATION, OBSERVATIONS
from edgewright.operator.settings import prometheus_url

PATIENCE = 3
"""Failed questions in a row after which what was measured before is not believed any more."""
TIMEOUT = 10.0
"""Seconds for one answer."""
LARGEST = 32 * 2**20
"""Bytes of an answer; a thousand ServiceDAGs take about 5 MB."""


class UnreachableError(RuntimeError):
    """No answer, or one that says that Prometheus cannot answer."""


class Observer:
    """Keeps what was measured; `changed` hears which ServiceDAGs must be judged again."""

    def __init__(
        self,
        url: str,
        *,
        window: float,
        interval: float,
        timeout: float = TIMEOUT,
        credentials: str = "",
        known: Callable[[], Collection[Key]],
        changed: Callable[[Mapping[Key, Measurement], set[Key]], None],
    ) -> None:
        self._url, self._window, self._interval = prometheus_url(url), window, interval
        self._known, self._changed, self._timeout = known, changed, timeout
        self._credentials = credentials
        self._told: dict[Key, dict[str, Any]] = {}
        self._failures = 0
        self._said = ""
        for result in ("ok", "unreachable", "nonsense"):  # from 0, so that the first is seen as a rise
            OBSERVATIONS.of(result)

    async def run(self) -> None:
        """Ask until cancelled."""
        import aiohttp  # noqa: PLC0415 - only who asks pays for it

        limit = aiohttp.ClientTimeout(total=self._timeout)
        local = (urlsplit(self._url).hostname or "") in {"localhost", "127.0.0.1", "::1"}
        async with aiohttp.ClientSession(timeout=limit, trust_env=not local) as session:
            while True:
                try:
                    await self._look(session)
                except Exception:  # nothing that is observed is worth the operator
                    log.exception("observing failed; it is tried again")
                await asyncio.sleep(self._interval)

    async def _look(self, session: Any) -> None:
        started = time.perf_counter()
        try:
            measured = read(await self._ask(session), self._known(), now(), self._window)
        except UnreachableError as error:
            self._failed("unreachable", str(error))
        except NonsenseError as error:
            self._failed("nonsense", str(error))
        else:
            OBSERVATION.of().observe(time.perf_counter() - started)
            OBSERVATIONS.of("ok").inc()
            if self._said:
                log.info("Prometheus at %s answers again", self._url)
            self._failures, self._said = 0, ""
            self._take(measured)

    def _failed(self, result: str, why: str) -> None:
        OBSERVATIONS.of(result).inc()
        self._failures += 1
        if result != self._said:
            self._said = result
            log.warning("Prometheus at %s is %s (%s)", self._url, result, why)
        if self._failures == PATIENCE:
            log.warning("QoSMet is judged by predictions until Prometheus answers again")
            self._take({})

    def _take(self, measured: Mapping[Key, Measurement]) -> None:
        """Pass measurements on, with the keys of those that moved since they were last told."""
        told = {key: made.status(95.0) for key, made in measured.items()}
        dirty = {key for key in told.keys() | self._told.keys() if moved(self._told.get(key), told.get(key))}
        self._told = {key: told[key] if key in dirty else self._told[key] for key in told}
        self._changed(measured, dirty)

    async def _ask(self, session: Any) -> bytes:
        import aiohttp  # noqa: PLC0415

        content = bytearray()
        url, query = f"{self._url}/api/v1/query", {"query": question(self._window)}
        # Read every time: a Secret that is changed reaches its mounted files.
        headers = await asyncio.to_thread(authorization, self._credentials)
        try:
            async with session.get(url, params=query, headers=headers) as answer:
                async for chunk in answer.content.iter_chunked(2**16):
                    content += chunk
                    if len(content) > LARGEST:
                        raise NonsenseError(f"an answer of more than {LARGEST >> 20} MiB")
                if answer.status != 200:
                    raise UnreachableError(f"HTTP {answer.status}: {bytes(content[:200])!r}")
        except TimeoutError as error:
            raise UnreachableError(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        return bytes(content)


def authorization(folder: str) -> dict[str, str]:
    """The header for the files of a mounted Secret, `token` or `username` and `password`; none for no folder.

    Raises UnreachableError if neither is there.
    """
    if not folder:
        return {}
    token, *pair = (Path(folder, name) for name in ("token", "username", "password"))
    try:
        if token.exists():
            return {"Authorization": f"Bearer {token.read_text().strip()}"}
        user, password = (each.read_text().rstrip("\r\n") for each in pair)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreachableError(
            f"--prometheus-credentials {folder} has neither a file token nor username and password: {error}"
        ) from error
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
