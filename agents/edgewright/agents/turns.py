"""Whose turn it is: DAGs by priority and age, with a backoff for those that found no place."""

from dataclasses import dataclass

STARVING = 30.0
"""Seconds that a DAG may wait for its turn before it goes first, whatever its priority."""
_BACKOFF = (1.0, 60.0)

Key = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    priority: int
    created: float
    waiting: float | None = None
    """Since when it wants a decision; None when it wants none."""
    failures: int = 0
    tried: float = float("-inf")
    due: float = 0.0
    """No decision before this time."""


class Turns:
    """Orders decisions; all times are seconds of one monotonic clock that the caller passes in.

    Every DAG that waits gets a turn: by priority, then age, but first of all those that have been due for
    STARVING seconds. One that cannot be placed leaves the line until its backoff ends, or until capacity was
    freed and a pause has passed that grows with its failures, so that it never blocks the ones behind it.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}

    def __len__(self) -> int:
        """How many DAGs wait for a decision."""
        return sum(entry.waiting is not None for entry in self._entries.values())

    def ask(self, key: Key, *, priority: int, created: float, now: float) -> None:
        """Note that the DAG has pods to place; asking again changes nothing but its rank."""
        entry = self._entries.setdefault(key, _Entry(priority, created))
        entry.priority, entry.created = priority, created
        if entry.waiting is None:
            entry.waiting = now

    def drop(self, key: Key) -> None:
        """Forget the DAG."""
        self._entries.pop(key, None)

    def settled(self, key: Key) -> None:
        """The DAG has nothing more to place; its failures are forgotten."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.waiting, entry.failures, entry.due = None, 0, 0.0

    def reset(self, key: Key) -> None:
        """The DAG itself changed: what failed before proves nothing now."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.failures, entry.due = 0, 0.0

    def failed(self, key: Key, now: float, most: float | None = None) -> float:
        """No place was found; returns the seconds until the next try, at most `most` if given."""
        entry = self._entries.get(key)
        if entry is None:
            return 0.0
        entry.failures += 1
        pause = min(_BACKOFF[1] if most is None else most, _BACKOFF[0] * 2.0 ** (entry.failures - 1))
        entry.tried, entry.due, entry.waiting = now, now + pause, now + pause
        return pause

    def freed(self, now: float) -> None:
        """Capacity was freed or changed: try those backing off again, the less often the more they failed."""
        for entry in self._entries.values():
            if entry.waiting is not None and entry.due > now:
                pause = min(5.0, 0.5 * entry.failures)
                entry.due = min(entry.due, max(now, entry.tried + pause))
                entry.waiting = min(entry.waiting, entry.due)

    def next(self, now: float) -> Key | None:
        """The DAG whose turn it is, if one is due."""
        due = [(k, e, e.waiting) for k, e in self._entries.items() if e.waiting is not None and e.due <= now]
        if not due:
            return None
        starving = [(since, k) for k, e, since in due if now - max(since, e.due) > STARVING]
        if starving:
            return min(starving)[1]
        return min(due, key=lambda item: (-item[1].priority, item[1].created, item[0]))[0]

    def others_due(self, key: Key, now: float) -> bool:
        """Whether another DAG than `key` waits for its turn now."""
        return any(e.waiting is not None and e.due <= now for k, e in self._entries.items() if k != key)

    def delay(self, now: float) -> float | None:
        """Seconds until a DAG is due, 0 if one is, None if none waits."""
        dues = [entry.due for entry in self._entries.values() if entry.waiting is not None]
        return max(0.0, min(dues) - now) if dues else None
