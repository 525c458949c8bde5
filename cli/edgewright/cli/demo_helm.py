"""`edgewright demo --helm`: the demo's promises, kept by what Helm installed on a real kubelet."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from edgewright.cli.demo import REGIONS, SAMPLES, SCENARIO, Demo, DemoFailure

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.emulation.testbed import Options, Testbed

CHARTS, IMAGES = Path("charts"), Path("dist/images")
PARTS = ("operator", "agent")
NAMESPACE = "edgewright-system"
AGENTS = ("-l", "app.kubernetes.io/name=edgewright-agent")


class HelmDemo(Demo):
    """The same acts on the installed product, and what only an installation can show."""

    scene = "A control plane, 24 edge nodes, and one node with a real kubelet"

    @classmethod
    def options(cls) -> "Options":
        """A testbed with a container node, our images and nothing else of ours."""
        from edgewright.emulation import testbed

        missing = [path for path in (CHARTS, *(_archive(part) for part in PARTS)) if not path.exists()]
        if missing:
            raise testbed.TestbedError(
                f"{missing[0]} is not here: run this at the top of a checkout, after `make images`"
            )
        return testbed.Options(
            scenario=SCENARIO,
            heartbeat="edge",
            bare=True,
            manifests=False,
            containers=True,
            images=tuple(_archive(part) for part in PARTS),
        )

    def __init__(self, console: "Console", bed: "Testbed", name: str) -> None:
        from edgewright.emulation.testbed import binaries

        super().__init__(console, bed, name)
        self.helm = binaries.resolve(components=(binaries.HELM,))["helm"]

    def play(self) -> None:
        """All acts."""
        self.install()
        self.place()
        self.explain()
        self.kill_the_agents()
        self.lose_a_node()
        self.refuse()
        self.uninstall()

    def install(self) -> None:
        """Install both charts, say which nodes the regions have, and ask the release whether it works."""
        self._title("Two charts, two regions")
        began = time.monotonic()
        for namespace in (NAMESPACE, *REGIONS):
            self._show("create", "namespace", namespace)
        self._show("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        self._helm("install", "edgewright-crds", str(CHARTS / "edgewright-crds"), "--wait")
        regions = f"regions={{{','.join(REGIONS)}}}"
        self._helm("install", "edgewright", str(CHARTS / "edgewright"), "--wait", "--set", regions)
        self._show("apply", "-f", str(self._city()))
        for region in REGIONS:
            ready = "--for=condition=Ready"
            self._run("wait", "-n", region, f"edgecontroller/{region}", ready, "--timeout=60s")
        seconds = time.monotonic() - began
        self.console.print(
            f"[green]✓[/] operator and agents at work {seconds:.1f} s after the first command\n"
        )
        self._show("get", "pods", "--all-namespaces", "-l", "app.kubernetes.io/part-of=edgewright")
        self._helm("test", "edgewright")

    def kill_the_agents(self) -> None:
        """Kill both agents of a region; what they bound stays, and their successors decide."""
        dag, namespace = SAMPLES[1]
        self._title(f"Both agents of {namespace} are killed")
        before, old = self._placements(), self._agents(namespace)
        began = time.monotonic()
        self._show("delete", "pod", "-n", namespace, *AGENTS, "--grace-period=0", "--force", "--wait=false")
        self._show("delete", "sdag", "-n", namespace, dag)
        self._show("apply", "-n", namespace, "-f", str(self._manifest("samples", dag)))
        self._run("wait", "-n", namespace, f"sdag/{dag}", "--for=condition=Ready", "--timeout=60s")
        self.console.print(f"[green]✓[/] {dag} placed anew {time.monotonic() - began:.1f} s after the kill")
        if self._agents(namespace) & old:
            raise DemoFailure("an agent that was killed is still there")
        self._expect_unmoved(before, dag)

    def uninstall(self) -> None:
        """Uninstalling takes the operator away and leaves what it placed running."""
        self._title("The release goes, the services stay")
        before = self._placements()
        self._helm("uninstall", "edgewright", "--wait")
        self._until(lambda: not self._operators(), 60.0, "the end of the operator's pods")
        if self._placements() != before:
            raise DemoFailure("uninstalling moved or ended replicas")
        self.console.print(f"[green]✓[/] all {len(before)} replicas run where they ran")

    def _expect_unmoved(self, before: dict[str, str], but: str) -> None:
        after = self._placements()
        moved = [pod for pod, node in before.items() if not pod.startswith(but) and after.get(pod) != node]
        if moved:
            raise DemoFailure(f"{', '.join(moved)} did not stay where they were")
        self.console.print("[green]✓[/] every replica of the others is where it was")

    def _agents(self, namespace: str) -> set[str]:
        items = self._json("get", "pods", "-n", namespace, *AGENTS)["items"]
        return {pod["metadata"]["uid"] for pod in items}

    def _operators(self) -> list[str]:
        selected = "app.kubernetes.io/name=edgewright-operator"
        items = self._json("get", "pods", "-n", NAMESPACE, "-l", selected)["items"]
        return [pod["metadata"]["name"] for pod in items]

    def _city(self) -> Path:
        """A file with the city's links and an EdgeController for each region."""
        from edgewright.emulation import city, scenario
        from edgewright.emulation.testbed import objects

        town = city.build(scenario.load(SCENARIO))
        items = [*objects.edge_topologies(town)]
        items += [objects.edge_controller(town, region) for region in town.regions]
        target = self.bed.layout.root / "city.yaml"
        target.write_text(yaml.safe_dump_all(items))
        return target

    def _helm(self, *arguments: str) -> None:
        arguments = (*arguments, "--namespace", NAMESPACE)
        self.console.print(f"[bold]$ helm {' '.join(arguments)}[/]", soft_wrap=True)
        self.console.print(self._call(self.helm, *arguments), markup=False, soft_wrap=True)


def _archive(part: str) -> Path:
    return IMAGES / f"{part}.tar"
