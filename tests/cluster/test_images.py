"""What is in the images, and what is not. Needs root and `images/tools`."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: building images here needs root")
LARGEST = 250e6
"""Bytes, uncompressed."""
COMPILERS = frozenset({"gcc", "cc", "ld", "strip"})
NEVER = ("/torch/", "/pandas/", "/scipy/", "/pip/", "/tests/test_", "/numpy/f2py/")


@pytest.fixture(params=("agent", "operator"))
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(target: str, archives: dict[str, Path]) -> dict[str, Any]:
    with tarfile.open(archives[target]) as archive:
        (manifest,) = json.load(_file(archive, "manifest.json"))
        return {**json.load(_file(archive, manifest["Config"])), "tags": manifest["RepoTags"]}


@pytest.fixture
def files(target: str, archives: dict[str, Path]) -> list[str]:
    with tarfile.open(archives[target]) as archive:
        (manifest,) = json.load(_file(archive, "manifest.json"))
        return [
            f"/{member.name}"
            for layer in manifest["Layers"]
            for member in tarfile.open(fileobj=_file(archive, layer))
            if member.isfile() or member.issym()
        ]


def _file(archive: tarfile.TarFile, name: str) -> Any:
    found = archive.extractfile(archive.getmember(name))
    assert found is not None
    return found


def test_who_runs_and_what(config: dict[str, Any], target: str) -> None:
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["edgewright"]
    (tag,) = config["tags"]
    assert tag.removeprefix("docker.io/").startswith(f"edgewright/{target}:0.")


def test_the_labels_say_where_it_comes_from(config: dict[str, Any], target: str) -> None:
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in config["config"]["Labels"].items()
    }
    assert labels["title"] == f"edgewright-{target}"
    assert labels["licenses"] == "Apache-2.0"
    assert len(labels["revision"]) == 40
    assert labels["version"] == config["tags"][0].rpartition(":")[2]


def test_it_is_as_small_as_said(target: str, archives: dict[str, Path]) -> None:
    assert archives[target].stat().st_size < LARGEST


def test_nothing_is_in_it_that_only_a_build_needs(files: list[str]) -> None:
    programs = {Path(file).name for file in files if Path(file).parent.name in ("bin", "sbin")}
    assert "python3" in programs
    assert "edgewright" in programs
    assert not programs & COMPILERS
    ours = [file for file in files if file.startswith("/opt/edgewright/")]
    assert [file for file in ours if any(part in file for part in NEVER)] == []


def test_kernels_come_linked_to_the_agent_and_nothing_compiles_them(files: list[str], target: str) -> None:
    found: dict[str, Callable[[str], bool]] = {
        "numba": lambda file: "/site-packages/numba/" in file,
        "LLVM": lambda file: "/site-packages/llvmlite/" in file,
        "numba's machine code": lambda file: file.endswith(".nbc"),
        "linked": lambda file: file.endswith("/edgewright/core/_kernels.so"),
    }
    assert [what for what, test in found.items() if any(map(test, files))] == (
        ["linked"] if target == "agent" else []
    )
