"""Chooses loopback ports for a control plane so that testbeds started side by side never collide."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from edgewright.emulation.testbed.errors import TestbedError

FIRST, LAST, BLOCK = 20_000, 30_000, 10
"""Blocks of ten ports below the kernels' usual ephemeral ranges and Kubernetes' node ports."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one testbed, all on 127.0.0.1."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kwok: int
    operator: int
    agents: int
    prometheus: int
    gateway: int

    @classmethod
    def of_block(cls, first: int) -> "Ports":
        """Ports `first`, `first` + 1, ..."""
        return cls(*(first + offset for offset in range(len(fields(cls)))))

    def all(self) -> list[int]:
        """Every port."""
        return [getattr(self, field.name) for field in fields(self)]


def free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


@contextmanager
def reserve(owner: Path, claims: Path | None = None) -> Iterator[Ports]:
    """Ports that nobody uses or has claimed; `owner` (a testbed's folder) keeps them as long as it exists.

    A block's file in `claims` (by default shared by all users of the machine) is locked while its
    ports are tried and until the `with` ends, and names its owner, so that a testbed whose API
    server is just being restarted does not lose its port. Raises TestbedError if all are taken.
    """
    claims = claims or Path(tempfile.gettempdir()) / "edgewright-ports"
    claims.mkdir(parents=True, exist_ok=True)
    if claims.stat().st_uid == os.getuid():
        claims.chmod(0o1777)
    blocks = list(range(FIRST, LAST, BLOCK))
    random.Random(str(owner)).shuffle(blocks)
    for first in blocks:
        claim = _claim(claims / str(first), owner, Ports.of_block(first))
        if claim is not None:
            try:
                yield Ports.of_block(first)
            finally:
                os.close(claim)
            return
    raise TestbedError(f"no free block of {BLOCK} loopback ports between {FIRST} and {LAST}")


def _claim(file: Path, owner: Path, ports: Ports) -> int | None:
    """Lock a block's file and write the owner into it; None if the block is not to be had."""
    try:
        claim = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder = os.read(claim, 4096).decode(errors="replace").strip()
        unclaimed = holder in ("", str(owner)) or not Path(holder).exists()
        if unclaimed and all(free(port) for port in ports.all()):
            os.ftruncate(claim, 0)
            os.pwrite(claim, str(owner).encode(), 0)
            return claim
    except OSError:  # locked by an `up` under way, or its owner's folder is not ours to see
        pass
    os.close(claim)
    return None
