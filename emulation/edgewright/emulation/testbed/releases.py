"""Downloads official release binaries and checks them against the checksums that their publishers release."""

import hashlib
import json
import os
import platform
import re
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.report import Report

SWITCH = "EDGEWRIGHT_DOWNLOAD"
"""Environment variable; `0` never downloads, so that everything is built from sources pinned by go.sum."""
SECONDS = 4.0
"""How long a release site may take to answer, so that machines without internet do not wait."""
CHUNK = 1 << 20


class UnavailableError(Exception):
    """The release cannot be reached, or publishes nothing for this machine; build it instead."""


@dataclass(frozen=True, slots=True)
class Release:
    """Where a program is published: the file, the document with its SHA-256, and how to read that."""

    url: str
    checksums: str
    digest: Callable[[str], str | None]
    member: str | None = None
    """Path in the archive, if the file is one."""


def line_of(file: str) -> Callable[[str], str | None]:
    """Reader of `sha256sum` output."""

    def digest(text: str) -> str | None:
        found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(file)}$", text, re.MULTILINE)
        return found[1] if found else None

    return digest


def asset(file: str) -> Callable[[str], str | None]:
    """Reader of a GitHub release description."""

    def digest(text: str) -> str | None:
        for asset in json.loads(text).get("assets", []):
            if asset.get("name") == file:
                return str(asset.get("digest") or "").removeprefix("sha256:") or None
        return None

    return digest


def locate(component: str, version: str, program: str, system: str, machine: str) -> Release:
    """Where the project publishes `program` for this kind of machine; UnavailableError if it does not."""
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine.lower())
    system = system.lower()
    if arch is None or (system != "linux" and program not in {"kubectl", "kwok", "kwokctl", "helm"}):
        raise UnavailableError(f"none is published for {system} on {machine}")
    if component == "kubernetes":
        url = f"https://dl.k8s.io/release/v{version}/bin/{system}/{arch}/{program}"
        return Release(url, f"{url}.sha256", lambda text: text.strip() or None)
    if component == "etcd":
        base = f"https://github.com/etcd-io/etcd/releases/download/v{version}"
        archive = f"etcd-v{version}-{system}-{arch}"
        file = f"{archive}.tar.gz"
        return Release(f"{base}/{file}", f"{base}/SHA256SUMS", line_of(file), f"{archive}/{program}")
    if component == "kwok":
        file = f"{program}-{system}-{arch}"
        return Release(
            f"https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/{file}",
            f"https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{version}",
            asset(file),
        )
    if component == "prometheus":
        base = f"https://github.com/prometheus/prometheus/releases/download/v{version}"
        archive = f"prometheus-{version}.{system}-{arch}"
        file = f"{archive}.tar.gz"
        return Release(f"{base}/{file}", f"{base}/sha256sums.txt", line_of(file), f"{archive}/{program}")
    if component == "helm":
        file = f"helm-v{version}-{system}-{arch}.tar.gz"
        url = f"https://get.helm.sh/{file}"
        return Release(url, f"{url}.sha256sum", line_of(file), f"{system}-{arch}/{program}")
    raise UnavailableError(f"no release site is known for {component}")


def download(component: str, version: str, program: str, target: Path, report: Report) -> None:
    """Fetch the official release of `program` to `target`, verified; UnavailableError if it cannot be had."""
    if os.environ.get(SWITCH) == "0":
        raise UnavailableError(f"{SWITCH}=0")
    fetch(locate(component, version, program, platform.system(), platform.machine()), target, report)


def fetch(release: Release, target: Path, report: Report) -> None:
    """Fetch one release to `target`; UnavailableError if out of reach, TestbedError on a wrong checksum."""
    part = target.with_name(f"{target.name}.part")
    try:
        expected = release.digest(_get(release.checksums).decode())
        if expected is None:
            raise UnavailableError(f"{release.checksums} names no checksum for it")
        found = _save(release.url, part, report)
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise UnavailableError(str(getattr(error, "reason", error))) from error
    if found != expected:
        part.unlink()
        raise TestbedError(
            f"{release.url} has SHA-256 {found}, its publisher says {expected}: it is not used. "
            f"Try again later, or build from source with {SWITCH}=0"
        )
    if release.member is None:
        part.rename(target)
        return
    with tarfile.open(part) as archive:
        content = archive.extractfile(release.member)
        if content is None:
            raise TestbedError(f"{release.url} holds no file {release.member}")
        target.write_bytes(content.read())
    part.unlink()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return bytes(answer.read())


def _save(url: str, target: Path, report: Report) -> str:
    """Save `url` to `target` and return its SHA-256 in hexadecimal."""
    step, checksum, done, shown = f"downloading {url}", hashlib.sha256(), 0, 0.0
    report(step)
    with urllib.request.urlopen(url, timeout=SECONDS) as answer, target.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            checksum.update(chunk)
            done += len(chunk)
            if time.monotonic() - shown > 0.2:
                shown = time.monotonic()
                report(step, f"{done >> 20} of {total >> 20} MiB")
    return checksum.hexdigest()
