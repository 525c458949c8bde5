"""The demo keeps the promises of the README, prints plainly off a terminal, and leaves nothing."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_demo_ends_with_a_verdict_and_leaves_nothing(user: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["edgewright", "demo", "--name", "e2e-demo"],
        env=user,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    assert "\x1b" not in done.stdout, "colours belong on terminals only"
    for promise in (
        "xr-content-delivery",
        "digital-twin-sync",
        "holographic-communication",
        "critical path",
        "every replica is Ready again",
        "too-big",
        "NoFeasiblePlacement",
        "no Deployment, Service, PodDisruptionBudget or Pod of them is left",
    ):
        assert promise in done.stdout, done.stdout
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert not left.stdout, f"processes of the demo still run: {left.stdout}"
    assert not list((tmp_path / "state" / "edgewright").glob("*/state.json"))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: the container node needs root")
def test_the_installed_product_keeps_the_same_promises(user: dict[str, str]) -> None:
    done = subprocess.run(
        ["make", "demo-helm"], cwd=ROOT, env=user, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    for promise in (
        "Phase:          Succeeded",
        "every replica of the others is where it was",
        "every replica is Ready again",
        "NoFeasiblePlacement",
        "replicas run where they ran",
    ):
        assert promise in done.stdout, done.stdout
