"""Where the control plane's programs come from, with real files, a real web server and a real compiler."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edgewright.emulation.testbed import TestbedError, binaries, builds, releases
from edgewright.emulation.testbed.binaries import COMPONENTS, HELM, PROMETHEUS, Component
from edgewright.emulation.testbed.releases import Release, UnavailableError
from edgewright.emulation.testbed.report import silent

ETCD = COMPONENTS[0]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for component in (*COMPONENTS, PROMETHEUS):
        for name in component.packages:
            monkeypatch.delenv(f"EDGEWRIGHT_{name.upper().replace('-', '_')}", raising=False)
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_versions_come_from_the_toolchains_modules() -> None:
    assert {c.name: c.minor for c in COMPONENTS} == {"etcd": "3.6", "kwok": "0.8", "kubernetes": "1.36"}
    flags = COMPONENTS[2].linker_flags
    assert f"-X k8s.io/component-base/version.gitVersion=v{COMPONENTS[2].version}" in flags


def test_helm_says_its_version_in_its_own_way(machine: Path) -> None:
    script = '#!/bin/sh\n[ "$*" = version ] && echo \'version.BuildInfo{Version:"v4.3.9"}\'\n'
    there = program(machine / "bin" / "helm", "")
    there.write_text(script)
    assert binaries.find(HELM, "helm") == there


def test_nothing_is_found_on_an_empty_machine() -> None:
    assert binaries.find(ETCD, "etcd") is None


def test_a_program_of_the_pinned_minor_version_on_path_is_used(machine: Path) -> None:
    there = program(machine / "bin" / "etcd", f"etcd Version: {ETCD.minor}.99")
    assert binaries.find(ETCD, "etcd") == there


@pytest.mark.parametrize("says", ["etcd Version: 3.5.1", "etcd Version: 3.60.1", "no idea", ""])
def test_another_version_on_path_is_not(machine: Path, says: str) -> None:
    program(machine / "bin" / "etcd", says)
    assert binaries.find(ETCD, "etcd") is None
    cached = program(ETCD.folder / "etcd", "")
    assert binaries.find(ETCD, "etcd") == cached


def test_a_named_program_comes_first_and_must_run(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin" / "etcd", f"etcd Version: {ETCD.version}")
    mine = program(machine / "mine" / "etcd", "my own")
    monkeypatch.setenv("EDGEWRIGHT_ETCD", str(mine))
    assert binaries.find(ETCD, "etcd") == mine
    monkeypatch.setenv("EDGEWRIGHT_ETCD", str(machine / "nothing"))
    with pytest.raises(TestbedError, match=r"EDGEWRIGHT_ETCD names .*nothing"):
        binaries.find(ETCD, "etcd")


def test_every_program_is_resolved_from_the_cache() -> None:
    expected = {
        name: program(component.folder / name, "") for component in COMPONENTS for name in component.packages
    }
    assert binaries.resolve() == expected
    assert len(expected) == 7


# Releases


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A release site on loopback: its folder and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_release_is_used_if_its_checksum_is_right(tmp_path: Path, site: tuple[Path, str]) -> None:
    folder, url = site
    (folder / "etcd").write_bytes(b"program")
    (folder / "etcd.sha256").write_text(hashlib.sha256(b"program").hexdigest() + "\n")
    target = tmp_path / "etcd"
    releases.fetch(Release(f"{url}/etcd", f"{url}/etcd.sha256", lambda text: text.strip()), target, silent)
    assert target.read_bytes() == b"program"


def test_a_release_with_another_checksum_is_refused_aloud(tmp_path: Path, site: tuple[Path, str]) -> None:
    folder, url = site
    (folder / "etcd").write_bytes(b"tampered")
    (folder / "etcd.sha256").write_text(hashlib.sha256(b"program").hexdigest())
    target = tmp_path / "etcd"
    with pytest.raises(TestbedError, match="it is not used"):
        releases.fetch(
            Release(f"{url}/etcd", f"{url}/etcd.sha256", lambda text: text.strip()), target, silent
        )
    assert list(tmp_path.glob("etcd*")) == []


def test_a_program_is_taken_out_of_an_archive(tmp_path: Path, site: tuple[Path, str]) -> None:
    folder, url = site
    with tarfile.open(folder / "etcd.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("etcd-v1/etcd")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"program"))
    digest = hashlib.sha256((folder / "etcd.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  etcd.tar.gz\n")
    release = Release(
        f"{url}/etcd.tar.gz", f"{url}/SHA256SUMS", releases.line_of("etcd.tar.gz"), "etcd-v1/etcd"
    )
    releases.fetch(release, tmp_path / "etcd", silent)
    assert (tmp_path / "etcd").read_bytes() == b"program"


def test_a_release_without_a_checksum_is_not_used(tmp_path: Path, site: tuple[Path, str]) -> None:
    folder, url = site
    (folder / "kwok").write_bytes(b"program")
    (folder / "release").write_text('{"assets": [{"name": "kwok"}]}')
    release = Release(f"{url}/kwok", f"{url}/release", releases.asset("kwok"))
    with pytest.raises(UnavailableError, match="names no checksum"):
        releases.fetch(release, tmp_path / "kwok", silent)


def test_a_site_out_of_reach_means_that_it_is_built(tmp_path: Path) -> None:
    release = Release("http://127.0.0.1:9/etcd", "http://127.0.0.1:9/etcd.sha256", str.strip)
    with pytest.raises(UnavailableError):
        releases.fetch(release, tmp_path / "etcd", silent)


@pytest.mark.parametrize("component", [*COMPONENTS, HELM, PROMETHEUS], ids=lambda c: c.name)
def test_every_program_has_a_release_over_tls_with_a_checksum(component: Component) -> None:
    for name in component.packages:
        release = releases.locate(component.name, component.release, name, "Linux", "x86_64")
        assert release.url.startswith("https://")
        assert release.checksums.startswith("https://")
        assert f"v{component.release}" in release.url


def test_prometheus_is_known_by_its_release_not_by_its_modules_version(machine: Path) -> None:
    assert PROMETHEUS.version.startswith("0.3")
    major, minor = PROMETHEUS.minor.split(".")
    assert PROMETHEUS.version.split(".")[1] == f"{major}{int(minor):02}"
    assert f"version.Version={PROMETHEUS.release}" in PROMETHEUS.linker_flags
    there = program(machine / "bin" / "promtool", f"promtool, version {PROMETHEUS.minor}.7 (branch: HEAD)")
    assert binaries.find(PROMETHEUS, "promtool") == there
    assert binaries.find(PROMETHEUS, "prometheus") is None


def test_machines_that_nothing_is_published_for() -> None:
    with pytest.raises(UnavailableError):
        releases.locate("kubernetes", "1.36.3", "kube-apiserver", "Darwin", "arm64")
    with pytest.raises(UnavailableError):
        releases.locate("etcd", "3.6.16", "etcd", "Linux", "riscv64")


def test_downloads_can_be_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DOWNLOAD", "0")
    with pytest.raises(UnavailableError, match="EDGEWRIGHT_DOWNLOAD=0"):
        releases.download("etcd", "3.6.16", "etcd", tmp_path / "etcd", silent)


# Builds


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go module of one file, and the compiler back on PATH."""
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGEWRIGHT_DOWNLOAD", "0")
    folder = tmp_path / "toolchain" / "greeter"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(
        "module example.test/greeter\n\ngo 1.21\n\n// require example.test/greeter v1.2.3\n"
    )
    (folder / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    monkeypatch.setattr(binaries, "TOOLCHAIN", folder.parent)
    return folder


class Pinned(Component):
    """The greeter in its version."""

    version = "1.2.3"


def test_a_program_is_built_once_and_then_cached(sources: Path) -> None:
    greeter = Pinned("greeter", "example.test/greeter", {"greeter": "example.test/greeter"})
    said: list[str] = []

    def report(step: str, detail: str = "") -> None:
        said.append(step)

    first = binaries.resolve(report, [greeter])["greeter"]
    assert first == greeter.folder / "greeter"
    assert "building greeter v1.2.3 from source" in said
    assert [file.name for file in greeter.folder.iterdir() if file.name != ".lock"] == ["greeter"]
    said.clear()
    assert binaries.resolve(report, [greeter])["greeter"] == first
    assert said == []


def test_a_build_that_fails_shows_what_the_compiler_said(sources: Path, tmp_path: Path) -> None:
    (sources / "main.go").write_text("package main\n\nfunc main() { missing() }\n")
    greeter = Pinned("greeter", "example.test/greeter", {"greeter": "example.test/greeter"})
    with pytest.raises(TestbedError, match=r"(?s)building greeter v1.2.3 failed.*undefined: missing"):
        builds.build(sources, greeter, "greeter", tmp_path / "greeter", silent)
