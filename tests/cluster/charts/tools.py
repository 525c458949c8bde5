"""Helm and kubectl as tests of the charts run them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation.testbed import binaries

ROOT = Path(__file__).parents[3]
CHARTS, MANIFESTS = ROOT / "charts", ROOT / "manifests"
NAMESPACE = "edgewright-system"
REGIONS = ("metro-1", "metro-2")


class Refused(Exception):  # noqa: N818 - what the tool said no with
    """A command that did not succeed; its message."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True)
class Tools:
    """Helm and kubectl as a user with an empty home runs them."""

    environment: dict[str, str]

    def run(self, *command: str | Path, given: str | None = None) -> str:
        """Standard output; raises Refused with what the command complained of."""
        done = subprocess.run(
            [str(part) for part in command],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=ROOT,
            timeout=180,
        )
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def helm(self, *arguments: str | Path) -> str:
        return self.run("helm", *arguments)

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> str:
        return self.run("kubectl", *arguments, given=given)

    def template(self, *arguments: str | Path, chart: str = "edgewright", namespace: str = NAMESPACE) -> str:
        """What the chart makes of values."""
        return self.helm("template", "edgewright", CHARTS / chart, "--namespace", namespace, *arguments)

    def objects(self, *arguments: str | Path, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
        """What the chart makes of values, read."""
        return parsed(self.template(*arguments, namespace=namespace))

    def validate(self, manifests: str) -> None:
        """Ask the API server whether it would take them, unknown fields refused; raises Refused."""
        dry_run = ("--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")
        self.kubectl("apply", *dry_run, "-f", "-", given=manifests)

    def live(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Objects of a kind in the cluster."""
        return list(json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"])


def parsed(manifests: str) -> list[dict[str, Any]]:
    """The objects of a YAML stream."""
    return [item for item in yaml.safe_load_all(manifests) if item]


def tools_for(home: Path, kubeconfig: Path) -> Tools:
    programs = binaries.resolve(components=(*binaries.COMPONENTS, binaries.HELM))
    folders = {str(programs[name].parent) for name in ("helm", "kubectl")}
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
    return Tools({**kept, "PATH": path, "HOME": str(home), "KUBECONFIG": str(kubeconfig)})
