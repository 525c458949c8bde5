"""`edgewright city`: tables and maps, and a refusal in words with exit status 1."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgewright.cli.city import app


def test_list_names_every_scenario() -> None:
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == 0
    assert "metro-suburban" in done.output
    assert "melbourne" in done.output


@pytest.mark.parametrize(
    ("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("html", b"<!doctype html>")]
)
def test_show_draws_a_map(tmp_path: Path, kind: str, begins: bytes) -> None:
    file = tmp_path / f"map.{kind}"
    done = CliRunner().invoke(app, ["show", "metro-small", "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(begins)
    assert "metro-small-2" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "sydney"], "no scenario 'sydney'"),
        (["show", "metro-small", "-o", "map.jpeg"], "a map is written as .png"),
        (["show", "metro-small", "-o", "/nowhere/map.svg"], "cannot be written"),
        (["play", "metro-small", "--policy", "oracle"], "algorithm 'oracle' is unknown"),
        (["play", "metro-small", "--policy", "nowhere:Mine"], "No module named 'nowhere'"),
        (["play", "metro-small", "-o", "film.avi"], "a film is written as .gif"),
        (["demand", "metro-small", "--seed", str(2**63)], "Invalid value for"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit), "no traceback"
    assert words in done.output
