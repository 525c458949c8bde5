"""What every end-to-end test needs: the installed command, kubectl, helm, and a state folder of its own."""

import os
import sys
from pathlib import Path

import pytest

from edgewright.emulation.testbed import binaries

ROOT = Path(__file__).parents[2]


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """Environment of a user who has Edgewright, kubectl and helm on PATH and nothing running."""
    programs = binaries.resolve(components=(*binaries.COMPONENTS, binaries.HELM))
    folders = [Path(sys.executable).parent, programs["kubectl"].parent, programs["helm"].parent]
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    clean = {k: v for k, v in os.environ.items() if k not in {"KUBECONFIG", "FORCE_COLOR"}}
    return clean | {"PATH": path, "XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "120"}
