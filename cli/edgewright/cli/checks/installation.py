"""Checks of what is installed: the API server's version, CRDs, admission policies, RBAC."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edgewright.cli.checks.finding import Cluster, Finding, Object, listed, ok, problem, warning
from edgewright.kube import manifests
from edgewright.kube.crds.schema import each_field
from edgewright.kube.names import OPERATOR_NAMESPACE, VERSION

OLDEST = (1, 30)
"""Since 1.30 ValidatingAdmissionPolicy is stable, on which the agents' limits rest."""
PLACING = (1, 34)
"""Since 1.34 Services take PreferSameNode and PreferSameZone, to which trafficDistribution compiles."""
Rule = tuple[str, str, str, str]
"""(API group, resource, resource name, verb)."""


async def api_server(cluster: Cluster) -> list[Finding]:
    """Whether it answers, and whether its version is one that we know to do."""
    said = await cluster.api.get("/version")
    version, where = str(said.get("gitVersion", "")), cluster.api.server
    minor = minor_of(version)
    if minor is None:
        return [warning(f"{where} answers, but its version {version!r} says nothing")]
    if minor < OLDEST:
        least = ".".join(map(str, OLDEST))
        return [
            problem(f"{where} is Kubernetes {version}; {least} or later is needed", "upgrade the cluster")
        ]
    if minor < PLACING:
        least = ".".join(map(str, PLACING))
        text = f"{where} is Kubernetes {version}; trafficDistribution sameNode and sameZone need {least}"
        return [warning(text, "leave invocations[].trafficDistribution out, or upgrade the cluster")]
    if minor > newest_tested():
        newest = ".".join(map(str, newest_tested()))
        return [warning(f"{where} is Kubernetes {version}; tested up to {newest}", "upgrade Edgewright")]
    return [ok(f"{where} is Kubernetes {version}")]


def minor_of(version: str) -> tuple[int, int] | None:
    """(1, 36) of `v1.36.1+k3s1`."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return None if match is None else (int(match[1]), int(match[2]))


def newest_tested() -> tuple[int, int]:
    """The newest minor version of Kubernetes that the tests run on."""
    from edgewright.emulation.testbed.binaries import COMPONENTS

    return max(minor_of(each.version) or OLDEST for each in COMPONENTS if each.name == "kubernetes")


async def crds(cluster: Cluster) -> list[Finding]:
    """Whether every CustomResourceDefinition is there, established and of this version."""
    findings: list[Finding] = []
    mend = await cluster.install("crds")
    for wanted in manifests.objects("crds"):
        live = await cluster.object("CustomResourceDefinition", None, wanted["metadata"]["name"])
        findings += _crd(wanted, live, mend)
    return findings or [ok("installed, established and of this version")]


def _crd(wanted: Object, live: Object | None, mend: str) -> Iterator[Finding]:
    name = wanted["metadata"]["name"]
    if live is None:
        yield problem(f"{name} is not installed", mend)
        return
    conditions = {c["type"]: c for c in (live.get("status") or {}).get("conditions") or ()}
    for kind in ("NamesAccepted", "Established"):
        if conditions.get(kind, {}).get("status") != "True":
            said = conditions.get(kind, {}).get("message") or "the API server has not said why"
            yield problem(f"{name} is not {kind}: {said}", f"kubectl describe crd {name}")
    match age_of(wanted, live):
        case "older":
            yield problem(f"{name} is older than this command: {_fields(wanted, live)}", mend)
        case "newer":
            yield warning(
                f"{name} is newer than this command: {_fields(live, wanted)}",
                "upgrade this command: pip install --upgrade edgewright",
            )
        case "other":
            yield problem(f"{name} differs from this version's in its rules or defaults", mend)


def age_of(wanted: Object, live: Object) -> str:
    """How the live CRD compares: `same`, `older` (it lacks fields), `newer` (it has more), else `other`."""
    ours, theirs = _schema(wanted), _schema(live)
    if ours == theirs:
        return "same"
    if fields(ours) - fields(theirs):
        return "older"
    return "newer" if fields(theirs) - fields(ours) else "other"


def fields(schema: Mapping[str, Any]) -> set[str]:
    """Path of every field of a schema."""
    return {path for path, _ in each_field(schema)}


def _fields(has: Object, lacks: Object) -> str:
    return f"it differs in {listed(fields(_schema(has)) - fields(_schema(lacks)))}"


def _schema(crd: Object) -> Mapping[str, Any]:
    for version in crd["spec"]["versions"]:
        if version["name"] == VERSION:
            found: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
            return found
    return {}


async def admission(cluster: Cluster) -> list[Finding]:
    """Whether the policies that hold agents to their nodes are there, bound and unchanged."""
    findings = []
    mend = await cluster.install("admission")
    for wanted in manifests.objects("admission"):
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        live = await cluster.object(kind, None, name)
        if live is None:
            findings.append(problem(f"{kind} {name} is missing: agents are not held to their nodes", mend))
        elif changed := list(drift(wanted["spec"], live.get("spec") or {}, "spec")):
            findings.append(problem(f"{kind} {name} was changed: {listed(changed)}", mend))
    return findings or [ok("policies and bindings are as in the manifests")]


def drift(wanted: Any, live: Any, path: str) -> Iterator[str]:
    """Where `live` lacks or contradicts something of `wanted`; what the API server adds is no drift."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for name, value in wanted.items():
            yield from drift(value, live.get(name), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for i, (a, b) in enumerate(zip(wanted, live, strict=True)):
            yield from drift(a, b, f"{path}[{i}]")
    elif wanted != live and (wanted or live):
        yield path


async def rbac(cluster: Cluster) -> list[Finding]:
    """Whether accounts, roles and bindings are as in the manifests: no right less, and none more."""
    findings = []
    mend = await cluster.install("rbac")
    for wanted in manifests.objects("rbac"):
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        here = moved(wanted, cluster.namespace)
        space = here["metadata"].get("namespace")
        if kind == "Namespace":
            space, name = None, cluster.namespace
        live = await cluster.object(kind, space, name)
        what = f"{kind} {space}/{name}" if space else f"{kind} {name}"
        if live is None:
            findings.append(problem(f"{what} is missing", mend))
        else:
            findings += _rights(what, here, live, mend)
    return findings or [ok("accounts, roles and bindings are as in the manifests")]


def moved(item: Any, namespace: str) -> Any:
    """An object of the manifests for an operator in another namespace than theirs."""
    if isinstance(item, Mapping):
        return {
            name: namespace
            if name == "namespace" and value == OPERATOR_NAMESPACE
            else moved(value, namespace)
            for name, value in item.items()
        }
    return [moved(each, namespace) for each in item] if isinstance(item, list) else item


def _rights(what: str, wanted: Object, live: Object, mend: str) -> Iterator[Finding]:
    lacking, surplus = rules(wanted) - rules(live), rules(live) - rules(wanted)
    if lacking:
        yield problem(f"{what} lacks {_said(lacking)}", mend)
    if surplus:
        yield warning(f"{what} grants more than is needed: {_said(surplus)}", mend)
    if wanted.get("roleRef") and wanted["roleRef"] != live.get("roleRef"):
        # A roleRef cannot be changed.
        role = (live.get("roleRef") or {}).get("name")
        yield problem(f"{what} binds {role}, not {wanted['roleRef']['name']}", f"delete it, then {mend}")
    # Bindings without subjects are the operator's to fill.
    if wanted.get("subjects") and not _subjects(wanted) <= _subjects(live):
        absent = listed("/".join(each) for each in _subjects(wanted) - _subjects(live))
        yield problem(f"{what} does not bind {absent}", mend)


def rules(role: Object) -> set[Rule]:
    """Every single right of a role."""
    return {
        (group, resource, name, verb)
        for rule in role.get("rules") or ()
        for group in rule.get("apiGroups") or ("",)
        for resource in rule.get("resources") or ()
        for name in rule.get("resourceNames") or ("",)
        for verb in rule.get("verbs") or ()
    }


def _said(rights: set[Rule]) -> str:
    return listed(
        f"{verb} {resource}{f'.{group}' if group else ''}{f' {name}' if name else ''}"
        for group, resource, name, verb in rights
    )


def _subjects(binding: Object) -> set[tuple[str, str, str]]:
    return {(s["kind"], s.get("namespace", ""), s["name"]) for s in binding.get("subjects") or ()}
