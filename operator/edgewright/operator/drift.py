"""Whether an object still is what was compiled, tolerant of the API server's defaults and spellings."""

import re
from collections.abc import Mapping
from typing import Any

from edgewright.kube import quantities

_QUANTITY = re.compile(quantities.PATTERN)


def covers(observed: Any, desired: Any) -> bool:
    """Whether every value of `desired` stands in `observed`; fields that only the server has do not matter.

    Lists must have equal length and order, `1000m` equals `1`, and an absent value equals an empty one.
    """
    if isinstance(desired, Mapping):
        if observed is None:
            return all(covers(None, value) for value in desired.values())
        return isinstance(observed, Mapping) and all(
            covers(observed.get(name), value) for name, value in desired.items()
        )
    if isinstance(desired, list):
        if not desired:
            return not observed
        return (
            isinstance(observed, list)
            and len(observed) == len(desired)
            and all(covers(a, b) for a, b in zip(observed, desired, strict=True))
        )
    if observed is None:
        return desired in (None, "", 0, False)
    return bool(observed == desired) or _same_quantity(observed, desired)


def _same_quantity(observed: Any, desired: Any) -> bool:
    if isinstance(observed, bool) or isinstance(desired, bool):
        return False
    texts = str(observed), str(desired)
    if not all(_QUANTITY.match(text) for text in texts):
        return False
    return quantities.exact(texts[0]) == quantities.exact(texts[1])
