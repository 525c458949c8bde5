"""Every experiment at small scale by its command, and the page of all of them."""

import os
import subprocess
from html import escape
from pathlib import Path

import pytest

from edgewright.emulation.experiments import experiments


def edgewright(*arguments: str, user: dict[str, str]) -> str:
    done = subprocess.run(
        ["edgewright", *arguments], env=user, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.mark.parametrize("name", list(experiments))
def test_an_experiment_runs_at_small_scale(name: str, results: Path, user: dict[str, str]) -> None:
    jobs = str(min(2, os.cpu_count() or 1))
    edgewright("experiment", name, "--scale", "small", "--jobs", jobs, "--out", str(results), user=user)
    folder = results / f"{name}-small"
    for file in ("rows.csv", "rows.parquet", "table.md", "manifest.json"):
        assert (folder / file).stat().st_size > 0, file
    assert list(folder.glob("*.png")) and len(list(folder.glob("*.png"))) == len(list(folder.glob("*.svg")))


def test_the_page_has_every_experiment(results: Path, user: dict[str, str]) -> None:
    edgewright("report", str(results), user=user)
    page = (results / "report.html").read_text()
    missing = [name for name in experiments if escape(experiments[name].title) not in page]
    assert not missing
