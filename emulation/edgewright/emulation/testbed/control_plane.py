"""Runs etcd, the API server, the controller manager, the scheduler and KWOK on loopback, through kwokctl."""

import http.client
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from edgewright.emulation.testbed import processes
from edgewright.emulation.testbed.containers import sandbox
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout
from edgewright.emulation.testbed.ports import Ports
from edgewright.emulation.testbed.processes import Process

Heartbeat = Literal["production", "edge"]
FACTORS: dict[Heartbeat, float] = {"production": 1.0, "edge": 0.1}
"""Factor on Kubernetes' defaults: Leases of 40 s renewed every 10 s, or of 4 s renewed every second."""
APISERVER, ETCD, KWOK = "kube-apiserver", "etcd", "kwok-controller"
COMPONENTS = (ETCD, APISERVER, "kube-controller-manager", "kube-scheduler", KWOK)
BINARIES = {
    "KWOK_ETCD_BINARY": "etcd",
    "KWOK_KUBE_APISERVER_BINARY": "kube-apiserver",
    "KWOK_KUBE_CONTROLLER_MANAGER_BINARY": "kube-controller-manager",
    "KWOK_KUBE_SCHEDULER_BINARY": "kube-scheduler",
    "KWOK_KUBECTL_BINARY": "kubectl",
    "KWOK_CONTROLLER_BINARY": "kwok",
}
"""How kwokctl is told which program to run as what."""
KWOK_ANNOTATION = "kwok.x-k8s.io/node"
"""Only nodes annotated with `fake` are played by KWOK: a real kubelet may join beside them."""
ARGUMENTS = (
    f"{KWOK}=manage-all-nodes=false",
    f"{KWOK}=manage-nodes-with-annotation-selector={KWOK_ANNOTATION}=fake",
    # With nobody to elect against, they also live through an API server that is away for long.
    "kube-controller-manager=leader-elect=false",
    "kube-scheduler=leader-elect=false",
    # kwokctl's 256 addresses would end at the 26th ServiceDAG of ten microservices.
    "kube-apiserver=service-cluster-ip-range=10.96.0.0/18",
    # Why these three: docs/decisions/0009.
    f"{ETCD}=unsafe-no-fsync=true",
    f"{KWOK}=v=WARN",
    "kube-controller-manager=concurrent-replicaset-syncs=50",
)
"""What every testbed gives its components, as `component=key=value`."""
KWOK_CONFIGURATION: dict[str, Any] = {
    "kind": "KwokConfiguration",
    "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
    "options": {"nodeLeaseParallelism": 64, "nodePlayStageParallelism": 16, "podPlayStageParallelism": 16},
}
"""With KWOK's four workers of each kind every node waits for every other one (docs/decisions/0009)."""
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
GO_RUNTIME = {"GOGC": "400", "GOMEMLIMIT": str(MEMORY // 4)}
"""What Go's collector is told unless the user's environment says otherwise (docs/decisions/0008): with its
default the API server spends a third of two cores on it. No component lets garbage grow beyond the limit."""
READY_SECONDS = 120.0
ENDED_SECONDS = 2.0
"""A component that stays away so long while kwokctl waits for it has failed."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The control plane of one testbed; every method may be called again after a crash."""

    layout: Layout
    ports: Ports

    def create(
        self,
        binaries: Mapping[str, Path],
        heartbeat: Heartbeat,
        extra_args: Sequence[str] = (),
        extra_names: Sequence[str] = (),
    ) -> None:
        """Start everything and wait until the API server is ready.

        `extra_args` are more arguments, as `component=key=value`; `extra_names` stand in the API server's
        certificate besides loopback. Raises TestbedError with the end of the log of what failed.
        """
        layout = self.layout
        layout.logs.mkdir(parents=True, exist_ok=True)
        layout.workdir.mkdir(parents=True, exist_ok=True)
        config = layout.workdir / "kwokctl.yaml"
        config.write_text(
            yaml.safe_dump_all([self._configuration(heartbeat, extra_args, extra_names), KWOK_CONFIGURATION])
        )
        # Started through a link of our own, a kwokctl that outlives us is recognised by its path.
        program = layout.workdir / "kwokctl"
        program.unlink(missing_ok=True)
        program.symlink_to(binaries["kwokctl"])
        environment = GO_RUNTIME | os.environ | {"KWOK_WORKDIR": str(layout.workdir)}
        environment |= {variable: str(binaries[name]) for variable, name in BINARIES.items()}
        command = [str(program), "create", "cluster", "--name", layout.name, "--config", str(config)]
        command += ["--kubeconfig", str(layout.kubeconfig)]
        log = layout.logs / "kwokctl.log"
        creator = processes.spawn("kwokctl", command, log=log, pids=layout.pids, env=environment)
        deadline = time.monotonic() + READY_SECONDS
        seen_ended: dict[str, float] = {}
        while creator.alive:
            for name in COMPONENTS:
                process = self._started(name)
                if process is None or process.alive:
                    seen_ended.pop(name, None)
                elif time.monotonic() - seen_ended.setdefault(name, time.monotonic()) > ENDED_SECONDS:
                    raise TestbedError(f"{name} ended while starting:\n{tail(self._log(name))}")
            if time.monotonic() > deadline:
                raise TestbedError(f"kwokctl did not finish in {READY_SECONDS:.0f} s:\n{tail(log)}")
            time.sleep(processes.POLL)
        for name in COMPONENTS:
            if self._started(name) is None:
                raise TestbedError(f"kwokctl did not start {name}:\n{tail(log)}")
        self.wait_ready(APISERVER)

    def _configuration(
        self, heartbeat: Heartbeat, extra_args: Sequence[str], extra_names: Sequence[str]
    ) -> dict[str, Any]:
        ports = self.ports
        # Not as --extra-args: kwokctl 0.8.0 mixes up the components of some sequences of them.
        patches: dict[str, list[dict[str, str]]] = {}
        for argument in (*ARGUMENTS, *extra_args):
            component, key, value = argument.split("=", 2)
            patches.setdefault(component, []).append({"key": key, "value": value})
        return {
            "kind": "KwokctlConfiguration",
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "options": {
                "runtime": "binary",
                "bindAddress": "127.0.0.1",
                "disableQPSLimits": True,
                "heartbeatFactor": FACTORS[heartbeat],
                "kubeAuthorization": True,
                "kubeAdmission": True,
                "kubeApiserverPort": ports.apiserver,
                "kubeApiserverCertSANs": list(extra_names),
                "etcdPort": ports.etcd,
                "etcdPeerPort": ports.etcd_peer,
                "kubeControllerManagerPort": ports.controller_manager,
                "kubeSchedulerPort": ports.scheduler,
                "kwokControllerPort": ports.kwok,
            },
            "componentsPatches": [{"name": name, "extraArgs": args} for name, args in patches.items()],
        }

    def _started(self, name: str) -> Process | None:
        """The process that kwokctl started as `name`, recorded as ours; None while there is none."""
        file = self.layout.cluster / "pids" / f"{name}.pid"
        if not file.exists() or not (pid := file.read_text()):
            return None
        known = next((p for p in processes.recorded(self.layout.pids) if p.name == name), None)
        if known is None or known.pid != int(pid):
            known = processes.record(name, int(pid), self.layout.pids)
        return known

    def _log(self, component: str) -> Path:
        return self.layout.cluster / "logs" / f"{component}.log"

    def process(self, component: str) -> Process:
        """The recorded process of a component; TestbedError if there is no such component."""
        for process in processes.recorded(self.layout.pids):
            if process.name == component:
                return process
        raise TestbedError(f"no component {component!r}: there are {', '.join(COMPONENTS)}")

    def stop(self, component: str, grace: float = 1.0) -> None:
        """End one component, killed after `grace` seconds (a busy API server would take minutes)."""
        processes.stop([self.process(component)], grace)

    def start(self, component: str) -> None:
        """Start a stopped component with the arguments it had, and wait until it is ready."""
        if self.process(component).alive:
            return
        with (self.layout.cluster / "kwok.yaml").open() as file:
            configuration = next(yaml.load_all(file, Loader=yaml.CSafeLoader))
        given = next(item for item in configuration["components"] if item["name"] == component)
        processes.spawn(
            component,
            [given["binary"], *given["args"]],
            log=self._log(component),
            pids=self.layout.pids,
            env=GO_RUNTIME | os.environ,
        )
        self.wait_ready(component)

    def restart(self, component: str) -> None:
        """Stop and start one component."""
        self.stop(component)
        self.start(component)

    def wait_ready(self, component: str) -> None:
        """Wait until the component says that it is ready; a TestbedError holds the end of its log."""
        log = self._log(component)
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready(component):
            if not self.process(component).alive:
                raise TestbedError(f"{component} ended while starting:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise TestbedError(f"{component} is not ready after {READY_SECONDS:.0f} s:\n{tail(log)}")
            time.sleep(processes.POLL)

    def ready(self, component: str) -> bool:
        """Whether the component says that it is ready now."""
        port, path, tls = {
            ETCD: (self.ports.etcd, "/readyz", False),
            APISERVER: (self.ports.apiserver, "/readyz", True),
            "kube-controller-manager": (self.ports.controller_manager, "/healthz", True),
            "kube-scheduler": (self.ports.scheduler, "/healthz", True),
            KWOK: (self.ports.kwok, "/healthz", False),
        }[component]
        connection: http.client.HTTPConnection
        if tls:
            # The controller manager and the scheduler sign for themselves; all listen on loopback only.
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def destroy(layout: Layout) -> None:
    """End every process of the testbed and remove its folder; nothing happens if there is none."""
    sandbox.remove(layout)
    records = processes.recorded(layout.pids)
    processes.stop((record for record in records if record.name not in COMPONENTS), grace=3.0)
    # The control plane's data goes too, so it need not shut down in good order.
    left = processes.stop(records, grace=0.0)
    while not left and (strays := processes.identify(processes.belonging(layout.root))):
        left = processes.stop(strays, grace=0.0)
    if left:
        raise TestbedError(
            f"testbed {layout.name!r}: processes {', '.join(str(p.pid) for p in left)} do not end; "
            "its folder is kept, run `down` again"
        )
    with suppress(FileNotFoundError):
        shutil.rmtree(layout.root)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.exists():
        return f"({log} was never written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def kubectl(kubeconfig: Path, program: Path, *arguments: str) -> str:
    """Run kubectl against a testbed and return what it printed; subprocess.CalledProcessError if it fails."""
    return subprocess.run(
        [str(program), "--kubeconfig", str(kubeconfig), *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
