"""The one door to numba: compiles a numeric function to machine code, cached on disk between processes."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_FOLDER = Path(__file__).parent


def _cache_folder() -> Path:
    """Where machine code of exactly these kernels is kept: numba alone would not notice a changed callee."""
    sources = [source.read_bytes() for source in sorted(_FOLDER.glob("*.py"))]
    kernels = b"".join(source for source in sources if b"core.kernel import" in source)
    return _FOLDER / "__pycache__" / f"kernels-{hashlib.sha256(kernels).hexdigest()[:16]}"


if not numba.config.CACHE_DIR and os.access(_FOLDER, os.W_OK):
    numba.config.CACHE_DIR = str(_cache_folder())

Function = TypeVar("Function", bound=Callable[..., Any])


OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}, "_nrt": False}


def kernel(function: Function) -> Function:
    """Compile `function`, to be called by other kernels only.

    Floating point keeps infinities; division by zero gives them. Kernels work in arrays that they are given
    and allocate none, so reference counting is off: it would cost several times the arithmetic.
    """
    compiled = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function)
    return cast("Function", compiled)


_ENTRIES: list[Any] = []


def entry(function: Function) -> Function:
    """Compile `function` as a kernel that Python calls, and no other kernel."""
    compiled = numba.njit(no_cfunc_wrapper=True, **OPTIONS)(function)
    _ENTRIES.append(compiled)
    return cast("Function", compiled)


def forget_intermediate_code() -> None:
    """Drop what numba keeps of loaded entries only to inline them into other kernels: measured 27 MB."""
    for compiled in _ENTRIES:
        for result in compiled.overloads.values():
            result.library._shared_module = None  # numba has no public way
