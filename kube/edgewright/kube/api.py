"""A small Kubernetes API client: JSON bytes in and out, configuration and tokens by `kubernetes.aio`."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

import msgspec

from edgewright.kube.credentials import Source
from edgewright.kube.errors import ApiError, refusal

if TYPE_CHECKING:
    import aiohttp

_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_ATTEMPTS = 4
_RETRY_AFTER_CAP = 10.0
_RELOAD_INTERVAL = 5.0
_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})


Observe = Callable[[str, int, float], None]

__all__ = ["Api", "ApiError"]


class Api:
    """One connection pool to one API server as one user; use `connect` and close it, or `async with`."""

    def __init__(
        self,
        session: "aiohttp.ClientSession",
        configuration: Any,
        *,
        source: Source,
        timeout: float = 30.0,
        connections: int = 32,
        observe: Observe | None = None,
    ) -> None:
        self.date = ""
        """The API server's clock in its last answer, as the header `Date` writes it."""
        self._session = session
        self._configuration = configuration
        self._source = source
        self._timeout = timeout
        self._observe = observe
        self._slots = asyncio.Semaphore(connections)
        self._reloaded = float("-inf")

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        connections: int = 32,
        timeout: float = 30.0,  # noqa: ASYNC109 - the default of each request, not of this call
        observe: Observe | None = None,
    ) -> Self:
        """Client for `kubeconfig`, else $KUBECONFIG, else in-cluster, else ~/.kube/config; makes no request.

        `connections` bounds the concurrent requests (watches are not counted), `timeout` is in seconds;
        `observe` hears of every request that was answered or failed (method, status or 0, seconds).
        Raises ApiError with status 0 and reason `NoConfiguration` if none is found or it cannot be read.
        """
        import aiohttp  # noqa: PLC0415 - two seconds of imports that the command line must not pay at start
        from kubernetes.aio.client import rest  # noqa: PLC0415

        source = Source.find(kubeconfig, context)
        configuration = await source.load()
        transport = rest.RESTClientObject(configuration)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=transport.ssl_context),
            headers={"User-Agent": "edgewright", "Accept": "application/json"},
            read_bufsize=2**18,
            trust_env=not _loopback(str(configuration.host)),
        )
        return cls(
            session, configuration, source=source, timeout=timeout, connections=connections, observe=observe
        )

    async def close(self) -> None:
        """Close the connections; running requests and watches fail."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self._configuration.host)

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        """GET one object or one page of a collection."""
        return _decoded(await self.raw("GET", path, params=params))

    async def items(self, path: str, **params: str) -> list[dict[str, Any]]:
        """All items of a collection, read in pages of 500 of one consistent snapshot."""
        found: list[dict[str, Any]] = []
        query = {"limit": "500", **params}
        while True:
            page = await self.get(path, **query)
            found += page.get("items") or []
            token = page.get("metadata", {}).get("continue")
            if not token:
                return found
            query = {**query, "continue": token}

    async def create(self, path: str, body: Mapping[str, Any], **params: str) -> dict[str, Any]:
        """POST an object (or a subresource such as `binding`); never repeated, whatever the error."""
        return _decoded(await self.raw("POST", path, params=params, body=msgspec.json.encode(body)))

    async def replace(self, path: str, body: Mapping[str, Any], **params: str) -> dict[str, Any]:
        """PUT an object; with `metadata.resourceVersion` in the body a concurrent change is a 409."""
        return _decoded(await self.raw("PUT", path, params=params, body=msgspec.json.encode(body)))

    async def apply(
        self, path: str, body: Mapping[str, Any], *, manager: str, force: bool = True, **params: str
    ) -> dict[str, Any]:
        """Server-side apply; `path` names the object and may end in `/status`."""
        query = {"fieldManager": manager, "force": "true" if force else "false", **params}
        return _decoded(
            await self.raw(
                "PATCH",
                path,
                params=query,
                body=msgspec.json.encode(body),
                content_type="application/apply-patch+yaml",
                idempotent=True,
            )
        )

    async def patch(
        self, path: str, body: Any, *, kind: Literal["merge", "strategic", "json"] = "merge", **params: str
    ) -> dict[str, Any]:
        """PATCH an object; only a merge patch is repeated after a connection error."""
        return _decoded(
            await self.raw(
                "PATCH",
                path,
                params=params,
                body=msgspec.json.encode(body),
                content_type=_PATCH_TYPES[kind],
                idempotent=kind == "merge",
            )
        )

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str | None = None,
        missing_ok: bool = False,
        **params: str,
    ) -> None:
        """DELETE an object, only if it still has `uid` when given (else a 409); `grace` is in seconds.

        A 404 raises unless `missing_ok`.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation is not None:
            options["propagationPolicy"] = propagation
        try:
            await self.raw("DELETE", path, params=params, body=msgspec.json.encode(options))
        except ApiError as error:
            if not (missing_ok and error.status == 404):
                raise

    async def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,  # noqa: ASYNC109 - handed to aiohttp
        idempotent: bool | None = None,
        accept: str = "application/json",
    ) -> bytes:
        """Send one request and return the answer's body.

        `idempotent` (default: GET, PUT and DELETE are) allows up to three repeats after a connection error or
        an answer 429 or 5xx that carries Retry-After; a POST is sent once. A 401 reloads the credentials once
        and repeats any method, because nothing was done. Raises ApiError.
        """
        repeat = method in _IDEMPOTENT if idempotent is None else idempotent
        for attempt in range(_ATTEMPTS):
            last = attempt + 1 == _ATTEMPTS
            try:
                async with self._slots:
                    return await self._observed(
                        method,
                        path,
                        params,
                        body,
                        content_type=content_type,
                        timeout=timeout,
                        accept=accept,
                    )
            except ApiError as error:
                if error.status == 401 and not last and await self._reload():
                    continue
                retryable = error.unanswered or (
                    error.retry_after is not None and (error.status == 429 or error.status >= 500)
                )
                if last or not repeat or not retryable or error.reason == "Closed":
                    raise
                delay = 0.1 * 2**attempt if error.retry_after is None else error.retry_after
                delay = min(delay, _RETRY_AFTER_CAP)
            await asyncio.sleep(delay * random.uniform(1.0, 1.3))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _observed(self, method: str, *args: Any, **kwargs: Any) -> bytes:
        if self._observe is None:
            return await self._once(method, *args, **kwargs)
        started, status = time.monotonic(), 0
        try:
            content = await self._once(method, *args, **kwargs)
            status = 200
        except ApiError as error:
            status = error.status
            raise
        finally:
            self._observe(method, status, time.monotonic() - started)
        return content

    async def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        *,
        content_type: str,
        timeout: float | None,  # noqa: ASYNC109
        accept: str,
    ) -> bytes:
        import aiohttp  # noqa: PLC0415

        self._check_open(f"{method} {path}")
        limit = aiohttp.ClientTimeout(total=timeout or self._timeout, sock_connect=5.0)
        with _connection_errors(f"{method} {path}"):
            headers = await self._headers()
            headers["Accept"] = accept
            if body is not None:
                headers["Content-Type"] = content_type
            async with self._session.request(
                method,
                self.server + path,
                params=params,
                data=body,
                headers=headers,
                timeout=limit,
                **self._connection(),
            ) as response:
                content = await response.read()
                self.date = response.headers.get("Date", "")
                if response.status >= 400:
                    raise refusal(response.status, response.headers.get("Retry-After"), content)
                return content

    @contextlib.asynccontextmanager
    async def watch(
        self,
        path: str,
        *,
        resource_version: str,
        idle: float = 90.0,
        seconds: int = 300,
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch with bookmarks; the value is an async iterator of event lines (JSON, one per line).

        The server ends it after `seconds`; more than `idle` seconds without a byte raise ApiError (status 0,
        `Timeout`), because bookmarks come about once a minute. Errors inside the stream are events of type
        ERROR; a refusal to start raises ApiError (410 if `resource_version` is too old).
        """
        import aiohttp  # noqa: PLC0415

        query = {
            **(params or {}),
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        self._check_open(f"watch {path}")
        limit = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=idle)
        async with contextlib.AsyncExitStack() as stack:
            for attempt in range(2):
                headers = await self._headers()
                with _connection_errors(f"watch {path}"):
                    response = await stack.enter_async_context(
                        self._session.get(
                            self.server + path,
                            params=query,
                            headers=headers,
                            timeout=limit,
                            **self._connection(),
                        )
                    )
                    if response.status < 400:
                        break
                    error = refusal(
                        response.status, response.headers.get("Retry-After"), await response.read()
                    )
                if error.status != 401 or attempt > 0 or not await self._reload():
                    raise error
            yield _lines(response.content, f"watch {path}")

    def _check_open(self, what: str) -> None:
        if self._session.closed:
            raise ApiError(0, "Closed", f"{what}: the client was closed")

    async def _headers(self) -> dict[str, str]:
        auth = await self._configuration.auth_settings()
        return {setting["key"]: setting["value"] for setting in auth.values() if setting["value"]}

    def _connection(self) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if self._configuration.tls_server_name:
            extra["server_hostname"] = self._configuration.tls_server_name
        if self._configuration.proxy:
            extra["proxy"] = self._configuration.proxy
        return extra

    async def _reload(self) -> bool:
        now = time.monotonic()
        if now - self._reloaded < _RELOAD_INTERVAL:
            return False
        self._reloaded = now
        fresh = await self._source.load()
        self._configuration.api_key = fresh.api_key
        self._configuration.refresh_api_key_hook = fresh.refresh_api_key_hook
        return True


def _loopback(server: str) -> bool:
    """Whether the API server is on this machine, where the environment's proxies have no business."""
    host = urlsplit(server).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


@contextlib.contextmanager
def _connection_errors(what: str) -> Iterator[None]:
    import aiohttp  # noqa: PLC0415

    try:
        yield
    except TimeoutError as error:
        raise ApiError(0, "Timeout", f"{what}: no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ApiError(0, "Unreachable", f"{what}: {error or type(error).__name__}") from error


async def _lines(stream: "aiohttp.StreamReader", what: str) -> AsyncIterator[bytes]:
    rest = b""
    with _connection_errors(what):
        async for chunk in stream.iter_any():
            *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else [rest + chunk]
            for line in lines:
                if line:
                    yield line


def _decoded(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content, type=dict[str, Any]) if content else {}
