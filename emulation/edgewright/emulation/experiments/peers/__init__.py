"""Other people's simulators, each measured by a script in an environment of its own, made when asked for."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from edgewright.emulation.experiments.experiment import ExperimentError

ECLYPSE = "eclypse==0.9.1"
TIMEOUT = 600
"""Seconds for an installation, and for a measurement."""


def steps_of_eclypse(nodes: int, applications: int, steps: int) -> float:
    """Steps per CPU-second of ECLYPSE with `applications` Sock Shops; installs it on the first call.

    It cannot live beside us: it needs other versions of our libraries. Raises ExperimentError when it cannot
    be installed or fails.
    """
    python = _environment(ECLYPSE)
    script = Path(__file__).with_name("eclypse_steps.py")
    done = _run([str(python), str(script), str(nodes), str(applications), str(steps)])
    found = json.loads(done.strip().splitlines()[-1])
    return float(found["steps"] / found["cpu_s"])


def _environment(requirement: str) -> Path:
    """The Python of a virtual environment with `requirement`, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgewright" / "peers"
    root = cache / requirement.replace("==", "-")
    python, marker = root / "bin" / "python", root / "installed"
    if not marker.exists():
        venv.create(root, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement])
        marker.touch()
    return python


def _run(command: list[str]) -> str:
    # Without our PYTHONPATH: the other environment must not find our libraries.
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT, env=clean)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = (error.stderr or "").strip().splitlines()[-1:] if isinstance(error.stderr, str) else []
        raise ExperimentError(
            f"{' '.join(command[1:])} failed on Python {sys.version_info.major}.{sys.version_info.minor}: "
            f"{(words or [str(error)])[0]}; is there a way to a package index?"
        ) from error
    return done.stdout
