"""The pod template that the operator makes every region's agents from: read from a file and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONTAINER = "agent"
"""Name of the container that runs the agent."""
_OURS = {
    "serviceAccountName": "it is the agent's own account in each region",
    "serviceAccount": "it is the agent's own account in each region",
    "automountServiceAccountToken": "an agent needs its token",
    "restartPolicy": "pods of a Deployment are always restarted",
    "nodeName": "kube-scheduler chooses the node",
}
"""Fields of the pod's spec that the operator decides."""


class TemplateError(ValueError):
    """The file cannot be used; says which field, what was found, and what to do."""


@dataclass(frozen=True)
class AgentTemplate:
    """A PodTemplateSpec with a container `agent`."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def image(self) -> str:
        """Image of the agent's container."""
        return str(self.container["image"])

    @property
    def container(self) -> Mapping[str, Any]:
        """The agent's container."""
        found: Mapping[str, Any] = next(c for c in self.spec["containers"] if c["name"] == CONTAINER)
        return found


def load(path: str | Path) -> AgentTemplate:
    """The template in a YAML file. Raises TemplateError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"agent template {path}: cannot be read: {error}") from error
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TemplateError(f"agent template {path}: not YAML: {error}") from error
    try:
        return check(body)
    except TemplateError as error:
        raise TemplateError(f"agent template {path}: {error}") from error


def check(body: Any) -> AgentTemplate:
    """The template in a parsed document; the rest the API server checks. Raises TemplateError."""
    _mapping(
        body, "the file", "give a PodTemplateSpec: metadata and spec, as under a Deployment's spec.template"
    )
    if unknown := body.keys() - {"metadata", "spec"}:
        raise TemplateError(
            f"found {', '.join(sorted(map(str, unknown)))} at the top; only metadata and spec belong there, "
            "as under a Deployment's spec.template"
        )
    metadata = _mapping(
        body.get("metadata") or {}, "metadata", "give labels and annotations, or leave it out"
    )
    if unknown := metadata.keys() - {"labels", "annotations", "creationTimestamp"}:
        raise TemplateError(
            f"metadata: found {', '.join(sorted(map(str, unknown)))}; keep labels and annotations only"
        )
    texts = {}
    for field in ("labels", "annotations"):
        texts[field] = _mapping(metadata.get(field) or {}, f"metadata.{field}", "give names and texts")
        for name, value in texts[field].items():
            if not isinstance(value, str):
                raise TemplateError(f"metadata.{field}.{name}: found {value!r}, not text; put it in quotes")
    spec = _mapping(body.get("spec"), "spec", "give the pod's spec with a container `agent`")
    for field, why in _OURS.items():
        if field in spec:
            raise TemplateError(f"spec.{field}: found {spec[field]!r}; leave it out, {why}")
    _check_containers(spec.get("containers"))
    return AgentTemplate(texts["labels"], texts["annotations"], spec)


def _check_containers(containers: Any) -> None:
    if not isinstance(containers, list) or not all(isinstance(each, Mapping) for each in containers):
        raise TemplateError(f"spec.containers: found {containers!r}; give a list of containers")
    names = [each.get("name") for each in containers]
    if names.count(CONTAINER) != 1:
        raise TemplateError(
            f"spec.containers: found containers named {', '.join(map(str, names)) or 'nothing'}; name "
            f"exactly one of them `{CONTAINER}`"
        )
    place = f"spec.containers[{names.index(CONTAINER)}]"
    container = containers[names.index(CONTAINER)]
    if not isinstance(container.get("image"), str) or not container["image"]:
        raise TemplateError(f"{place}.image: found {container.get('image')!r}; give the agent's image")
    arguments = container.get("args", [])
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise TemplateError(f"{place}.args: found {arguments!r}; give a list of texts")
    if arguments and not arguments[0].startswith("-"):
        raise TemplateError(
            f"{place}.args: found {arguments[0]!r} first; give further options of `edgewright agent` only, "
            "the operator puts the command before them"
        )
    if "resources" in container:
        resources = _mapping(container["resources"], f"{place}.resources", "give requests and limits")
        for part in ("requests", "limits"):
            _mapping(resources.get(part, {}), f"{place}.resources.{part}", "give names and quantities")


def _mapping(value: Any, field: str, remedy: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TemplateError(f"{field}: found {type(value).__name__} {value!r:.60}; {remedy}")
    return value
