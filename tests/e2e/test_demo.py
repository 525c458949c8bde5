"""The demo keeps the promises of the README, prints plainly off a terminal, and leaves nothing."""

import subprocess
from pathlib import Path


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
