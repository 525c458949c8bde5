"""Managed fields of an object that was created by POST and is later changed by server-side apply; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

_OPERATION, _APPLY = "operation", "Apply"


def owned_by_apply(entries: Sequence[Mapping[str, Any]], manager: str) -> list[dict[str, Any]] | None:
    """`metadata.managedFields` with the manager's fields from POST handed to its server-side apply.

    The API server counts a POST as an Update. Its fields would stay owned by it for ever, and a later apply
    that leaves one of them out could not remove it. None if there is nothing to hand over.
    """
    posted = [entry for entry in entries if _is(entry, manager, "Update")]
    if not posted:
        return None
    applied = [entry for entry in entries if _is(entry, manager, _APPLY)]
    fields: dict[str, Any] = {}
    for entry in (*posted, *applied):
        fields = _union(fields, entry.get("fieldsV1") or {})
    merged = {**(applied or posted)[0], _OPERATION: _APPLY, "fieldsV1": fields}
    return [merged, *[dict(entry) for entry in entries if entry not in posted and entry not in applied]]


def owns(entries: Sequence[Mapping[str, Any]], manager: str, *path: str) -> bool:
    """Whether the manager owns the field at `path`, for example `spec`, `replicas`."""
    for entry in entries:
        if entry.get("manager") != manager or entry.get("subresource"):
            continue
        fields: Any = entry.get("fieldsV1") or {}
        for name in path:
            fields = fields.get(f"f:{name}") if isinstance(fields, Mapping) else None
            if fields is None:
                break
        else:
            return True
    return False


def _is(entry: Mapping[str, Any], manager: str, operation: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get(_OPERATION) == operation
        and not entry.get("subresource")
        and entry.get("fieldsType", "FieldsV1") == "FieldsV1"
    )


def _union(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(a)
    for name, value in b.items():
        merged[name] = _union(merged[name], value) if isinstance(merged.get(name), Mapping) else value
    return merged
