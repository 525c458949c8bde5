"""`edgewright version`: which version of what runs where, and whether they fit together."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.target import Context, Format, Kubeconfig, OperatorNamespace, Output, dump
from edgewright.kube.names import OPERATOR_NAMESPACE

if TYPE_CHECKING:
    from edgewright.cli.checks.finding import Cluster, Finding, Object


@dataclass(frozen=True)
class Part:
    """One part of an installation."""

    part: str
    version: str
    """Empty if nothing says it."""
    fits: bool | None
    """Whether it goes with this command; None: not known."""
    remark: str = ""


def version(
    client: Annotated[
        bool, typer.Option("--client", help="This command's version only; asks no cluster.")
    ] = False,
    operator_namespace: OperatorNamespace = OPERATOR_NAMESPACE,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print the versions of this command, and of the CRDs, operator and agents in the cluster.

    Versions of operator and agents are their images' tags; processes outside the cluster have only the
    name in their Lease. Exit status 1 if the cluster does not answer, or if parts do not fit together.
    """
    import asyncio

    from edgewright.kube.errors import ApiError

    parts, trouble = [Part("edgewright", own(), True)], ""
    if not client:
        try:
            parts += asyncio.run(_parts(kubeconfig, context, operator_namespace))
        except ApiError as error:
            # A machine without any cluster is no fault of the command's.
            trouble = "" if error.reason == "NoConfiguration" and not (kubeconfig or context) else str(error)
    if output is Format.TABLE:
        for part in parts:
            remark = f"  {part.remark}" if part.remark else ""
            colour = "red" if part.fits is False else None
            typer.secho(f"{part.part} {part.version or 'unknown'}{remark}", fg=colour)
    else:
        dump([asdict(part) for part in parts], output)
    if trouble:
        typer.secho(f"error: {trouble}", fg="red", err=True)
    if trouble or any(part.fits is False for part in parts):
        raise typer.Exit(1)


def own() -> str:
    """This command's version."""
    from importlib.metadata import version as installed

    return installed("edgewright")


async def _parts(kubeconfig: str | None, context: str | None, namespace: str) -> list[Part]:
    from edgewright.cli.checks.finding import Cluster
    from edgewright.cli.reading import Reader

    async with await Reader.connect(kubeconfig, context, timeout=10.0) as api:
        return await parts(Cluster(api, namespace))


async def parts(cluster: "Cluster") -> list[Part]:
    """The parts that the cluster knows of; what may not be read is left unknown."""
    from edgewright.cli.checks.installation import OLDEST, minor_of
    from edgewright.kube.errors import ApiError

    kubernetes = str((await cluster.api.get("/version")).get("gitVersion", ""))
    found = [Part("kubernetes", kubernetes, (minor_of(kubernetes) or OLDEST) >= OLDEST)]
    for name, look in (("crds", _crds), ("operator", _operator), ("agent", _agents)):
        try:
            found += await look(cluster)
        except ApiError as error:
            if error.unanswered:
                raise
            found.append(Part(name, "", None, f"not allowed to look: {error.message}"))
    return found


async def _crds(cluster: "Cluster") -> list[Part]:
    from edgewright.cli.checks.installation import age_of
    from edgewright.kube import manifests
    from edgewright.kube.names import VERSION

    ages: dict[str, list[str]] = {}
    for wanted in manifests.objects("crds"):
        name = wanted["metadata"]["name"]
        live = await cluster.object("CustomResourceDefinition", None, name)
        ages.setdefault("missing" if live is None else age_of(wanted, live), []).append(
            name.partition(".")[0]
        )
    if set(ages) == {"same"}:
        return [Part("crds", VERSION, True, "as this command's")]
    told = {"same": "as this command's", "other": "different", "older": "older", "newer": "newer"}
    said = "; ".join(f"{', '.join(names)}: {told.get(age, age)}" for age, names in ages.items())
    return [Part("crds", VERSION, False, said)]


async def _operator(cluster: "Cluster") -> list[Part]:
    from edgewright.kube import paths
    from edgewright.kube.names import LEASE_OPERATOR

    held = await cluster.holder(cluster.namespace, LEASE_OPERATOR)
    images = _images(await cluster.items(paths.deployments(cluster.namespace)), "operator")
    return [_part("operator", image, held.state) for image in images or [""]]


async def _agents(cluster: "Cluster") -> list[Part]:
    from edgewright.kube import paths
    from edgewright.kube.names import LEASE_AGENT

    found = []
    for each in await cluster.controllers():
        namespace = each["metadata"]["namespace"]
        held = await cluster.holder(namespace, LEASE_AGENT)
        images = _images(await cluster.items(paths.deployments(namespace)), "agent")
        found += [_part(f"agent {namespace}", image, held.state) for image in images or [""]]
    return found


def _images(deployments: "list[dict[str, object]] | list[Object]", command: str) -> list[str]:
    """Images of the containers that run one of our commands."""
    found = set()
    for deployment in deployments:
        template: Object = deployment["spec"]["template"]["spec"]  # type: ignore[index]
        for container in template["containers"]:
            words = [*(container.get("command") or ()), *(container.get("args") or ())]
            image = container["image"].split("@")[0]
            if command in words[:2] and ("edgewright" in image or "edgewright" in words):
                found.add(container["image"])
    return sorted(found)


def _part(name: str, image: str, holder: str) -> Part:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    remark = f"{image}, {holder}" if image else holder
    return Part(name, tag, fitting(own(), tag), remark)


def fitting(ours: str, theirs: str) -> bool | None:
    """Whether two versions go together: the same major and minor; None if one of them is no version."""
    from edgewright.cli.checks.installation import minor_of

    a, b = minor_of(ours), minor_of(theirs)
    return None if a is None or b is None else a == b


async def fit(cluster: "Cluster") -> "list[Finding]":
    """Doctor's check of the same."""
    from edgewright.cli.checks.finding import listed, ok, problem, warning

    mine, findings = own(), []
    found = [*(await _operator(cluster)), *(await _agents(cluster))]
    for part in found:
        if part.fits is False:
            text = f"{part.part} is {part.version}, this command {mine}"
            findings.append(problem(text, "upgrade the older one: helm upgrade, or pip install edgewright"))
        elif part.fits is None and part.version:
            findings.append(warning(f"{part.part} runs {part.remark}, a tag that says no version"))
    silent = [part.part for part in found if part.fits is None]
    if silent and not findings:
        return [ok(f"not known of {listed(silent)}, which run from no image; this command is {mine}")]
    return findings or [ok(f"operator and agents go with this command ({mine})")]
