"""The namespaces that the container node lives in: made, entered, and taken away with all that is in them."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.containers.plan import SERVICES, Files, Plan
from edgewright.emulation.testbed.containers.requirements import NAMESPACES
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout

INIT = "node"
"""Process that holds the namespaces; all others in them end with it."""
CGROUPS = Path("/sys/fs/cgroup")
SECONDS = 20.0
POLL = 0.02
# /run is fresh; /var/lib and /var/log show the machine's files but keep what is written for themselves.
SETUP = """set -e
mount --make-rshared /
mount -t tmpfs -o mode=755 edgewright /run
mkdir -p /run/lock
for folder in lib log; do
  mkdir -p /run/over/$folder /run/work/$folder
  layers=lowerdir=/var/$folder,upperdir=/run/over/$folder,workdir=/run/work/$folder
  mount -t overlay -o $layers edgewright /var/$folder
done
for folder in lib/kubelet lib/containerd log/pods; do
  mkdir -p /var/$folder "$1/$folder"
  mount --bind "$1/$folder" /var/$folder
done
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
exec "$1/bin/edgewright-pause"
"""


def create(plan: Plan, programs: Mapping[str, Path]) -> None:
    """Make the namespaces, the wire to this machine and the cgroup; TestbedError if that fails."""
    files = plan.files
    (files.root / "bin").mkdir(parents=True)
    tools = {name: Path(shutil.which(name) or name) for name in ("unshare", "nsenter")}
    for name, target in {**programs, **tools}.items():
        files.program(name).symlink_to(target)
    log = plan.layout.logs / f"{INIT}.log"
    command = [str(files.program("unshare")), *NAMESPACES, "--kill-child", "sh", "-c", SETUP, "sh"]
    outer = processes.spawn(INIT, [*command, str(files.root)], log=log, pids=plan.layout.pids)
    deadline = time.monotonic() + SECONDS
    while (init := _init(files)) is None:
        if not outer.alive or time.monotonic() > deadline:
            raise TestbedError(f"the container node's namespaces cannot be made: {log.read_text().strip()}")
        time.sleep(POLL)
    _wire(plan, init)
    for hierarchy in _hierarchies():
        with suppress(FileExistsError):
            (hierarchy / files.cgroup).mkdir()


def _init(files: Files) -> int | None:
    """Id of the first process of the namespaces, once they are set up."""
    name = str(files.program("edgewright-pause"))
    for pid in processes.belonging(files.root):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] == name:
                return pid
    return None


def _wire(plan: Plan, init: int) -> None:
    """Connect this machine and the node; the pods are reached over the node."""
    outside, inside = plan.files.interface, "eth0"
    prefix = plan.link.prefixlen
    inner = ["nsenter", "--target", str(init), "--net", "ip"]
    for command in (
        ["ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", str(init)],
        ["ip", "address", "add", f"{plan.host}/{prefix}", "dev", outside],
        ["ip", "link", "set", outside, "up"],
        [*inner, "address", "add", f"{plan.node}/{prefix}", "dev", inside],
        [*inner, "link", "set", inside, "up"],
        # No way further, so that what is not there fails at once: a registry, a name of the internet.
        [*inner, "route", "add", str(SERVICES), "via", str(plan.host)],
        ["ip", "route", "add", str(plan.pods), "via", str(plan.node)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise TestbedError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


def command(files: Files, arguments: Sequence[str], **environment: str) -> list[str]:
    """The command that runs `arguments` in the namespaces; TestbedError if they do not exist."""
    init = _init(files)
    if init is None:
        raise TestbedError(
            f"testbed {files.layout.name!r} has no container node: bring it up with --containers"
        )
    enter = [str(files.program("nsenter")), "--target", str(init), "--mount", "--net", "--pid", "--"]
    return [*enter, "env", "--chdir=/", *(f"{k}={v}" for k, v in environment.items()), *arguments]


def remove(layout: Layout) -> None:
    """End everything in the namespaces, and take the wire and the cgroups away; TestbedError if one stays.

    May be called at any time, also after a crash; does nothing if there is no container node.
    """
    files = Files(layout)
    if not files.root.exists():
        return
    processes.stop(processes.identify(processes.belonging(files.root)), grace=0.0)
    subprocess.run(["ip", "link", "delete", files.interface], capture_output=True, check=False)
    deadline = time.monotonic() + SECONDS
    while remains := _remains(files):
        if time.monotonic() > deadline:
            raise TestbedError(
                f"testbed {layout.name!r}: {', '.join(remains)} do not go away; run `down` again"
            )
        time.sleep(POLL)


def _remains(files: Files) -> list[str]:
    """What is still there of processes, interface and cgroups, after another try to remove the latter."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / files.cgroup, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
    places = [Path("/sys/class/net") / files.interface, *(h / files.cgroup for h in _hierarchies())]
    running = (f"process {pid}" for pid in processes.belonging(files.root))
    return [*running, *(str(place) for place in places if place.exists())]


def _hierarchies() -> list[Path]:
    """Roots of the cgroup hierarchies: one with cgroup v2, one per controller with v1."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return [
        folder
        for folder in CGROUPS.iterdir()
        if (folder / "cgroup.procs").exists() and not folder.is_symlink()
    ]
