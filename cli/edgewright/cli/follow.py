"""`--watch`: look again and again, redraw on a terminal, print each change into a pipe."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewright.cli.columns import Table

T = TypeVar("T")


async def follow(
    look: Callable[[], Awaitable[T]],
    plain: Callable[[T], Any],
    draw: Callable[[T], "RenderableType"],
    *,
    every: float = 1.0,
) -> None:
    """Until interrupted, `every` seconds: what `look` found is drawn if its `plain` form has changed."""
    from rich.console import Console
    from rich.live import Live

    console, printed = Console(), None
    live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
    with live or nullcontext():
        while True:
            found = await look()
            if live is not None:
                live.update(draw(found))
            elif (now := plain(found)) != printed:
                console.print(draw(found), soft_wrap=True)
                console.file.flush()
                printed = now
            await asyncio.sleep(every)


def drawn(table: "Table") -> "RenderableType":
    """A table for `follow`."""
    from rich.text import Text

    from edgewright.cli.columns import terminal_width

    lines = table.lines(terminal_width())
    text = Text("\n").join(Text(line, style="red" if wrong else "") for line, wrong in lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
