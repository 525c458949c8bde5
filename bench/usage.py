"""What processes cost: CPU seconds and memory, as the kernel counts them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICK = os.sysconf("SC_CLK_TCK")
KIB = 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time of a process since it began; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process in MB (10^6 bytes)."""

    now: float
    peak: float


def memory(pid: int) -> Memory:
    """Resident memory now and its highest value since the process began."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Memory(int(fields["VmRSS"].split()[0]) * KIB, int(fields["VmHWM"].split()[0]) * KIB)


class Meter:
    """CPU seconds of named processes from `start` on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    @classmethod
    def start(cls, pids: Mapping[str, int]) -> Self:
        """Begin to count."""
        return cls(pids)

    def read(self) -> dict[str, float]:
        """CPU seconds per process since the start."""
        return {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}


def load() -> float:
    """Processes that wanted to run in the last minute: above the number of cores, timings are disturbed."""
    return os.getloadavg()[0]
