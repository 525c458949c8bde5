"""Every command block of the tutorial and the how-to pages runs as written, page by page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/tutorial/*.md"), *ROOT.glob("docs/how-to/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def bash_pages() -> list[Path]:
    return [page for page in PAGES if blocks(page, "bash")]


def test_there_are_pages_to_run() -> None:
    assert len(bash_pages()) >= 4


@pytest.mark.parametrize("page", bash_pages(), ids=lambda page: page.stem)
def test_the_page_runs_as_written(page: Path, user: dict[str, str]) -> None:
    if "<!-- needs root -->" in page.read_text() and os.geteuid() != 0:
        pytest.skip("NOT RUN: the page needs root")
    script = "\n".join(["set -euo pipefail", *blocks(page, "bash")])
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=user, capture_output=True, text=True, check=False, timeout=300
    )
    for name in re.findall(r"testbed up --name (\S+)", script):
        # What a failing page leaves behind must not stay; after a page that ran this does nothing.
        subprocess.run(
            ["edgewright", "testbed", "down", "--name", name], env=user, check=False, capture_output=True
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
