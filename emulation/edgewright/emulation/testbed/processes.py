"""Starts, recognises and stops the testbed's processes, so that a recycled process id is never touched."""

import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

POLL = 0.02
"""Seconds between two looks at a process that was told to stop."""
KILL_SECONDS = 5.0
"""How long a killed process may take to be gone."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and by when it began: both must match."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """When the process `pid` began, in the kernel's words; None if it does not run (a zombie does not).

    One whose first thread has ended runs on: the others still hold its sockets.
    """
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    if platform.system() == "Linux":
        try:
            # The second field is the command's name in brackets and may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, threads = fields[0], int(fields[17])
        return None if state in "ZX" and threads < 2 else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def spawn(
    name: str, command: Sequence[str], *, log: Path, pids: Path, env: Mapping[str, str] | None = None
) -> Process:
    """Start `command` in a session of its own, output to `log`, recorded in `pids`/`name`.json."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pid = os.posix_spawn(
        command[0],
        list(command),
        dict(os.environ if env is None else env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return record(name, pid, pids)


def record(name: str, pid: int, pids: Path) -> Process:
    """Remember the process `pid` as `name`; one that has ended already is remembered as never alive."""
    process = Process(name, pid, start_time(pid) or "ended")
    pids.mkdir(parents=True, exist_ok=True)
    written = pids / f".{name}.json"
    written.write_text(json.dumps(asdict(process)))
    written.rename(pids / f"{name}.json")
    return process


def recorded(pids: Path) -> list[Process]:
    """All processes remembered in `pids`, by name."""
    return [Process(**json.loads(file.read_text())) for file in sorted(pids.glob("[!.]*.json"))]


def belonging(root: Path) -> list[int]:
    """Ids of processes whose program file lies below `root`, or that are ours with a kubeconfig there.

    It finds what a killed `up` started and could not write down any more. Only where /proc exists.
    """
    below = f"{root}{os.sep}"
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        ours = any(Path(word).name == "edgewright" or word == "edgewright.cli.main" for word in words[:4])
        process_of_ours = ours and not {"operator", "agent", "gateway"}.isdisjoint(words)
        if words[0].startswith(below) or (process_of_ours and any(w.startswith(below) for w in words)):
            found.append(int(entry.parent.name))
    return found


def stop(processes: Iterable[Process], grace: float = 5.0) -> list[Process]:
    """End the processes that are still the recorded ones: SIGTERM, SIGKILL after `grace` seconds.

    With no grace at all they are killed at once. Returns those that would not end.
    """
    left = [process for process in processes if process.alive]
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
        if patience <= 0:
            continue
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while left and time.monotonic() < deadline:
            time.sleep(POLL)
            left = [process for process in left if process.alive]
    return left


def identify(pids: Iterable[int]) -> list[Process]:
    """The processes behind ids that were seen just now."""
    return [Process(str(pid), pid, started) for pid in pids if (started := start_time(pid)) is not None]
