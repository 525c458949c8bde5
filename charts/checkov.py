"""Run checkov over what the charts install, agents included; arguments go to checkov."""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from edgewright.emulation.testbed import binaries

CHARTS = Path(__file__).parent
VALUES = ("--set=regions={metro-1}", "--namespace", "edgewright-system")


def rendered(helm: Path, chart: str) -> str:
    """What a chart installs."""
    command = [str(helm), "template", chart, str(CHARTS / chart), *(VALUES if chart == "edgewright" else ())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def agent(manifests: str) -> str:
    """The Deployment that the operator makes from its template: checkov reads no ConfigMap."""
    objects = [item for item in yaml.safe_load_all(manifests) if item]
    config = next(item for item in objects if item["kind"] == "ConfigMap")
    template = yaml.safe_load(config["data"]["agent-template.yaml"])
    template["spec"]["serviceAccountName"] = "edgewright-agent"
    selector = {"matchLabels": template["metadata"]["labels"]}
    return yaml.safe_dump(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "edgewright-agent", "namespace": "metro-1"},
            "spec": {"replicas": 2, "selector": selector, "template": template},
        }
    )


def main() -> int:
    """Exit status of checkov."""
    helm = binaries.resolve(components=(binaries.HELM,))["helm"]
    with tempfile.TemporaryDirectory() as folder:
        manifests = rendered(helm, "edgewright")
        Path(folder, "edgewright.yaml").write_text(manifests)
        Path(folder, "agent.yaml").write_text(agent(manifests))
        Path(folder, "edgewright-crds.yaml").write_text(rendered(helm, "edgewright-crds"))
        config = ["--config-file", str(CHARTS / "checkov.yaml"), "--skip-download"]
        return subprocess.run([*sys.argv[1:], "--directory", folder, *config], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
