"""Checks of what Edgewright works on: nodes, links, foreign load, ServiceDAGs, lost pods, clocks."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from edgewright.cli.checks.finding import Cluster, Finding, Object, key, listed, ok, problem, warning
from edgewright.cli.checks.processes import governed_spaces
from edgewright.cli.holders import server_time
from edgewright.kube import convert, paths
from edgewright.kube.convert import ConversionError
from edgewright.kube.names import (
    ANNOTATION_LOCATION,
    LABEL_DAG,
    LABEL_REGION,
    LABEL_TIER,
    TAINT_EDGE,
)

STALE = 30.0
"""Seconds after which agents distrust a NodeLoad."""
PATIENCE = 20.0
"""Seconds after the end of its grace period from which a terminating pod counts as stuck."""
SKEW = 5.0
"""Seconds by which clocks may differ."""
_SHARED = {"core", "controller"}


async def nodes(cluster: Cluster) -> list[Finding]:
    """Whether nodes say what they are, keep kube-scheduler off, belong to a region and are ready."""
    granted = {
        n for each in await cluster.controllers() for n in (each.get("status") or {}).get("nodes") or ()
    }
    every = {key(node)[1]: node for node in await cluster.items(paths.nodes())}
    ours = {name: node for name, node in every.items() if name in granted or _tier(node) == "edge"}
    findings = [*_unsound(ours), *_unlabelled(ours)]
    loose = [name for name, node in ours.items() if _tier(node) == "edge" and name not in granted]
    if loose:
        text = f"no EdgeController governs edge nodes {listed(loose)}"
        findings.append(warning(text, "select them in an EdgeController's spec.nodeSelector"))
    if absent := granted - every.keys():
        findings.append(
            warning(f"granted nodes that do not exist: {listed(absent)}", "see the operator's check above")
        )
    away = [name for name, node in ours.items() if not _ready(node)]
    if away:
        findings.append(
            warning(
                f"{len(away)} of {len(ours)} nodes are not Ready: {listed(away)}", "kubectl describe nodes"
            )
        )
    return findings or [ok(f"{len(ours)} are labelled, tainted and ready")]


def _unsound(ours: Mapping[str, Object]) -> Iterator[Finding]:
    """Nodes that agents cannot read, and leave out."""
    for node in ours.values():
        try:
            convert.node(node)
        except ConversionError as error:
            yield problem(f"{error}; the node is not used", f"kubectl edit node {key(node)[1]}")


def _unlabelled(ours: Mapping[str, Object]) -> Iterator[Finding]:
    marks = (
        ("label", LABEL_TIER, "they count as edge", "edge"),
        ("label", LABEL_REGION, "selectors by region miss them", "REGION"),
        ("annotate", ANNOTATION_LOCATION, "no user's cell is there", "X,Y"),
    )
    for verb, mark, means, value in marks:
        lacking = [
            name
            for name, node in ours.items()
            if mark not in _marks(node, verb) and not (mark == LABEL_REGION and _tier(node) in _SHARED)
        ]
        if lacking:
            what = "label" if verb == "label" else "annotation"
            command = f"kubectl {verb} node {sorted(lacking)[0]} {mark}={value}"
            yield warning(f"{len(lacking)} nodes lack {what} {mark}, so {means}: {listed(lacking)}", command)
    bare = [
        name
        for name, node in ours.items()
        if _tier(node) == "edge" and TAINT_EDGE not in {t["key"] for t in node["spec"].get("taints") or ()}
    ]
    if bare:
        text = (
            f"{len(bare)} edge nodes lack taint {TAINT_EDGE}, so kube-scheduler uses them too: {listed(bare)}"
        )
        yield warning(text, f"kubectl taint node {sorted(bare)[0]} {TAINT_EDGE}:NoSchedule")


async def topology(cluster: Cluster) -> list[Finding]:
    """Whether the links make sense and end somewhere."""
    every = await cluster.items(paths.edge_topologies())
    if not every:
        return [ok("no EdgeTopology: nodes hang on the virtual backbone")]
    try:
        links = convert.topology(every)
    except ConversionError as error:
        return [problem(f"{error}; agents keep the previous links", "kubectl edit etopo")]
    known = {key(node)[1] for node in await cluster.items(paths.nodes())}
    degree = Counter(end for link in links for end in (link.source, link.target))
    findings = []
    # A vertex that is no node is a switch; but a switch joins at least two links.
    for end in sorted(end for end, count in degree.items() if end not in known and count == 1):
        close = difflib.get_close_matches(end, known, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        findings.append(
            warning(f"a link ends at {end!r}, which is no node and no switch{meant}", "kubectl edit etopo")
        )
    return findings or [ok(f"{len(links)} links, every one joins nodes or switches")]


async def loads(cluster: Cluster) -> list[Finding]:
    """Whether agents hear what other namespaces request, and lately."""
    reported: dict[str, datetime] = {}
    for each in await cluster.items(paths.node_loads()):
        home = each["spec"]["edgeController"]["namespace"]
        at = datetime.fromisoformat(each["spec"]["observedAt"])
        reported[home] = min(at, reported.get(home, at))
    now, findings = server_time(cluster.api), []
    for each in await cluster.controllers():
        home = key(each)[0]
        if not (each.get("status") or {}).get("nodes"):
            continue
        if home not in reported:
            text = f"region {home} has no NodeLoad: its agent keeps more headroom"
            findings.append(problem(text, "the operator writes it: see its check above"))
        elif (age := (now - reported[home]).total_seconds()) > STALE:
            text = f"NodeLoads of region {home} are {age:.0f} s old: its agent keeps more headroom"
            findings.append(problem(text, "the operator writes them: see its check above"))
    return findings or [ok(f"those of {len(reported)} regions are fresh")]


async def dags(cluster: Cluster) -> list[Finding]:
    """Whether somebody places every ServiceDAG."""
    every = await cluster.items(paths.service_dags())
    spaces = governed_spaces(await cluster.controllers())
    orphans = [dag for dag in every if key(dag)[0] not in spaces]
    findings = [
        problem(
            f"ServiceDAG {'/'.join(key(dag))} is in a namespace that no EdgeController governs",
            "create one there (manifests/samples/region.yaml), or move the ServiceDAG",
        )
        for dag in orphans
    ]
    unready = [
        "/".join(key(dag))
        for dag in every
        if dag not in orphans
        and not any(
            c["type"] == "Ready" and (c["status"] == "True" or c["reason"] == "DryRun")
            for c in (dag.get("status") or {}).get("conditions") or ()
        )
    ]
    if unready:
        text = f"{len(unready)} of {len(every)} are not Ready: {listed(unready)}"
        findings.append(warning(text, "edgewright why-pending --all-namespaces"))
    return findings or [ok(f"{len(every)} are Ready")]


async def stuck(cluster: Cluster) -> list[Finding]:
    """Whether pods wait for ever for a lost node's kubelet to let them go."""
    known = {key(node)[1]: _ready(node) for node in await cluster.items(paths.nodes())}
    pods = await cluster.items(paths.pods())
    now = server_time(cluster.api)
    found = []
    for pod in pods:
        since = pod["metadata"].get("deletionTimestamp")
        node = pod["spec"].get("nodeName")
        if since is None or not node or LABEL_DAG not in (pod["metadata"].get("labels") or {}):
            continue
        overdue = now - datetime.fromisoformat(since) > timedelta(seconds=PATIENCE)
        if overdue and not known.get(node, False):
            found.append(pod)
    if not found:
        return [ok("no pod is stuck on a lost node")]
    where = listed({pod["spec"]["nodeName"] for pod in found})
    namespace, name = key(found[0])
    return [
        warning(
            f"{len(found)} pods wait for lost nodes to end them ({where}); replacements are not affected",
            "bring the node back, or if it is gone for good: "
            f"kubectl delete pod -n {namespace} {name} --grace-period=0 --force",
        )
    ]


async def clock(cluster: Cluster) -> list[Finding]:
    """Whether this machine's clock and the API server's agree."""
    await cluster.api.get("/version")
    skew = (datetime.now(UTC) - server_time(cluster.api)).total_seconds()
    if abs(skew) <= SKEW:
        return [ok("this machine and the API server agree")]
    way = "ahead of" if skew > 0 else "behind"
    return [
        warning(
            f"this machine is {abs(skew):.0f} s {way} the API server: ages and certificates look wrong",
            "set the clock by NTP: timedatectl set-ntp true",
        )
    ]


def _tier(node: Object) -> str:
    return str((node["metadata"].get("labels") or {}).get(LABEL_TIER, ""))


def _marks(node: Object, verb: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = node["metadata"].get("labels" if verb == "label" else "annotations") or {}
    return found


def _ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
