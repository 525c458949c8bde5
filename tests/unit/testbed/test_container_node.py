"""Names, addresses, configuration and refusals of the container node, without making one."""

import hashlib
import io
import itertools
import json
import os
import shutil
import tarfile
import tomllib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.emulation.testbed import Layout, TestbedError
from edgewright.emulation.testbed.containers import archive, configuration, dns, requirements
from edgewright.emulation.testbed.containers.plan import API_SERVICE, DNS_SERVICE, SERVICES, Files, Plan
from edgewright.emulation.testbed.control_plane import ARGUMENTS
from edgewright.emulation.testbed.ports import BLOCK, FIRST, LAST, Ports

FIRSTS = range(FIRST, LAST, BLOCK)
PROGRAMS = {"bridge": Path("/cache/cni/bridge"), "runc": Path("/cache/runc/runc")}


def plan(name: str = "mine", first: int = FIRST) -> Plan:
    return Plan(Layout(name), Ports.of_block(first))


def test_testbeds_of_one_machine_share_no_address() -> None:
    networks = [network for first in FIRSTS for network in (plan(first=first).pods, plan(first=first).link)]
    networks.append(SERVICES)
    networks.sort(key=lambda network: int(network.network_address))
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(networks))
    assert len(networks) == 2 * len(FIRSTS) + 1
    assert all(network.is_private for network in networks)


@given(st.sampled_from(FIRSTS))
def test_both_ends_of_the_wire_are_on_it(first: int) -> None:
    node = plan(first=first)
    assert {node.host, node.node} == set(node.link.hosts())
    assert node.server == f"https://{node.host}:{first}"


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]", fullmatch=True))
def test_the_interfaces_name_is_one_that_the_kernel_takes(name: str) -> None:
    files = Files(Layout(name))
    assert len(files.interface) <= 15
    assert files.tag in files.interface
    assert files.tag in files.cgroup


def test_equal_names_in_other_folders_share_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Files(Layout("same"))
    before = here.interface, here.cgroup
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not set(before) & {here.interface, here.cgroup}


def test_pods_find_the_api_server_under_every_name_and_address_that_they_are_told() -> None:
    node = plan()
    told = {
        str(node.host),
        str(API_SERVICE),
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    }
    assert told <= set(node.names_of_server)
    assert f"kube-apiserver=advertise-address={node.host}" in node.server_arguments
    assert f"kube-apiserver=service-cluster-ip-range={SERVICES}" in ARGUMENTS


def test_containerd_reads_its_configuration() -> None:
    node = plan()
    read = tomllib.loads(configuration.containerd(node, "example/pause:1", PROGRAMS))
    runtime = read["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cni"] == {"bin_dirs": ["/cache/cni"], "conf_dir": str(node.files.cni)}
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/cache/runc/runc"
    assert read["plugins"]["io.containerd.cri.v1.images"]["pinned_images"] == {"sandbox": "example/pause:1"}


@pytest.mark.parametrize(("heartbeat", "seconds"), [("production", 40), ("edge", 4)])
def test_the_real_nodes_lease_lasts_as_long_as_the_emulated_ones(heartbeat: str, seconds: int) -> None:
    read = configuration.kubelet(plan(), heartbeat)  # type: ignore[arg-type]
    assert read["nodeLeaseDurationSeconds"] == seconds


def test_pods_ask_the_service_that_coredns_is_behind() -> None:
    assert configuration.kubelet(plan(), "edge")["clusterDNS"] == [str(DNS_SERVICE)]
    service = next(item for item in dns.objects("example/coredns:1") if item["kind"] == "Service")
    assert IPv4Address(service["spec"]["clusterIP"]) in SERVICES


def test_an_archive_is_an_image_that_runs_the_program(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    archive.pack(program, "example/program:1", "x86_64", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as packed:
        files = {member.name: packed.extractfile(member).read() for member in packed}  # type: ignore[union-attr]

    def blob(descriptor: dict[str, Any]) -> bytes:
        found = files[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]
        assert f"sha256:{hashlib.sha256(found).hexdigest()}" == descriptor["digest"]
        assert len(found) == descriptor["size"]
        return found

    index = json.loads(files["index.json"])["manifests"][0]
    manifest = json.loads(blob(index))
    config = json.loads(blob(manifest["config"]))
    with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]))) as layer:
        assert layer.getmember("program").mode == 0o755
    assert index["annotations"]["io.containerd.image.name"] == "example/program:1"
    assert config["config"] == {"User": "65532:65532", "Entrypoint": ["/program"]}
    assert config["architecture"] == "amd64"


@pytest.mark.parametrize(
    ("routes", "taken"),
    [
        (["default", "192.168.0.0/24"], None),
        (["default", "10.0.0.0/8"], "10.0.0.0/8"),
        (["10.208.0.7"], "10.208.0.7"),
        (["10.208.1.0/24"], None),
    ],
)
def test_a_route_that_is_there_already_is_found(routes: list[str], taken: str | None) -> None:
    assert requirements.overlap(routes, [IPv4Network("10.208.0.0/24")]) == taken


@pytest.mark.parametrize("folder", ["/run/user/0", "/var/lib/ci", "/var/log"])
@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CACHE_HOME"])
def test_folders_that_the_node_would_not_see_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, folder: str
) -> None:
    requirements.check_homes()
    monkeypatch.setenv(variable, folder)
    with pytest.raises(TestbedError, match=f"{folder}.*set {variable} to a folder elsewhere"):
        requirements.check_homes()


def test_it_is_refused_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match=r"needs root.*sudo -E.*manifests/kind"):
        requirements.check()


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for program in ("ip", "unshare", "nsenter", "mount", "openssl"):
        (tmp_path / program).symlink_to(shutil.which("true") or "/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TestbedError, match=r"lacks.*apt-get install iptables`"):
        requirements.check()
