"""Shows the steps of something long: a spinner with its time on a terminal, one line per step elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.emulation.testbed.report import Report


@contextmanager
def reporter(console: "Console") -> "Iterator[Report]":
    """A Report that prints each step with its seconds when the next begins."""
    with _Lines(console) if not console.is_terminal else _Spinner(console) as shown:
        yield shown


class _Lines:
    """One line per step as it begins."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.step = ""

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, step: str, detail: str = "") -> None:
        if step != self.step:
            self.console.print(f"- {step}", soft_wrap=True)
        self.step = step


class _Spinner:
    """A spinner for the step that lasts; a tick and its seconds for those that are over."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.step = ""
        self.began = time.monotonic()
        self.status = console.status("")

    def __enter__(self) -> "_Spinner":
        self.status.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over(failed=kind is not None)
        self.status.stop()

    def __call__(self, step: str, detail: str = "") -> None:
        if step != self.step:
            self._over()
            self.step, self.began = step, time.monotonic()
        self.status.update(f"{step} [dim]{detail}[/]" if detail else step)

    def _over(self, failed: bool = False) -> None:
        if self.step:
            mark = "[red]✗[/]" if failed else "[green]✓[/]"
            self.console.print(f"{mark} {self.step} [dim]{time.monotonic() - self.began:.1f} s[/]")
