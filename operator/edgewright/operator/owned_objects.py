"""Index of compiled objects by their ServiceDAG, ahead of the watch by what this process wrote itself."""

from collections.abc import Callable
from enum import Enum, auto

from edgewright.kube.names import LABEL_DAG
from edgewright.kube.objects import Manifest
from edgewright.kube.reflector import Kind
from edgewright.operator.claims import Key
from edgewright.operator.observed import ObjectKey, compiled_digest, progress, ready_replicas


class Change(Enum):
    """What became of an object, the gravest first."""

    DELETED = auto()
    MOVED = auto()
    """More than its status changed."""
    COMPLETE = auto()
    """The last of a Deployment's replicas became Ready."""
    PROGRESS = auto()


OnChange = Callable[[Key, Change], None]
"""Called with the key of the ServiceDAG."""


class OwnedObjects:
    """Fed by reflectors with every labelled object, and by the executor with the answers to its writes.

    An answer stands until the watch catches up with its resource version, so that a reconcile right after a
    write does not repeat it.
    """

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._seen: dict[Key, dict[ObjectKey, Manifest]] = {}
        self._written: dict[Key, dict[ObjectKey, Manifest]] = {}

    def of(self, dag: Key) -> dict[ObjectKey, Manifest]:
        """The objects that carry the ServiceDAG's label, as known now."""
        seen, written = self._seen.get(dag, {}), self._written.get(dag)
        return {**seen, **written} if written else dict(seen)

    def note(self, kind: str, item: Manifest) -> None:
        """Remember the answer to a write of ours."""
        dag = _dag(item)
        key = (kind, item.metadata.name)
        seen = self._seen.get(dag, {}).get(key)
        if seen is None or seen.metadata.version < item.metadata.version:
            self._written.setdefault(dag, {})[key] = item

    def forget_note(self, dag: Key, key: ObjectKey) -> None:
        """Drop the remembered answer about an object that turned out to be gone."""
        written = self._written.get(dag)
        if written is not None:
            written.pop(key, None)
            if not written:
                del self._written[dag]

    def listener(self, kind: str) -> Callable[[Kind, Key, Manifest | None, Manifest | None], None]:
        """The reflector callback for objects of a kind."""

        def on_event(event: Kind, _: Key, old: Manifest | None, new: Manifest | None) -> None:
            if old is not None and (new is None or _dag(old) != _dag(new)):
                self._remove(kind, old)
            if new is not None:
                self._put(kind, old, new)

        return on_event

    def _put(self, kind: str, old: Manifest | None, new: Manifest) -> None:
        dag, key = _dag(new), (kind, new.metadata.name)
        self._seen.setdefault(dag, {})[key] = new
        written = self._written.get(dag, {}).get(key)
        if written is not None and written.metadata.version <= new.metadata.version:
            self.forget_note(dag, key)
        base = written if written is not None else old
        if base is not None and base.metadata.version == new.metadata.version:
            return  # our own write coming back
        if base is None or _moved(base, new):
            self._on_change(dag, Change.MOVED)
        elif kind == "Deployment" and progress(base) != progress(new):
            complete = ready_replicas(new) >= int(new.spec.get("replicas") or 0)
            self._on_change(dag, Change.COMPLETE if complete else Change.PROGRESS)

    def _remove(self, kind: str, old: Manifest) -> None:
        dag, key = _dag(old), (kind, old.metadata.name)
        seen = self._seen.get(dag, {})
        seen.pop(key, None)
        if not seen:
            self._seen.pop(dag, None)
        written = self._written.get(dag, {}).get(key)
        if written is not None and written.metadata.uid == old.metadata.uid:
            self.forget_note(dag, key)
        self._on_change(dag, Change.DELETED)


def _dag(item: Manifest) -> Key:
    return item.metadata.namespace, item.metadata.labels.get(LABEL_DAG, "")


def _moved(old: Manifest, new: Manifest) -> bool:
    """Whether anything differs that reconciling reads, status apart."""
    a, b = old.metadata, new.metadata
    return (
        a.uid != b.uid
        or a.generation != b.generation
        or a.labels != b.labels
        or compiled_digest(old) != compiled_digest(new)
        or a.owner_references != b.owner_references
        or a.deletion_timestamp != b.deletion_timestamp
        or old.spec != new.spec
    )
