"""Each thing that is installed is broken, and the doctor names it and says how to mend it."""

import asyncio
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import yaml
from aiohttp import web
from tests.cluster.builders import until
from tests.cluster.cli_.conftest import REGION, Command
from tests.cluster.cli_.doctor import asked, healthy, named, replaced, said, without
from tests.cluster.trouble import Trouble, troubled

from edgewright.cli.doctor import checks
from edgewright.cli.reading import Reader
from edgewright.emulation import testbed
from edgewright.emulation.testbed import binaries
from edgewright.kube import manifests, names, paths
from edgewright.kube.api import Api


async def test_a_sound_installation_is_all_ok(reader: Reader, edgewright: Command) -> None:
    await healthy(reader)
    done = await edgewright("doctor", "-o", "json")
    assert done.status == 0, done.out
    assert {line["level"] for line in done.json} == {"ok"}
    assert [line["check"] for line in done.json] == list(checks())
    told = await edgewright("doctor")
    assert told.status == 0
    assert "16 ok" in told.out
    assert "\x1b" not in told.out


async def test_crds_that_are_older_newer_or_missing_are_told_apart(admin: Api, reader: Reader) -> None:
    path = paths.crds("edgetopologies.edgewright.dev")

    def spec(crd: dict[str, Any]) -> dict[str, Any]:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return dict(schema["properties"]["spec"]["properties"])

    def older(crd: dict[str, Any]) -> None:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        del schema["properties"]["spec"]["properties"]["origin"]

    def newer(crd: dict[str, Any]) -> None:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"]["colour"] = {"type": "string"}

    def other(crd: dict[str, Any]) -> None:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"]["links"]["maxItems"] = 7000

    async with replaced(admin, path, older):
        await named(reader, "CRDs", "problem", "edgetopologies", "older", "spec.origin")
    async with replaced(admin, path, newer):
        await named(reader, "CRDs", "warning", "edgetopologies", "newer", "spec.colour")
    async with replaced(admin, path, other):
        await named(reader, "CRDs", "problem", "edgetopologies", "differs")


async def test_admission_that_is_missing_or_weakened(admin: Api, reader: Reader) -> None:
    async with without(admin, paths.admission_policy_bindings("edgewright-agent-nodes")):
        await named(reader, "admission", "problem", "edgewright-agent-nodes", "missing")

    def ignore(policy: dict[str, Any]) -> None:
        policy["spec"]["failurePolicy"] = "Ignore"

    async with replaced(admin, paths.admission_policies("edgewright-agent-status"), ignore):
        await named(reader, "admission", "problem", "edgewright-agent-status", "spec.failurePolicy")


async def test_rights_that_drifted(admin: Api, reader: Reader) -> None:
    def less(role: dict[str, Any]) -> None:
        role["rules"][0]["verbs"].remove("delete")

    def more(role: dict[str, Any]) -> None:
        role["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})

    def foreign(role: dict[str, Any]) -> None:
        role["rules"][0]["resourceNames"].append("foreign")

    path = paths.clusterroles("edgewright-operator-region")
    async with replaced(admin, path, less):
        await named(reader, "RBAC", "problem", "edgewright-operator-region", "delete deployments.apps")
    async with replaced(admin, path, more):
        await named(reader, "RBAC", "warning", "edgewright-operator-region", "get secrets")
    bound = paths.rolebindings(REGION, names.ROLE_AGENT_HOME)
    binding = await admin.get(bound)
    await admin.delete(bound)
    await named(reader, "agents' rights", "problem", f"{names.ROLE_AGENT_HOME} in {REGION}")
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    await admin.create(paths.rolebindings(REGION), binding)
    async with replaced(admin, paths.roles(REGION, names.ROLE_AGENT_NODES), foreign):
        await named(reader, "agents' rights", "problem", names.ROLE_AGENT_NODES, "foreign")
    async with without(admin, paths.rolebindings(names.NAMESPACE_NODE_LEASE, "edgewright-operator")):
        await named(reader, "RBAC", "problem", "kube-node-lease/edgewright-operator", "missing")


async def test_an_empty_cluster_is_mended_by_the_commands_that_it_says(
    new_cluster: Callable[..., testbed.Testbed],
) -> None:
    bed = await asyncio.to_thread(new_cluster, scenario=None, manifests=False)
    doctor, kubectl = Command(bed.kubeconfig), binaries.resolve()["kubectl"]
    first = await doctor("doctor", "-o", "json")
    assert first.status == 1
    wrong = {line["check"] for line in first.json if line["level"] == "problem"}
    assert wrong >= {"CRDs", "admission", "RBAC", "operator"}
    assert {"EdgeControllers", "ServiceDAGs"} <= {x["check"] for x in first.json if x["level"] == "unknown"}
    mends = dict.fromkeys(x["mend"] for x in first.json if x["mend"].startswith("kubectl apply"))
    for mend in mends:
        command = [str(kubectl), "--kubeconfig", str(bed.kubeconfig), *mend.split()[1:]]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (mend, done.stderr)
    async with await Reader.connect(str(bed.kubeconfig)) as reader:

        async def installed() -> Any:
            report = await asked(reader)
            assert not [said(report, check) for check in ("CRDs", "admission", "RBAC") if said(report, check)]
            assert said(report, "EdgeControllers") == [("problem", "there is none: no namespace is governed")]
            return True

        await until("the mending commands have mended", installed, 30.0)


async def test_who_may_read_nothing_is_told_so(person: Any, edgewright: Command) -> None:
    stranger = Command(await person())
    done = await stranger("doctor", "-o", "json")
    found = {line["check"]: line for line in done.json}
    assert done.status == 0, done.out
    assert found["API server"]["level"] == "ok"
    blind = {name for name, line in found.items() if line["level"] == "unknown"}
    assert blind >= set(checks()) - {"API server", "clocks"}
    assert all("not allowed to look" in found[name]["message"] for name in blind)


async def test_the_viewer_of_the_how_to_sees_all_but_rights(
    bed: testbed.Testbed, admin: Api, person: Any
) -> None:
    page = (manifests.folder().parent / "docs/how-to/find-out-what-is-wrong.md").read_text()
    [command] = re.findall(r"^kubectl (create clusterrole .*?)\n[^ ]", page, re.MULTILINE | re.DOTALL)
    words = [*shlex.split(command.replace("\\\n", " ")), "--dry-run=client", "-o", "json"]
    kubectl = [str(binaries.resolve()["kubectl"]), "--kubeconfig", str(bed.kubeconfig)]
    made = await asyncio.to_thread(
        subprocess.run, [*kubectl, *words], capture_output=True, text=True, check=True
    )
    viewer = Command(await person(*json.loads(made.stdout)["rules"]))
    for arguments in (["top", "-A"], ["top", "nodes", "-A"], ["tree", "-n", REGION], ["why-pending", "-A"]):
        done = await viewer(*arguments)
        assert (done.status, done.err) == (0, ""), arguments
    report = (await viewer("doctor", "-o", "json")).json
    blind = {line["check"] for line in report if line["level"] == "unknown"}
    assert blind == {"CRDs", "admission", "RBAC", "operator's rights", "agents' rights"}


async def test_no_api_server_is_one_line(edgewright: Command, tmp_path: Any) -> None:
    nowhere = tmp_path / "config"
    nowhere.write_text(
        "current-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: a, user: {}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
    )
    done = await Command(nowhere)("doctor", "-o", "json")
    assert done.status == 1
    assert [(line["check"], line["level"]) for line in done.json] == [("API server", "problem")]


async def test_credentials_that_are_refused_are_one_line(bed: testbed.Testbed, tmp_path: Any) -> None:
    config = yaml.safe_load(bed.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": "old"}} for user in config["users"]]
    refused = tmp_path / "config"
    refused.write_text(yaml.safe_dump(config))
    done = await Command(refused)("doctor", "-o", "json")
    assert done.status == 1
    assert [(line["check"], line["mend"]) for line in done.json] == [
        ("API server", "renew the credentials in the kubeconfig")
    ]


class OtherTimes(Trouble):
    """An API server an hour ahead, of another version."""

    version = "v1.29.3"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        answer = await super().answer(request)
        answer.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        if request.path == "/version":
            answer = web.json_response({"gitVersion": self.version}, headers={"Date": answer.headers["Date"]})
        return answer


async def test_clocks_and_versions_that_do_not_agree(bed: testbed.Testbed, admin: Api, person: Any) -> None:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}
    kubeconfig = await person(everything)
    authority = bed.layout.cluster / "pki" / "ca.crt"
    async with troubled(admin.server, authority, nth=10**9, kind=OtherTimes) as trouble:
        trouble.lead(kubeconfig)
        async with await Reader.connect(str(kubeconfig)) as late:
            await named(late, "clocks", "warning", "behind")
            await named(late, "API server", "problem", "v1.29.3", "1.30 or later")
            OtherTimes.version = "v1.33.0"
            await named(late, "API server", "warning", "v1.33.0", "trafficDistribution")
            OtherTimes.version = "v1.99.0"
            await named(late, "API server", "warning", "v1.99.0", "tested up to")


async def test_an_image_of_another_version(admin: Api, reader: Reader, edgewright: Command) -> None:
    labels = {"app": "edgewright-operator"}
    container = {"name": "operator", "image": "edgewright/operator:9.0.0", "args": ["operator"]}
    body = {
        "metadata": {"name": "edgewright-operator"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    await admin.create(paths.deployments(names.OPERATOR_NAMESPACE), body)
    try:
        await named(reader, "versions", "problem", "operator is 9.0.0")
        done = await edgewright("version")
        assert done.status == 1
        assert "operator 9.0.0" in done.out
    finally:
        await admin.delete(paths.deployments(names.OPERATOR_NAMESPACE, "edgewright-operator"))
    sound = await edgewright("version")
    assert sound.status == 0, sound.out + sound.err
    assert sound.out.startswith("edgewright ")
    assert "as this command's" in sound.out
