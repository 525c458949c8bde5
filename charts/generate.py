"""Write what charts and manifests have from each other; with --check, fail if a file is out of date.

CRDs, roles and admission policies are written in manifests/ and copied into the charts. The operator and its
surroundings are written as templates and rendered, with the charts' default values, into manifests/.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from edgewright.emulation import city, scenario
from edgewright.emulation.testbed import binaries, objects
from edgewright.kube.crds import generate as crds
from edgewright.kube.names import OPERATOR_NAMESPACE

ROOT = Path(__file__).parent.parent
CHARTS, MANIFESTS = ROOT / "charts", ROOT / "manifests"
COPIED = "# Written by `make generate` from {}; do not edit.\n"
HELM_LABELS = re.compile(r"^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
LABELS = '  labels:\n    {{- include "edgewright.labels" . | nindent 4 }}'
SCENARIOS = ("melbourne-small", "melbourne")
MONITORING = ("serviceMonitor", "podMonitor", "rules", "dashboards")
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"


def definitions() -> Iterator[tuple[Path, str]]:
    """The CRDs, which Helm shall keep."""
    for name, text in crds.files().items():
        kept = text.replace(
            "\nmetadata:\n", "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n", 1
        )
        yield CHARTS / "edgewright-crds/templates" / name, _checked(name, kept)


def rights() -> Iterator[tuple[Path, str]]:
    """Roles and admission policies, for the namespace of the release and with the chart's labels."""
    for folder in ("rbac", "admission"):
        for source in sorted((MANIFESTS / folder).glob("*.yaml")):
            if source.name in {"kustomization.yaml", "namespace.yaml"}:
                continue
            text = _checked(source.name, source.read_text())
            text = text.replace(f"namespace: {OPERATOR_NAMESPACE}", "namespace: {{ .Release.Namespace }}")
            text = re.sub(r"^metadata:$", f"metadata:\n{LABELS}", text, flags=re.MULTILINE)
            yield (
                CHARTS / "edgewright/templates" / folder / source.name,
                COPIED.format(f"manifests/{folder}") + text,
            )


def _checked(name: str, text: str) -> str:
    if "{{" in text:
        raise ValueError(f"{name} holds '{{{{', which Helm would take for a template")
    return text


def cities() -> Iterator[tuple[Path, str]]:
    """The scenarios as objects: what the chart of the testbed chooses from."""
    for name in SCENARIOS:
        town = city.build(scenario.load(name))
        made = [objects.node(town, node) for node in town.nodes]
        made += objects.edge_topologies(town)
        made += [objects.namespace(region) for region in town.regions]
        made += [objects.edge_controller(town, region) for region in town.regions]
        made = json.loads(json.dumps(made))  # equal parts are repeated: a reader should not chase anchors
        text = yaml.safe_dump_all(made, sort_keys=False, allow_unicode=True, width=110)
        yield CHARTS / "edgewright-testbed/files" / f"{name}.yaml", text


def rendered() -> Iterator[tuple[Path, str]]:
    """The operator, and what Prometheus and Grafana are told, as plain manifests with default values."""
    helm = binaries.resolve(components=(binaries.HELM,))["helm"]
    switches = [f"--set=metrics.{name}.enabled=true" for name in MONITORING]
    said = subprocess.run(
        [
            str(helm),
            "template",
            "edgewright",
            str(CHARTS / "edgewright"),
            "-n",
            OPERATOR_NAMESPACE,
            *switches,
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HELM_DEBUG": "0"},
    ).stdout
    files: dict[Path, str] = {}
    for part in re.split(r"^---\n", said, flags=re.MULTILINE):
        found = re.match(r"# Source: edgewright/templates/(operator|monitoring)/(\S+)\n", part)
        if found:
            target = MANIFESTS / found[1] / found[2]
            head = f"{files[target]}---\n" if target in files else COPIED.format("charts/edgewright")
            files[target] = head + HELM_LABELS.sub("", part[found.end() :]).strip() + "\n"
    for folder in ("operator", "monitoring"):
        names = sorted(path.name for path in files if path.parent.name == folder)
        text = COPIED.format("charts/edgewright") + KUSTOMIZATION
        files[MANIFESTS / folder / "kustomization.yaml"] = text + "".join(f"  - {name}\n" for name in names)
    yield from files.items()


def readme() -> Iterator[tuple[Path, str]]:
    """The chart's README with every value, its default and meaning, from the values and their schema."""
    chart = CHARTS / "edgewright"
    values = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, described in _values(schema, schema["$defs"], ""):
        default: Any = values
        for part in name.split("."):
            default = (default or {}).get(part)
        rows.append(f"| `{name}` | `{json.dumps(default)}` | {described} |")
    path = chart / "README.md"
    before, _, rest = path.read_text().partition("<!-- values -->\n")
    _, _, after = rest.partition("<!-- end of values -->\n")
    yield path, f"{before}<!-- values -->\n" + "\n".join(rows) + f"\n<!-- end of values -->\n{after}"


def _values(
    schema: dict[str, Any], shared: dict[str, Any], name: str, parents: str = ""
) -> Iterator[tuple[str, str]]:
    """(name, meaning) of every value that can be set by itself; a switch without words has its parent's."""
    if "$ref" in schema:
        schema = {**shared[schema["$ref"].rsplit("/", 1)[1]], **schema}
    inner, meaning = schema.get("properties", {}), schema.get("description", parents)
    if schema.get("additionalProperties") is not False or not inner:
        yield name, meaning.replace("|", "\\|")
        return
    for key, child in inner.items():
        if not (name == "" and key == "global"):
            yield from _values(child, shared, f"{name}.{key}" if name else key, meaning)


def main() -> None:
    """Write the files, or compare them."""
    check = "--check" in sys.argv
    stale: list[str] = []
    for step in (definitions, rights, cities, rendered, readme):
        for path, text in list(step()):
            if path.exists() and path.read_text() == text:
                continue
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if stale and check:
        sys.exit(f"out of date: {', '.join(stale)}; run `make generate`")
    print("\n".join(stale))


if __name__ == "__main__":
    main()
