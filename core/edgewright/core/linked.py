"""Kernels that were linked into a library (`images/link.py`), for an installation without numba."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from edgewright.core.sources import digest

_REMEDY = "install numba, which compiles it, or use an image of Edgewright"
try:
    from edgewright.core import _kernels  # type: ignore[attr-defined]
except ImportError as error:
    raise ImportError(f"no kernel has machine code here ({error}): {_REMEDY}") from error
if digest(Path(__file__).parent) != _kernels.DIGEST:
    raise ImportError(f"{_kernels.__file__} was linked from other kernels than these: link it again")

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Leave as it is what only kernels call: their machine code contains it."""
    return function


inlined = kernel


def entry(function: Function) -> Function:
    """The machine code of `function`; where it is not linked, what raises ImportError when called."""
    name = f"{function.__module__}.{function.__qualname__}"

    def missing(*_: object) -> None:
        raise ImportError(f"kernel {name} is not linked into {_kernels.__file__}: {_REMEDY}")

    return cast("Function", getattr(_kernels, name, missing))
