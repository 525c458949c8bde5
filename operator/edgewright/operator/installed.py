"""Compares the custom resources that the API server serves with those that this version was made for."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.crds.generate import KINDS, Kind, definition
from edgewright.kube.crds.schema import each_field
from edgewright.kube.names import GROUP, VERSION

_SHOWN = 5


async def differences(api: Api) -> list[str]:
    """A sentence for each CustomResourceDefinition that lacks fields which this version reads or writes."""
    said = []
    for kind in KINDS:
        name = f"{kind.plural}.{GROUP}"
        try:
            missing = sorted(missing_fields(kind, await api.get(paths.crds(name))))
        except ApiError as error:
            said.append(f"{name} could not be compared with this version: {error}")
            continue
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            said.append(
                f"{name} is older than the operator: it lacks {', '.join(missing[:_SHOWN])}{more}: what they "
                "say is lost until the CustomResourceDefinitions of this version are applied"
            )
    return said


def missing_fields(kind: Kind, installed: Mapping[str, Any]) -> set[str]:
    """Fields of our definition that the installed one does not have, without those inside them."""
    missing = _fields(definition(kind)) - _fields(installed)
    return {path for path in missing if not any(path.startswith(f"{other}.") for other in missing)}


def _fields(crd: Mapping[str, Any]) -> set[str]:
    return {path for version in _served(crd) for path, _ in each_field(version["schema"]["openAPIV3Schema"])}


def _served(crd: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (version for version in crd["spec"]["versions"] if version["name"] == VERSION)
