"""What was injected and is not healed, on disk before it is done: a killed run can be mended afterwards."""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.fault import Plan


@dataclass(frozen=True, slots=True)
class Entry:
    """One injection."""

    id: str
    fault: str
    plan: Plan
    at: float
    """Unix time."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The injections into one cluster that are not healed, one file each."""

    folder: Path

    def entries(self) -> list[Entry]:
        """All of them, the oldest first."""
        found = [Entry(**json.loads(file.read_text())) for file in self.folder.glob("[!.]*.json")]
        return sorted(found, key=lambda entry: entry.at)

    def begin(self, fault: str, plan: Plan) -> Entry:
        """Write down what is about to be done; it is on the disk when this returns."""
        entry = Entry(uuid.uuid4().hex[:12], fault, plan, time.time())
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / f".{entry.id}"
        with written.open("w") as file:
            json.dump(asdict(entry), file)
            file.flush()
            os.fsync(file.fileno())
        written.rename(self.folder / f"{entry.id}.json")
        return entry

    def end(self, entry: Entry) -> None:
        """Forget what is healed."""
        (self.folder / f"{entry.id}.json").unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cluster: of two runs at the same time the second is refused (ChaosError)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ChaosError("another chaos run is at work on this cluster: wait until it ends") from None
            yield
