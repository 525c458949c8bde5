"""What the API server refused or did not answer, with the fields of the Kubernetes `Status` object."""

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec


class ApiError(Exception):
    """A refused or unanswered request, with the fields of the Kubernetes `Status` object.

    `status` is the HTTP status, or 0 if no answer came (`reason` is then `Unreachable`, `Timeout`, `Closed`):
    a write may then have happened or not. `details` names the object and its `causes`.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else f"{message} ({reason})")
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after

    @property
    def unanswered(self) -> bool:
        """Whether no answer came, so that the outcome of a write is unknown."""
        return self.status == 0


class _Status(msgspec.Struct):
    reason: str = ""
    message: str = ""
    details: dict[str, Any] | None = None
    code: int = 0


def refusal(status: int, retry_after: str | None, content: bytes) -> ApiError:
    """ApiError of an answer with `status` >= 400, its Retry-After header (seconds) and its body."""
    seconds: float | None = None
    if retry_after is not None:
        with contextlib.suppress(ValueError):
            seconds = float(retry_after)
    try:
        answer = msgspec.json.decode(content, type=_Status)
    except (msgspec.DecodeError, msgspec.ValidationError):
        answer = _Status(message=content[:300].decode(errors="replace").strip())
    return ApiError(
        status, answer.reason or "Unknown", answer.message or f"HTTP {status}", answer.details, seconds
    )
