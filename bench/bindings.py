"""Checks every binding again, from the API server's nodes and pods alone and with no code of Edgewright's."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

SUFFIXES = {"m": Fraction(1, 1000), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)} | {
    f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGT", start=1)
}


def violations(nodes: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for every node over its allocatable and every pod where its own spec forbids it."""
    by_name = {node["metadata"]["name"]: node for node in nodes}
    used: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    found = []
    for pod in pods:
        where = pod["spec"].get("nodeName")
        if not where or pod["status"].get("phase") in {"Succeeded", "Failed"}:
            continue
        if where not in by_name:
            found.append(f"pod {pod['metadata']['name']} is on {where}, which does not exist")
            continue
        found += [
            f"pod {pod['metadata']['name']} on {where}: {why}" for why in _forbidden(pod, by_name[where])
        ]
        used[where]["pods"] += 1
        for container in pod["spec"]["containers"]:
            for resource, quantity in container.get("resources", {}).get("requests", {}).items():
                used[where][resource] += amount(quantity)
    for name, requests in used.items():
        allocatable = by_name[name]["status"]["allocatable"]
        found += [
            f"node {name}: {resource} {float(asked):g} requested, {allocatable.get(resource, 0)} allocatable"
            for resource, asked in requests.items()
            if asked > amount(allocatable.get(resource, "0"))
        ]
    return found


def together(pods: Iterable[Mapping[str, Any]], labels: Sequence[str]) -> int:
    """How many living bound pods share their node with another of equal `labels` in their namespace."""
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for pod in pods:
        metadata, node = pod["metadata"], pod["spec"].get("nodeName")
        if node and not metadata.get("deletionTimestamp"):
            key = [metadata.get("labels", {}).get(label, "") for label in labels]
            counts[metadata["namespace"], node, *key] += 1
    return sum(count for count in counts.values() if count > 1)


def amount(quantity: str | int) -> Fraction:
    """A Kubernetes quantity as an exact number."""
    text = str(quantity)
    for suffix, scale in SUFFIXES.items():
        if text.endswith(suffix):
            return Fraction(text.removesuffix(suffix)) * scale
    return Fraction(text)


def _forbidden(pod: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    spec, labels = pod["spec"], node["metadata"].get("labels", {})
    found = [
        f"nodeSelector {key}={value} is not on the node"
        for key, value in spec.get("nodeSelector", {}).items()
        if labels.get(key) != value
    ]
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    if terms and not any(
        all(labels.get(e["key"]) in e["values"] for e in term["matchExpressions"]) for term in terms
    ):
        found.append("no nodeAffinity term matches")
    found += [
        f"taint {taint['key']} is not tolerated"
        for taint in node["spec"].get("taints", [])
        if taint["effect"] == "NoSchedule" and not _tolerated(taint, spec.get("tolerations", []))
    ]
    return found


def _tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        t.get("effect", taint["effect"]) == taint["effect"]
        and t.get("key", taint["key"]) == taint["key"]
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in tolerations
    )
