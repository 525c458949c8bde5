"""Where a testbed keeps its files, which names it may have, and the lock that serialises its commands."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgewright.emulation.testbed.errors import TestbedError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
DEFAULT_NAME = "edgewright"
PATIENCE = 2.0
"""Seconds that a command waits for another one of the same testbed."""


def state_home() -> Path:
    """Folder of all testbeds of this user: `$XDG_STATE_HOME/edgewright`, else below `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "edgewright"


def cache_home() -> Path:
    """Folder of what can be made again: `$XDG_CACHE_HOME/edgewright`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgewright"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of the testbed `name`; raises TestbedError if the name cannot be one."""

    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise TestbedError(
                f"testbed name {self.name!r} is not valid: use 1 to 40 lower-case letters, digits and "
                "hyphens, beginning and ending with a letter or digit"
            )

    @property
    def root(self) -> Path:
        """Everything of this testbed is below this folder."""
        return state_home() / self.name

    @property
    def state(self) -> Path:
        """What `up` decided, as JSON."""
        return self.root / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        """Kubeconfigs of the operator and the agents, each with its own ServiceAccount's token."""
        return self.root / "kubeconfigs"

    @property
    def logs(self) -> Path:
        """Logs of the operator, the agents and kwokctl."""
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        """One file per process that this testbed started."""
        return self.root / "pids"

    @property
    def workdir(self) -> Path:
        """kwokctl's own folder."""
        return self.root / "kwok"

    @property
    def cluster(self) -> Path:
        """The control plane's files: certificates, data, logs, `kwok.yaml`."""
        return self.workdir / "clusters" / self.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the name: of two commands that change one testbed, the second is refused (TestbedError).

        Not at once: what a killed command was just starting holds the name until it is another program.
        """
        home = state_home()
        home.mkdir(parents=True, exist_ok=True)
        with (home / f".{self.name}.lock").open("a") as handle:
            deadline = time.monotonic() + PATIENCE
            while not _free(handle):
                if time.monotonic() > deadline:
                    raise TestbedError(
                        f"another command is bringing testbed {self.name!r} up or down right now: "
                        "wait for it, or choose another --name"
                    )
                time.sleep(0.05)
            yield


def _free(handle: IO[str]) -> bool:
    """Lock the file unless somebody else has."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
