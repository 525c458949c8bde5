"""Pods without a node, and pods that do not exist, under the causes that they share; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from edgewright.cli.causes import Cause, Facts, Object, key, label, of_missing, of_pod
from edgewright.kube.names import LABEL_DAG


@dataclass(frozen=True)
class Entry:
    """Pods that lack a node for the same causes."""

    namespace: str
    dag: str
    """Empty for pods that belong to no ServiceDAG."""
    pods: tuple[str, ...]
    missing: int
    """Pods that do not even exist."""
    since: str
    """When the oldest of them was created."""
    causes: tuple[Cause, ...]


def entries(facts: Facts, pods: Iterable[Object], dags: Iterable[Object]) -> list[Entry]:
    """Each of `pods`, and the pods that `dags` lack, under their causes; grouped, DAG by DAG."""
    known = {key(dag): dag for dag in facts.dags}
    grouped: dict[tuple[str, str, tuple[Cause, ...]], list[Object]] = {}
    for pod in pods:
        owner = known.get((pod["metadata"]["namespace"], label(pod, LABEL_DAG)))
        causes = tuple(of_pod(facts, pod, owner))
        name = owner["metadata"]["name"] if owner is not None else ""
        grouped.setdefault((pod["metadata"]["namespace"], name, causes), []).append(pod)
    found = [
        Entry(
            namespace,
            dag,
            tuple(sorted(pod["metadata"]["name"] for pod in members)),
            0,
            min(pod["metadata"].get("creationTimestamp") or "" for pod in members),
            causes,
        )
        for (namespace, dag, causes), members in grouped.items()
    ]
    for dag in dags:
        missing = _missing(facts, dag)
        if missing:
            created = dag["metadata"].get("creationTimestamp") or ""
            found.append(Entry(*key(dag), (), missing, created, tuple(of_missing(facts, dag))))
    return sorted(found, key=lambda entry: (entry.namespace, entry.dag, entry.pods))


def waits(pod: Object) -> bool:
    """Whether a pod waits for a node."""
    return not pod["spec"].get("nodeName") and (pod.get("status") or {}).get("phase", "Pending") == "Pending"


def _missing(facts: Facts, dag: Object) -> int:
    """Pods that a DAG should have and has not."""
    namespace, name = key(dag)
    there = [
        pod
        for pod in facts.pods
        if label(pod, LABEL_DAG) == name
        and pod["metadata"]["namespace"] == namespace
        and (pod.get("status") or {}).get("phase") != "Failed"
    ]
    counts = {m["name"]: int((m.get("replicas") or {}).get("min") or 1) for m in dag["spec"]["microservices"]}
    counts |= {
        entry["microservice"]: int(entry.get("replicas") or 0)
        for entry in (dag.get("status") or {}).get("desired") or ()
    }
    return max(0, sum(counts.values()) - len(there))
