"""Puts images from archives into the container node, as a registry would otherwise."""

import re
import subprocess
from pathlib import Path

from edgewright.emulation.testbed.containers import sandbox
from edgewright.emulation.testbed.containers.configuration import CONTAINERD_SOCKET
from edgewright.emulation.testbed.containers.plan import Files
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout


def load(layout: Layout, archive: Path) -> list[str]:
    """Import an archive of `docker save`, `podman save` or `buildah push`; the names of its images.

    Raises TestbedError if there is no container node or the file is not such an archive.
    """
    if not archive.is_file():
        raise TestbedError(f"no image archive {str(archive)!r}: `make images` writes them to dist/images")
    said = _ctr(layout, "images", "import", "-", given=archive)
    names = re.findall(r"^(?:unpacking )?(\S+?)(?:\s+\(sha256:\w+\)\.*done|\s+saved)", said, re.MULTILINE)
    return sorted(set(names)) or [said.strip()]


def _ctr(layout: Layout, *arguments: str, given: Path) -> str:
    files = Files(layout)
    ctr = [str(files.program("ctr").resolve()), "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]
    with given.open("rb") as archive:
        done = subprocess.run(
            sandbox.command(files, [*ctr, *arguments]),
            stdin=archive,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise TestbedError(f"image archive {str(given)!r} cannot be loaded: {done.stderr.strip()[-500:]}")
    return done.stdout
