"""Show the installed product on the container node: charts, a region, a DAG, a kill, and what stays."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from edgewright.cli.progress import reporter
from edgewright.emulation import city, scenario, testbed
from edgewright.emulation.testbed import binaries, objects
from edgewright.kube.manifests import folder

ROOT = Path(__file__).parent.parent
NAME, NAMESPACE, REGION = "demo-helm", "edgewright-system", "melbourne-small-1"
IMAGES = tuple(ROOT / f"dist/images/{part}.tar" for part in ("operator", "agent"))
SAMPLE = "xr-content-delivery"
AGENTS = ("-n", REGION, "-l", "app.kubernetes.io/name=edgewright-agent")


class DemoFailure(Exception):  # noqa: N818 - a verdict, not a program error
    """Something that the demo promises did not happen."""


class Demo:
    """The acts, on a testbed with a container node."""

    def __init__(self, console: Console, bed: testbed.Testbed) -> None:
        programs = binaries.resolve(components=(*binaries.COMPONENTS, binaries.HELM))
        path = os.pathsep.join({str(programs[name].parent) for name in ("kubectl", "helm")})
        self._environment = os.environ | {
            "KUBECONFIG": str(bed.kubeconfig),
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        }
        self._console = console

    def play(self) -> None:
        """All acts; raises DemoFailure."""
        began = time.monotonic()
        self._title("Two charts: the definitions, then the operator with the right to write in one region")
        self.run(
            "helm",
            "install",
            "edgewright-crds",
            "charts/edgewright-crds",
            "--namespace",
            NAMESPACE,
            "--create-namespace",
        )
        self.run("kubectl", "create", "namespace", REGION)
        self.run(
            "helm",
            "install",
            "edgewright",
            "charts/edgewright",
            "--namespace",
            NAMESPACE,
            "--wait",
            f"--set=regions={{{REGION}}}",
        )
        self._title("A region: its EdgeController, for which the operator starts agents")
        town = city.build(scenario.load("melbourne-small"))
        for body in (*objects.edge_topologies(town), objects.edge_controller(town, town.regions[0])):
            self.run("kubectl", "apply", "-f", "-", given=json.dumps(body))
        self.run(
            "kubectl", "apply", "-n", REGION, "-f", os.path.relpath(folder() / f"samples/{SAMPLE}.yaml", ROOT)
        )
        self.run("kubectl", "wait", "-n", REGION, f"sdag/{SAMPLE}", "--for=condition=Ready", "--timeout=90s")
        self._console.print(
            f"[green]✓[/] Ready {time.monotonic() - began:.1f} s after the first helm install\n"
        )
        self.run("kubectl", "get", "sdag,edgecontrollers", "-n", REGION)
        self.run("kubectl", "get", "pods", "-o", "wide", *AGENTS)
        self.run("helm", "test", "edgewright", "--namespace", NAMESPACE)

        self._title("Both agents are killed; the services do not notice, and the next DAG is placed")
        placed = self.placements()
        self.run("kubectl", "delete", "pod", *AGENTS, "--grace-period=0", "--force")
        text = (folder() / "samples/digital-twin-sync.yaml").read_text()
        killed = time.monotonic()
        self.run("kubectl", "apply", "-n", REGION, "-f", "-", given=text)
        self.run(
            "kubectl",
            "wait",
            "-n",
            REGION,
            "sdag/digital-twin-sync",
            "--for=condition=Ready",
            "--timeout=90s",
        )
        self._console.print(f"[green]✓[/] Ready {time.monotonic() - killed:.1f} s after the kill\n")
        self.promise(self.placements() == placed, "a replica moved when the agents were killed")

        self._title("helm uninstall leaves what runs")
        self.run("helm", "uninstall", "edgewright", "--namespace", NAMESPACE, "--wait")
        self.run("kubectl", "get", "sdag", "-n", REGION)
        self.promise(self.placements() == placed, "a replica went with the chart")
        self._console.print("[green]✓[/] every replica is where it was")

    def run(self, *command: str, given: str | None = None) -> str:
        """Show a command and what it says; DemoFailure if it fails."""
        self._console.print(f"[bold]$ {shlex.join(command)}[/]", soft_wrap=True)
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, cwd=ROOT, env=self._environment
        )
        if done.returncode:
            raise DemoFailure(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        self._console.print(done.stdout, markup=False, soft_wrap=True, end="")
        return done.stdout

    def placements(self) -> dict[str, str]:
        """Node of every replica of the first DAG."""
        selector = f"edgewright.dev/dag={SAMPLE}"
        done = subprocess.run(
            ["kubectl", "get", "pods", "-n", REGION, "-l", selector, "-o", "json"],
            capture_output=True,
            text=True,
            check=True,
            env=self._environment,
        )
        pods = json.loads(done.stdout)["items"]
        return {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in pods}

    def promise(self, kept: bool, otherwise: str) -> None:
        """DemoFailure with `otherwise` unless it was kept."""
        if not kept:
            raise DemoFailure(otherwise)

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.rule(text, align="left")


def main() -> int:
    """0 if all that is promised was seen."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    missing = [image.name for image in IMAGES if not image.is_file()]
    if missing:
        console.print(f"dist/images lacks {', '.join(missing)}: run `make images` first")
        return 1
    began = time.monotonic()
    testbed.down(NAME)
    options = testbed.Options(heartbeat="edge", bare=True, manifests=False, containers=True, images=IMAGES)
    try:
        with reporter(console) as report:
            bed = testbed.up(NAME, options=options, report=report)
        Demo(console, bed).play()
    except (DemoFailure, testbed.TestbedError) as failure:
        console.print(f"\n[red]FAILED[/] after {time.monotonic() - began:.0f} s: {failure}")
        return 1
    finally:
        testbed.down(NAME)
    console.print(f"\n[green]PASSED[/] in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
