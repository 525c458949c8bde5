"""`edgewright demo`: what the README promises, on a cluster that exists for two minutes."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.emulation.testbed import Options, Testbed

SCENARIO = "melbourne-small"
REGIONS = (f"{SCENARIO}-1", f"{SCENARIO}-2")
SAMPLES = (
    ("xr-content-delivery", REGIONS[0]),
    ("digital-twin-sync", REGIONS[0]),
    ("holographic-communication", REGIONS[1]),
)
VICTIM = ("xr-content-delivery", REGIONS[0])


class DemoFailure(Exception):  # noqa: N818 - a verdict, not a program error
    """Something that the demo promises did not happen."""


def demo(
    name: Annotated[str, typer.Option("--name", help="Name of the testbed that is brought up.")] = "demo",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running and say how to look.")
    ] = False,
    helm: Annotated[
        bool,
        typer.Option(
            "--helm",
            help="Install the charts and images of this checkout, as pods on a real node, instead of "
            "starting local processes. Needs root on Linux, and `make images`.",
        ),
    ] = False,
) -> None:
    """Place three DAGs on an emulated city, cut a node, watch the recovery, refuse what cannot fit.

    Needs neither root nor Docker, listens on loopback only, touches no kubeconfig of yours, and removes
    all that it started, unless told to --keep it. Takes under two minutes once the control plane's
    binaries exist; obtaining them takes about eight more, once.
    """
    from rich.console import Console

    from edgewright.emulation import testbed

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    started = time.monotonic()
    from edgewright.cli.demo_helm import HelmDemo

    kind = HelmDemo if helm else Demo
    try:
        kind(console, kind.bring_up(console, name), name).play()
    except (DemoFailure, testbed.TestbedError) as failure:
        console.print(f"\n[red]FAILED[/] after {time.monotonic() - started:.0f} s: {failure}")
        if not keep:
            testbed.down(name)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        testbed.down(name)
        raise typer.Exit(130) from None
    if keep:
        _say_how_to_look(console, name)
    else:
        console.print("\nCleaning up.")
        testbed.down(name)
    console.print(
        f"\n[green]PASSED[/]: everything the demo promises was seen, in {time.monotonic() - started:.0f} s."
    )


def _say_how_to_look(console: "Console", name: str) -> None:
    console.print(
        f"""
It is still running. Look around:

  export KUBECONFIG=$(edgewright testbed kubeconfig --name {name})
  kubectl get edgewright --all-namespaces
  edgewright tree --namespace {REGIONS[0]} --watch
  edgewright testbed nodes --name {name}

and stop it with: edgewright testbed down --name {name}"""
    )


@dataclass
class Recovery:
    """Times since the cut, in seconds, by what was seen first; one pod lost is one pod to replace."""

    lost: set[str]
    seen: dict[str, float] = field(default_factory=dict)

    def note(self, what: str, since: float) -> None:
        """Remember when something was first seen."""
        self.seen.setdefault(what, time.monotonic() - since)


class Demo:
    """The demonstration's acts, played in order; each raises DemoFailure if its promise is not kept."""

    scene = "A control plane, 24 edge nodes, the operator and one agent per region"

    def __init__(self, console: "Console", bed: "Testbed", name: str) -> None:
        from edgewright.emulation.testbed import binaries
        from edgewright.kube.manifests import folder

        self.console = console
        self.bed = bed
        self.name = name
        self.kubectl = binaries.resolve()["kubectl"]
        self.manifests = folder()
        self.environment = os.environ | {"KUBECONFIG": str(bed.kubeconfig)}

    @classmethod
    def bring_up(cls, console: "Console", name: str) -> "Testbed":
        """The testbed that the acts are played on; TestbedError if it cannot be had."""
        from edgewright.cli.progress import reporter
        from edgewright.emulation import testbed

        console.rule(cls.scene, align="left")
        testbed.down(name)  # what an earlier, killed demo left
        with reporter(console) as report:
            return testbed.up(name, options=cls.options(), report=report)

    @classmethod
    def options(cls) -> "Options":
        """What the testbed shall be."""
        from edgewright.emulation import testbed

        return testbed.Options(scenario=SCENARIO, heartbeat="edge")

    def play(self) -> None:
        """All acts."""
        self.place()
        self.explain()
        self.lose_a_node()
        self.refuse()
        self.remove()

    def place(self) -> None:
        """Apply three DAGs and wait until each is Ready."""
        self._title("Three DAGs, applied with plain kubectl")
        began = time.monotonic()
        for sample, namespace in SAMPLES:
            self._show("apply", "-n", namespace, "-f", str(self._manifest("samples", sample)))
        for sample, namespace in SAMPLES:
            self._run("wait", "-n", namespace, f"sdag/{sample}", "--for=condition=Ready", "--timeout=60s")
        self.console.print(
            f"[green]✓[/] all three Ready {time.monotonic() - began:.1f} s after the first apply\n"
        )
        self._show("get", "sdag", "--all-namespaces")

    def explain(self) -> None:
        """Say why the replicas of one DAG are where they are."""
        self._title("Why there?")
        from edgewright.cli.explain import explain

        dag, namespace = VICTIM
        self.console.print(f"[bold]$ edgewright explain sdag/{dag} -n {namespace}[/]", soft_wrap=True)
        explain(f"sdag/{dag}", namespace=namespace, kubeconfig=str(self.bed.kubeconfig))

    def lose_a_node(self) -> None:
        """Cut the node that holds most of one DAG and wait until the DAG is whole again elsewhere."""
        dag, namespace = VICTIM
        pods = self._pods(namespace, dag)
        node, count = Counter(pod["spec"]["nodeName"] for pod in pods).most_common(1)[0]
        self._title(f"Node {node} dies, and {count} replicas of {dag} with it")
        recovery = Recovery({p["metadata"]["uid"] for p in pods if p["spec"]["nodeName"] == node})
        self.console.print(
            f"[bold]$ edgewright testbed nodes cut {node} --name {self.name}[/]", soft_wrap=True
        )
        asyncio.run(self._cut(node))
        cut = time.monotonic()
        self._until(lambda: self._recovered(namespace, dag, node, len(pods), recovery, cut), 60.0, "recovery")
        for what, seconds in sorted(recovery.seen.items(), key=lambda item: item[1]):
            self.console.print(f"[green]✓[/] {seconds:5.1f} s  {what}")
        self.console.print()
        self._show("get", "pods", "-n", namespace, "-l", f"edgewright.dev/dag={dag}", "-o", _COLUMNS)

    def refuse(self) -> None:
        """Apply a DAG that cannot fit and show what it is told."""
        self._title("A DAG that cannot fit")
        namespace, before = REGIONS[1], self._placements()
        self._show("apply", "-n", namespace, "-f", str(self._manifest("demo", "cannot-fit")))
        self._until(lambda: self._refused(namespace, "too-big"), 30.0, "the refusal")
        self._show("get", "sdag", "-n", namespace)
        self.console.print("[bold]status.unplaced[/]")
        for entry in self._unplaced(namespace, "too-big"):
            where = entry.get("microservice") or "whole DAG"
            self.console.print(
                f"  [yellow]{where}[/] {entry['constraint']}: {entry['message']}", soft_wrap=True
            )
        bound = [pod for pod in self._pods(namespace, "too-big") if pod["spec"].get("nodeName")]
        if bound:
            raise DemoFailure(f"{len(bound)} pods of a DAG that cannot fit were bound")
        if self._placements() != before:
            raise DemoFailure("a DAG that cannot fit moved replicas of others")
        self.console.print("[green]✓[/] none of its pods was bound, and every other replica is where it was")

    def remove(self) -> None:
        """Delete the DAGs; nothing that was compiled from them stays."""
        self._title("The node comes back, and deleting the DAGs leaves nothing")
        self.console.print(
            f"[bold]$ edgewright testbed nodes heal --all --name {self.name}[/]", soft_wrap=True
        )
        asyncio.run(self._heal())
        for namespace in REGIONS:
            self._show("delete", "sdag", "--all", "-n", namespace, "--wait=false")
        self._until(lambda: not self._owned(), 40.0, "the removal of every compiled object")
        self.console.print("[green]✓[/] no Deployment, Service, PodDisruptionBudget or Pod of them is left")

    def _recovered(
        self, namespace: str, dag: str, node: str, wanted: int, recovery: Recovery, cut: float
    ) -> bool:
        pods = self._pods(namespace, dag)
        leaving = {p["metadata"]["uid"] for p in pods if p["metadata"].get("deletionTimestamp")}
        there = {p["metadata"]["uid"] for p in pods}
        if all(uid in leaving or uid not in there for uid in recovery.lost):
            recovery.note("the agent has noticed and given up the lost replicas", cut)
        fresh = [p for p in pods if p["metadata"]["uid"] not in recovery.lost | leaving]
        bound = [p for p in fresh if p["spec"].get("nodeName") not in {None, node}]
        if len(fresh) >= wanted:
            recovery.note("their replacements exist", cut)
        if len(bound) < wanted:
            return False
        recovery.note("every replacement is bound to a living node", cut)
        if not all(_ready(pod) for pod in bound):
            return False
        recovery.note("every replica is Ready again", cut)
        return True

    async def _cut(self, node: str) -> None:
        from edgewright.emulation import testbed
        from edgewright.kube.api import Api

        async with await Api.connect(str(self.bed.kubeconfig)) as api:
            await testbed.nodes.cut(api, [node])

    async def _heal(self) -> None:
        from edgewright.emulation import testbed
        from edgewright.kube.api import Api

        async with await Api.connect(str(self.bed.kubeconfig)) as api:
            await testbed.nodes.heal(api, await testbed.nodes.cut_names(api))

    def _placements(self) -> dict[str, str]:
        """Node of every bound pod of the three DAGs that is not being deleted."""
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for sample, namespace in SAMPLES
            for pod in self._pods(namespace, sample)
            if pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp")
        }

    def _refused(self, namespace: str, dag: str) -> bool:
        status = self._json("get", "sdag", "-n", namespace, dag).get("status", {})
        return bool(status.get("summary", {}).get("ready") == "NoFeasiblePlacement")

    def _unplaced(self, namespace: str, dag: str) -> list[dict[str, Any]]:
        found = self._json("get", "sdag", "-n", namespace, dag)
        return list(found.get("status", {}).get("unplaced") or [])

    def _pods(self, namespace: str, dag: str) -> list[dict[str, Any]]:
        return list(self._json("get", "pods", "-n", namespace, "-l", f"edgewright.dev/dag={dag}")["items"])

    def _owned(self) -> list[dict[str, Any]]:
        kinds = "deployments,services,poddisruptionbudgets,pods"
        return list(self._json("get", kinds, "--all-namespaces", "-l", "edgewright.dev/dag")["items"])

    def _manifest(self, kind: str, name: str) -> Path:
        return Path(os.path.relpath(self.manifests / kind / f"{name}.yaml"))

    def _title(self, text: str) -> None:
        self.console.print()
        self.console.rule(text, align="left")

    def _show(self, *arguments: str) -> None:
        self.console.print(f"[bold]$ kubectl {' '.join(arguments)}[/]", soft_wrap=True)
        self.console.print(self._run(*arguments), markup=False, soft_wrap=True, end="")

    def _json(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self._run(*arguments, "-o", "json")))

    def _run(self, *arguments: str) -> str:
        return self._call(self.kubectl, *arguments)

    def _call(self, program: Path, *arguments: str) -> str:
        done = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, check=False, env=self.environment
        )
        if done.returncode:
            raise DemoFailure(f"{program.name} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _until(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """Poll a condition until it holds; DemoFailure when `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise DemoFailure(f"{what} took longer than {seconds:.0f} s")
            time.sleep(0.1)


_COLUMNS = "custom-columns=POD:.metadata.name,NODE:.spec.nodeName,PHASE:.status.phase"


def _ready(pod: dict[str, Any]) -> bool:
    conditions: Iterable[dict[str, Any]] = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
