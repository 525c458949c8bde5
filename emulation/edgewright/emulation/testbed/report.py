"""How the testbed says what it is doing, so that terminals, logs and tests each show it their way."""

from typing import Protocol


class Report(Protocol):
    """Receives every step that begins and, while it lasts, what it is at."""

    def __call__(self, step: str, detail: str = "") -> None:
        """`step` is one line; `detail` changes while the step lasts and may be dropped."""


def silent(step: str, detail: str = "") -> None:
    """Tell nobody."""
