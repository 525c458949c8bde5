"""A client for commands that only look, and what they make of lists that they may not read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError

FORBIDDEN, MISSING = {401, 403}, 404


class Reader(Api):
    """Sends nothing but GET, whatever the code that uses it tries."""

    async def raw(self, method: str, path: str, **rest: Any) -> bytes:
        """As Api; any other method is an ApiError `ReadOnly`."""
        if method != "GET":
            raise ApiError(0, "ReadOnly", f"{method} {path}: this command only reads")
        return await super().raw(method, path, **rest)


@dataclass(frozen=True)
class Seen:
    """What a list held, or why it is not known."""

    items: tuple[Mapping[str, Any], ...] = ()
    unknown: str = ""
    """Empty: it was read."""


async def seen(api: Api, path: str, **params: str) -> Seen:
    """A collection; what may not be read, or is of a kind that is not installed, is unknown, no error."""
    try:
        return Seen(tuple(await api.items(path, **params)))
    except ApiError as error:
        if error.status in FORBIDDEN:
            return Seen(unknown="not allowed to look")
        if error.status == MISSING:
            return Seen(unknown="the kind is not installed")
        raise


async def found(api: Api, path: str) -> Mapping[str, Any] | None:
    """One object, None if it does not exist; ApiError otherwise, also if it may not be read."""
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status == MISSING:
            return None
        raise
