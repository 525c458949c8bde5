"""CustomResourceDefinitions of every kind, from the typed models, as objects and as YAML files."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from edgewright.kube.crds.edge_controller import EdgeController
from edgewright.kube.crds.edge_topology import EdgeTopology
from edgewright.kube.crds.node_load import NodeLoad
from edgewright.kube.crds.schema import structural
from edgewright.kube.crds.service_dag import ServiceDag
from edgewright.kube.names import GROUP, VERSION

HEADER = (
    "# Written by `python -m edgewright.kube.crds` from the models in edgewright.kube.crds; do not edit.\n"
)


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` shows it only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""


@dataclass(frozen=True)
class Kind:
    """What a CustomResourceDefinition says besides its schema."""

    model: type[BaseModel]
    kind: str
    plural: str
    short: str
    columns: Sequence[Column]
    namespaced: bool = True
    status: bool = True


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        ServiceDag,
        "ServiceDAG",
        "servicedags",
        "sdag",
        (
            Column(
                "Ready",
                '.status.conditions[?(@.type=="Ready")].status',
                description="Whether it serves as asked",
            ),
            Column("Reason", ".status.summary.ready", description="Why it is, or is not, Ready"),
            Column("Placed", ".status.summary.placed", description="Replicas placed of those desired"),
            Column("Latency", ".status.summary.latency", description="Predicted latency against the limit"),
            Column("Plan", ".status.plan.source", description="Where the plan comes from"),
            _AGE,
            Column("Nodes", ".status.summary.nodes", wide=True, description="Nodes that run replicas"),
            Column(
                "Trust", ".status.plan.trust", "number", wide=True, description="Weight given to the plan"
            ),
        ),
    ),
    Kind(
        EdgeController,
        "EdgeController",
        "edgecontrollers",
        "ec",
        (
            Column(
                "Ready",
                '.status.conditions[?(@.type=="Ready")].status',
                description="Whether an agent decides",
            ),
            Column("Algorithm", ".status.algorithm", description="Algorithm in use"),
            Column("Nodes", ".status.nodeCount", "integer", description="Nodes that it governs"),
            Column("Decisions/s", ".status.decisionsPerSecond", "number", description="In the last minute"),
            Column("P99", ".status.p99DecisionMs", "number", description="99th percentile of decisions, ms"),
            _AGE,
            Column(
                "Reason",
                '.status.conditions[?(@.type=="Ready")].reason',
                wide=True,
                description="Why it is, or is not, Ready",
            ),
            Column("Last error", ".status.lastError.message", wide=True, description="Of the agent"),
        ),
    ),
    Kind(
        EdgeTopology,
        "EdgeTopology",
        "edgetopologies",
        "etopo",
        (_AGE,),
        namespaced=False,
    ),
    Kind(
        NodeLoad,
        "NodeLoad",
        "nodeloads",
        "nload",
        (
            Column("Region", ".spec.edgeController.namespace", description="Namespace of the EdgeController"),
            Column("Observed", ".spec.observedAt", "date", description="When the load was last known"),
            _AGE,
        ),
        namespaced=False,
        status=False,
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    schema = structural(kind.model)
    schema["properties"] = {
        "apiVersion": {
            "type": "string",
            "description": "API version of the object: " + f"{GROUP}/{VERSION}.",
        },
        "kind": {"type": "string", "description": f"Kind of the object: {kind.kind}."},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_printed(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": schema},
    }
    if kind.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            # The chart of the operator refuses definitions that are older than itself.
            "labels": {
                "app.kubernetes.io/name": "edgewright",
                "app.kubernetes.io/version": version_of("edgewright"),
            },
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["edgewright"],
            },
            "versions": [version],
        },
    }


def _printed(column: Column) -> dict[str, Any]:
    printed: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        printed["description"] = column.description
    if column.wide:
        printed["priority"] = 1
    return printed


def files() -> dict[str, str]:
    """File name to YAML text of every definition."""
    return {f"{kind.plural}.yaml": HEADER + _yaml(definition(kind)) for kind in KINDS}


def write(folder: Path) -> list[Path]:
    """Write every definition below `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Repeat equal parts: a reader of the file should not chase anchors."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Quote what readers of YAML 1.1, kubectl among them, would take for a boolean."""
    style = '"' if text in {"y", "Y", "n", "N", "true"} else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
