"""Finds the control plane's programs, or gets them once: named, on PATH, cached, released or built."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgewright.emulation.testbed import builds, releases
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import cache_home
from edgewright.emulation.testbed.report import Report, silent

TOOLCHAIN = Path(__file__).parent / "toolchain"
"""One Go module per component: its go.mod pins the version, its go.sum every source's checksum."""
VERSION_SECONDS = 10.0


@dataclass(frozen=True)
class Component:
    """Programs that come from one source module in one version."""

    name: str
    module: str
    packages: dict[str, str]
    """Program name to Go package."""
    stamp: tuple[str, ...] = ()
    """Linker flags; `{version}`, `{major}` and `{minor}` are filled in."""
    tags: tuple[str, ...] = ()
    """Build tags."""
    cgo: bool = False
    """Whether it needs a C compiler."""

    @cached_property
    def version(self) -> str:
        """The pinned version, such as `1.36.3`, as the toolchain's go.mod has it."""
        text = (TOOLCHAIN / self.name / "go.mod").read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(self.module)} v(\S+)", text, re.MULTILINE)
        if found is None:
            raise TestbedError(f"toolchain/{self.name}/go.mod does not require {self.module}")
        return found[1]

    @property
    def release(self) -> str:
        """What its publisher calls this version: Prometheus' module says 0.315.0 for 3.15.0."""
        if self.name != "prometheus":
            return self.version
        _, middle, patch = self.version.split(".")
        return f"{int(middle) // 100}.{int(middle) % 100}.{patch}"

    @property
    def minor(self) -> str:
        """Major and minor version, such as `1.36`."""
        return ".".join(self.release.split(".")[:2])

    @property
    def folder(self) -> Path:
        """Where this version's programs are cached."""
        return cache_home() / "bin" / f"{self.name}-{self.version}"

    @property
    def linker_flags(self) -> str:
        """What the linker writes into the programs: kwokctl reads versions from them."""
        major, minor = self.minor.split(".")
        return " ".join(self.stamp).format(version=self.release, major=major, minor=minor)


@dataclass(frozen=True)
class OwnComponent(Component):
    """Programs whose sources are in the toolchain folder itself; their checksum is the version."""

    @cached_property
    def version(self) -> str:
        """Such as `0.0.0-1a2b3c4d`."""
        files = sorted(file for file in (TOOLCHAIN / self.name).rglob("*") if file.is_file())
        content = b"".join(file.read_bytes() for file in files)
        return f"0.0.0-{hashlib.sha256(content).hexdigest()[:8]}"


_KUBERNETES_STAMP = tuple(
    f"-X {package}.{field}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for field in ("gitVersion=v{version}", "gitMajor={major}", "gitMinor={minor}")
)
COMPONENTS = (
    Component("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Component(
        "kwok",
        "sigs.k8s.io/kwok",
        {name: f"sigs.k8s.io/kwok/cmd/{name}" for name in ("kwok", "kwokctl")},
        ("-X sigs.k8s.io/kwok/pkg/consts.Version=v{version}",),
    ),
    Component(
        "kubernetes",
        "k8s.io/kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        ("-s -w", *_KUBERNETES_STAMP),
    ),
)
"""The control plane."""
NODE_COMPONENTS = (
    Component(
        "kubernetes",
        "k8s.io/kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-proxy")},
        ("-s -w", *_KUBERNETES_STAMP),
    ),
    Component(
        "containerd",
        "github.com/containerd/containerd/v2",
        {
            name: f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        ("-s -w", "-X github.com/containerd/containerd/v2/version.Version={version}"),
    ),
    Component(
        "runc",
        "github.com/opencontainers/runc",
        {"runc": "github.com/opencontainers/runc"},
        ("-s -w", "-X main.version={version}"),
        tags=("seccomp",),
        cgo=True,
    ),
    Component(
        "cni",
        "github.com/containernetworking/plugins",
        {
            "bridge": "github.com/containernetworking/plugins/plugins/main/bridge",
            "loopback": "github.com/containernetworking/plugins/plugins/main/loopback",
            "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
        },
        ("-s -w",),
    ),
    Component("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"}, ("-s -w",)),
    OwnComponent(
        "node",
        "edgewright.dev/toolchain/node",
        {f"edgewright-{name}": f"edgewright.dev/toolchain/node/{name}" for name in ("pause", "relay")},
        ("-s -w",),
    ),
)
"""The container node; needed for nothing else."""

HELM = Component(
    "helm",
    "helm.sh/helm/v4",
    {"helm": "helm.sh/helm/v4/cmd/helm"},
    ("-s -w", "-X helm.sh/helm/v4/internal/version.version=v{version}"),
)
PROMETHEUS = Component(
    "prometheus",
    "github.com/prometheus/prometheus",
    {name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
    ("-s -w", "-X github.com/prometheus/common/version.Version={version}"),
)
OPTIONAL = {"containers": NODE_COMPONENTS, "helm": (HELM,), "prometheus": (PROMETHEUS,)}
"""Only for who asks for it, for example by `edgewright testbed build --with NAME`: building takes minutes."""


def resolve(report: Report = silent, components: Iterable[Component] = COMPONENTS) -> dict[str, Path]:
    """Path of every program; what is found nowhere is downloaded or built, which can take minutes.

    The order for each program: the environment variable `EDGEWRIGHT_` + its name (as in
    EDGEWRIGHT_KUBE_APISERVER), a program of the pinned minor version on PATH, the user's cache, the
    official release, the sources. Raises TestbedError if a named program does not run or none can be had.
    """
    programs: dict[str, Path] = {}
    for component in components:
        found = {name: find(component, name) for name in component.packages}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            obtain(component, missing, report)
        for name, path in found.items():
            programs[name] = path or component.folder / name
    return programs


def find(component: Component, program: str) -> Path | None:
    """A program that is there already, or None."""
    variable = f"EDGEWRIGHT_{program.upper().replace('-', '_')}"
    if named := os.environ.get(variable):
        path = Path(named)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise TestbedError(f"{variable} names {named!r}, which is not a program that can be run")
        return path.absolute()
    if (on_path := shutil.which(program)) and version_of(Path(on_path)).startswith(f"{component.minor}."):
        return Path(on_path).absolute()
    cached = component.folder / program
    return cached if os.access(cached, os.X_OK) else None


def version_of(program: Path) -> str:
    """What the program says its version is, such as `1.36.3`; empty if it does not say."""
    # kubectl and helm have no flag for it, and kubectl may need a cluster unless told not to.
    arguments = {"kubectl": ["version", "--client"], "helm": ["version"]}.get(program.name, ["--version"])
    try:
        said = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", said)
    return found[1] if found else ""


def obtain(component: Component, programs: Iterable[str], report: Report) -> None:
    """Put programs into the cache; another process that is at it already is waited for."""
    with _locked(component, report):
        for name in programs:
            target = component.folder / name
            if os.access(target, os.X_OK):
                continue
            fresh = target.with_name(f".{name}.new")
            try:
                releases.download(component.name, component.release, name, fresh, report)
            except releases.UnavailableError as reason:
                report(f"no official release of {name} v{component.version} can be had ({reason})")
                builds.build(TOOLCHAIN / component.name, component, name, fresh, report)
            fresh.chmod(0o755)
            fresh.rename(target)


@contextmanager
def _locked(component: Component, report: Report) -> Iterator[None]:
    component.folder.mkdir(parents=True, exist_ok=True)
    with (component.folder / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that is getting {component.name} v{component.version}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
