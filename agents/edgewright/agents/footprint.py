"""Keeps the process small: one heap for few threads, and what loading took is given back to the system."""

import contextlib
import ctypes
import gc
import sys
from pathlib import Path
from typing import Any, cast

_M_ARENA_MAX = -8
"""glibc's parameter of `mallopt` for the number of heaps."""
_MADV_PAGEOUT = 21
"""Linux' advice that a range of memory will not be needed soon."""
_COMPILER = "libllvmlite"


def do_without_scipy() -> None:
    """Keep numba from loading scipy, which it does for linear algebra that no kernel uses: measured 17 MB.

    For a process of agents alone: nothing in it can import scipy afterwards.
    """
    cast("dict[str, Any]", sys.modules).setdefault("scipy", None)


def use_one_heap() -> None:
    """Let all threads share one heap: measured 18 MB less with 1,000 nodes. Does nothing without glibc."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system, after loading machine code or reading a region: measured 15 MB.

    What lives now is taken out of the garbage collector's sight, so that later collections are short.
    """
    gc.collect()
    gc.freeze()
    trim()
    _page_out_compiler()


def trim() -> None:
    """Return the free end of the heap to the system; a few milliseconds."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _page_out_compiler() -> None:
    """Let the pages of numba's compiler go, which loading the kernels touched: measured 60 MB.

    A later compilation reads them again from the file. Does nothing where there is no /proc.
    """
    with contextlib.suppress(AttributeError, OSError):
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for line in Path("/proc/self/maps").read_text().splitlines():
            if _COMPILER in line:
                start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
                madvise(start, end - start, _MADV_PAGEOUT)
