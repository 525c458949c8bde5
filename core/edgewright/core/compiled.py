"""Compiles kernels with numba; their machine code is cached on disk between processes."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite.binding import get_host_cpu_features
from numba.core import types
from numba.np import arrayobj

from edgewright.core.sources import digest

_FOLDER = Path(__file__).parent


def _cache_folder() -> Path:
    """Where machine code of exactly these kernels is kept."""
    return _FOLDER / "__pycache__" / f"kernels-{digest(_FOLDER)}"


def _own_copy(prepared: Path) -> Path:
    """This user's copy of machine code that came with a read-only installation, such as an image.

    numba reads no folder that it cannot write to. Copying takes hundredths of a second, compiling a minute.
    Raises OSError if another user owns the place: numba runs what it finds there.
    """
    place = Path(tempfile.gettempdir()) / f"edgewright-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise PermissionError(f"{place} is not a folder of this user alone: remove it")
    copy = place / prepared.name
    if not copy.exists():
        fresh = tempfile.mkdtemp(dir=place)
        shutil.copytree(prepared, fresh, dirs_exist_ok=True)
        with contextlib.suppress(OSError):  # another process was faster
            Path(fresh).rename(copy)
    return copy


LEVEL = "x86-64-v3"
"""The processors of about 2013 and later."""
_NEEDS = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")


def _processor() -> str:
    """What to compile for: never this very processor (docs/decisions/0002-numba-kernels.md)."""
    here = get_host_cpu_features()
    return LEVEL if all(here.get(feature) for feature in _NEEDS) else "generic"


if not numba.config.CPU_NAME:
    numba.config.CPU_NAME = _processor()
if numba.config.CPU_FEATURES is None:  # short loops gain from wide registers only what `lanes` puts there
    numba.config.CPU_FEATURES = "+prefer-128-bit" if numba.config.CPU_NAME == LEVEL else ""
if not numba.config.CACHE_DIR:
    if os.access(_FOLDER, os.W_OK):
        numba.config.CACHE_DIR = str(_cache_folder())
    elif _cache_folder().exists():
        numba.config.CACHE_DIR = str(_own_copy(_cache_folder()))

_index = arrayobj.fix_integer_index


def _plain_index(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """No kernel of ours counts from an array's end: testing every index for it took a seventh of the time."""
    if kind.signed and "edgewright" in builder.function.name:
        return context.cast(builder, index, kind, types.intp)
    return _index(context, builder, kind, index, size)


arrayobj.fix_integer_index = _plain_index  # numba has no public way

Function = TypeVar("Function", bound=Callable[..., Any])


OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}, "_nrt": False}


@contextlib.contextmanager
def _cache_of(function: Callable[..., Any]) -> Iterator[None]:
    """Keep machine code of other packages' kernels beside core's, for exactly the kernels of their folder."""
    base, folder = numba.config.CACHE_DIR, Path(function.__code__.co_filename).parent
    # Without a place of ours numba chooses one; a path made of nothing would be the working directory.
    if base and folder != _FOLDER:
        numba.config.CACHE_DIR = str(Path(base) / f"{folder.name}-{digest(folder)}")
    try:
        yield
    finally:
        numba.config.CACHE_DIR = base


def kernel(function: Function) -> Function:
    """Compile `function`, to be called by other kernels only.

    Floating point keeps infinities; division by zero gives them. Kernels work in arrays that they are given
    and allocate none, so reference counting is off: it would cost several times the arithmetic. No
    index may be negative.
    """
    with _cache_of(function):
        compiled = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function)
    return cast("Function", compiled)


def inlined(function: Function) -> Function:
    """Compile `function` into every kernel that calls it: for what takes less time than a call.

    A call writes every word of its named tuples to the stack, up to a thousand: `exact` spent a third on it.
    """
    compiled = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **OPTIONS)(
        function
    )
    return cast("Function", compiled)


_ENTRIES: list[Any] = []


def entry(function: Function) -> Function:
    """Compile `function` as a kernel that Python calls, and no other kernel."""
    with _cache_of(function):
        compiled = numba.njit(no_cfunc_wrapper=True, **OPTIONS)(function)
    _ENTRIES.append(compiled)
    return cast("Function", compiled)


def forget_intermediate_code() -> None:
    """Drop what numba keeps of loaded entries only to inline them into other kernels: measured 27 MB."""
    for compiled in _ENTRIES:
        for result in compiled.overloads.values():
            result.library._shared_module = None  # numba has no public way
