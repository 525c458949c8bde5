"""Every command block of the tutorial, the how-to pages and the README runs as written."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from edgewright.emulation.testbed import DEFAULT_NAME

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/tutorial/*.md"), *ROOT.glob("docs/how-to/*.md")])


BLOCK = r"^```{}\n(.*?)^```"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(BLOCK.format(language), page.read_text(), re.MULTILINE | re.DOTALL)


def bash_pages() -> list[Path]:
    return [page for page in PAGES if blocks(page, "bash")]


def test_there_are_pages_to_run() -> None:
    assert len(bash_pages()) >= 4


@pytest.mark.parametrize("page", bash_pages(), ids=lambda page: page.stem)
def test_the_page_runs_as_written(page: Path, user: dict[str, str]) -> None:
    if "<!-- needs root -->" in page.read_text() and os.geteuid() != 0:
        pytest.skip("NOT RUN: the page needs root")
    run("\n".join(blocks(page, "bash")), ROOT, user)


@pytest.mark.parametrize("title", ["Break it", "Simulate it"])
def test_the_readme_runs_as_written(title: str, user: dict[str, str], tmp_path: Path) -> None:
    """`make demo` has a test of its own, and the other blocks need a cluster of yours or go on from there."""
    [text] = re.findall(
        rf"^## {title}\n(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    [script] = re.findall(BLOCK.format("bash"), text, re.MULTILINE | re.DOTALL)
    run(script, tmp_path, user)


def run(script: str, folder: Path, user: dict[str, str]) -> None:
    """Run the commands as one script; what they bring up must not stay if they fail."""
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=folder,
        env=user,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    for name in re.findall(r"testbed up(?: --name (\S+))?", script):
        # After a script that ran this does nothing.
        down = ["edgewright", "testbed", "down", "--name", name or DEFAULT_NAME]
        subprocess.run(down, env=user, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
