"""Machine code of the kernels on disk: whether it is there, and `python -m` this to put it there.

Compiling takes more than a minute and half a gigabyte, once per installation: hence a process of its own.
"""

from pathlib import Path

from edgewright.core.kernel import COMPILES


def _marker() -> Path | None:
    import numba  # noqa: PLC0415 - not everywhere

    from edgewright.core import compiled  # noqa: F401, PLC0415 - decides where numba keeps machine code

    return Path(numba.config.CACHE_DIR) / "complete" if numba.config.CACHE_DIR else None


def complete() -> bool:
    """Whether every kernel of a decision is linked, or compiled and kept for exactly these sources."""
    if not COMPILES:
        return True
    marker = _marker()
    return marker is not None and marker.exists()


def compile_all() -> None:
    """Compile what is not compiled yet; does nothing when `complete`."""
    if complete():
        return
    from edgewright.agents.rehearsal import rehearse_all  # noqa: PLC0415 - loading compiles

    rehearse_all()  # an agent that compiled when asked would decide nothing meanwhile
    marker = _marker()
    if marker is not None:
        marker.touch()


if __name__ == "__main__":
    compile_all()
