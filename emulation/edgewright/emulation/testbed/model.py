"""Compiles the latency model ahead of the agents' start: a minute, once per installation."""

import subprocess
import sys

from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.report import Report


def compiler() -> "subprocess.Popen[bytes]":
    """A process that compiles what is not compiled yet, to run beside other work."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgewright.agents.machine_code"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: "subprocess.Popen[bytes]", report: Report) -> None:
    """Wait for a compiler; TestbedError with what it said if it failed."""
    if process.poll() is None:
        report("compiling the latency model (a minute, once per installation)")
    _, said = process.communicate()
    if process.returncode:
        raise TestbedError(f"the latency model does not compile: {said.decode(errors='replace')[-2000:]}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a compiler that is not needed any more; does nothing to one that has ended."""
    if process.poll() is None:
        process.kill()
        process.wait()
