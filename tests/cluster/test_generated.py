"""What is generated and committed is what the code says today."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("what", ["charts.dashboards", "charts.generate", "docs.generate"])
def test_it_is_up_to_date(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", what, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
