"""Refuses a container node where it cannot run, saying what is missing and what to do."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from edgewright.emulation.testbed.containers.plan import Plan
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import cache_home, state_home

PROGRAMS = {
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "openssl": "openssl",
}
"""Program to the Debian package that has it."""
HIDDEN = ("/run", "/var/lib", "/var/log")
"""Folders that the node has for itself."""
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--mount-proc", "--propagation", "private")


def check() -> None:
    """Raise TestbedError if this machine cannot have a container node."""
    if platform.system() != "Linux":
        raise TestbedError(
            f"--containers needs Linux, and this is {platform.system()}: use kind (manifests/kind) instead"
        )
    if os.geteuid() != 0:
        raise TestbedError(
            "--containers needs root, for it makes namespaces, mounts and a bridge: run it with "
            "`sudo -E`, use kind (manifests/kind), or leave it out"
        )
    missing = {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise TestbedError(
            f"--containers needs {', '.join(missing)}, which this machine lacks. On Debian: "
            f"`apt-get install {' '.join(sorted(set(missing.values())))}`"
        )
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        raise TestbedError("--containers needs the overlay filesystem: try `modprobe overlay`")
    check_homes()
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "sh", "-c", "mount -t tmpfs none /run && ip link add probe type bridge"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        raise TestbedError(
            "--containers makes namespaces, mounts and a bridge, and this machine forbids it (a container "
            f"without privileges, perhaps): {tried.stderr.strip()}"
        )


def check_homes() -> None:
    """Raise TestbedError if the testbed's folders are where the node has files of its own."""
    for variable, home in (("XDG_STATE_HOME", state_home()), ("XDG_CACHE_HOME", cache_home())):
        for own in HIDDEN:
            if home.resolve().is_relative_to(own):
                raise TestbedError(
                    f"--containers gives the node a {own} of its own, but {home} is below it: "
                    f"set {variable} to a folder elsewhere"
                )


def check_addresses(plan: Plan) -> None:
    """Raise TestbedError if this machine routes the node's addresses elsewhere."""
    said = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=True).stdout
    routes = [route["dst"] for route in json.loads(said or "[]")]
    if taken := overlap(routes, (plan.pods, plan.link)):
        raise TestbedError(
            f"the container node would use {plan.pods} and {plan.link}, but this machine has a route to "
            f"{taken}: remove it, or try another --name, which gets other addresses"
        )


def overlap(routes: Iterable[str], networks: Iterable[IPv4Network]) -> str | None:
    """The first destination, other than `default`, that shares an address with one of the networks."""
    ours = list(networks)
    for destination in routes:
        if destination != "default" and any(ip_network(destination).overlaps(network) for network in ours):
            return destination
    return None
