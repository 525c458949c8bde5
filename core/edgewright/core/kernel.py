"""The one door to machine code: kernels are compiled where numba is installed, linked where it is not."""

import importlib.util

COMPILES = importlib.util.find_spec("numba") is not None
if COMPILES:
    from edgewright.core.compiled import entry, inlined, kernel
else:
    from edgewright.core.linked import entry, inlined, kernel

__all__ = ["COMPILES", "entry", "inlined", "kernel"]
