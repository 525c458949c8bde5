"""Agents as Deployments: made, corrected, rolled, removed, not taken from strangers; failures are told."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.builders import condition_of, edge_controller, new_namespace, quota

from edgewright.emulation import testbed
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

Until = Callable[..., Awaitable[Any]]
TEMPLATE: dict[str, Any] = {
    "metadata": {"annotations": {"example.com/scrape": "true"}},
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "agent",
                "image": "edgewright/agent:test",
                "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
            }
        ],
    },
}


class Operator:
    """The operator with an agent template that tests change."""

    def __init__(self, process: Any, file: Path) -> None:
        self.process, self._file = process, file

    def start(self, template: Any = TEMPLATE) -> None:
        """Start it, or start it again if the template is another one; None: without any."""
        text = yaml.safe_dump(template)
        arguments = [] if template is None else ["--agent-template", str(self._file)]
        if (self.process.arguments, self._text()) != (arguments, text) and self.process.running:
            self.process.terminate()
        self._file.write_text(text)
        self.process.arguments = arguments
        self.process.start()

    def _text(self) -> str:
        return self._file.read_text() if self._file.exists() else ""


@pytest.fixture(scope="module")
def operator_process(
    cluster: testbed.Testbed, operator_kit: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    made = Operator(operator_kit.Process(cluster), tmp_path_factory.mktemp("agents") / "template.yaml")
    yield made
    made.process.kill()


@pytest.fixture
def operator(operator_process: Operator) -> Operator:
    operator_process.start()
    return operator_process


def deployment(namespace: str) -> str:
    return paths.deployments(namespace, names.APP_AGENT)


def controller(namespace: str) -> str:
    return paths.edge_controllers(namespace, "region")


@pytest.fixture
def said(region: Any, wait_until: Until) -> Callable[..., Awaitable[str]]:
    """Waits for a condition of the EdgeController; its message."""

    async def wait(kind: str, status: str, reason: str, *words: str) -> str:
        async def reached() -> str:
            found = condition_of(await region.api.get(controller(region.namespace)), kind)
            assert (found.get("status"), found.get("reason")) == (status, reason), found
            assert all(word in found["message"] for word in words), found
            return str(found["message"]) or reason

        message: str = await wait_until(f"{kind}={status}/{reason}", reached, 45)
        return message

    return wait


@pytest.fixture
async def deployed(region: Any, wait_until: Until) -> dict[str, Any]:
    """The Deployment of the region's agents, all of them Ready."""

    async def available() -> Any:
        found = await region.api.get(deployment(region.namespace))
        assert found["status"].get("readyReplicas") == 2, found["status"]
        return found

    made: dict[str, Any] = await wait_until("two agents are Ready", available, 60)
    return made


async def agents(api: Api, namespace: str) -> list[dict[str, Any]]:
    selector = f"{names.LABEL_APP}={names.APP_AGENT}"
    return await api.items(paths.pods(namespace), labelSelector=selector)


async def test_a_region_gets_two_agents_under_its_own_account(
    region: Any, deployed: dict[str, Any], api: Api
) -> None:
    owner = deployed["metadata"]["ownerReferences"][0]
    assert owner["uid"] == (await api.get(controller(region.namespace)))["metadata"]["uid"]
    for pod in await agents(api, region.namespace):
        assert pod["spec"]["serviceAccountName"] == names.AGENT_ACCOUNT
        assert pod["metadata"]["annotations"]["example.com/scrape"] == "true"
        assert pod["spec"]["containers"][0]["args"][:3] == ["agent", "--namespace", region.namespace]
    budget = await api.get(paths.pdbs(region.namespace, names.APP_AGENT))
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["status"]["expectedPods"] >= 0


async def test_replicas_and_resources_are_the_region_s(
    region: Any, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    spec = {"replicas": 1, "resources": {"requests": {"cpu": "70m"}, "limits": {"memory": "128Mi"}}}
    await api.patch(controller(region.namespace), {"spec": spec})

    async def changed() -> bool:
        found = (await api.get(deployment(region.namespace)))["spec"]
        resources = found["template"]["spec"]["containers"][0]["resources"]
        wanted = {"requests": {"cpu": "70m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
        return bool(found["replicas"] == 1 and resources == wanted)

    await wait_until("the Deployment follows", changed)
    with pytest.raises(ApiError, match="less than or equal to 5"):
        await api.patch(controller(region.namespace), {"spec": {"replicas": 6}})
    with pytest.raises(ApiError, match="memory must be a quantity between 32Mi and 64Gi"):
        await api.patch(controller(region.namespace), {"spec": {"resources": {"limits": {"memory": "1Ki"}}}})


async def test_an_algorithm_is_changed_without_a_new_agent(
    region: Any, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    changed = await api.patch(controller(region.namespace), {"spec": {"algorithm": "exact"}})

    async def seen() -> bool:
        status = (await api.get(controller(region.namespace)))["status"]
        return bool(status["observedGeneration"] == changed["metadata"]["generation"])

    # The operator writes its status after the Deployment.
    await wait_until("the operator has seen it", seen)
    assert (await api.get(deployment(region.namespace)))["metadata"]["generation"] == deployed["metadata"][
        "generation"
    ]


async def test_what_somebody_changes_is_put_right(
    region: Any, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    path = deployment(region.namespace)
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other"}]
    await api.patch(path, image, kind="json")
    await api.delete(paths.pdbs(region.namespace, names.APP_AGENT))

    async def right() -> bool:
        await api.get(paths.pdbs(region.namespace, names.APP_AGENT))
        spec = (await api.get(path))["spec"]["template"]["spec"]
        return bool(spec["containers"][0]["image"] == "edgewright/agent:test")

    await wait_until("image and budget are back", right)
    await api.delete(path, propagation="Background")

    async def again() -> bool:
        return bool((await api.get(path))["metadata"]["uid"] != deployed["metadata"]["uid"])

    await wait_until("the Deployment is made again", again)


async def test_a_stranger_s_deployment_is_left_alone(
    region: Any, operator: Operator, api: Api, fresh_namespace: Any, said: Any, wait_until: Until
) -> None:
    namespace = await fresh_namespace()
    labels = {"mine": "yes"}
    stranger = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": names.APP_AGENT, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "x", "image": "x"}]},
            },
        },
    }
    made = await api.create(paths.deployments(namespace), stranger)
    await api.create(paths.edge_controllers(namespace), edge_controller(namespace, "melbourne-small-2"))
    region.namespace = namespace
    message = await said("Accepted", "False", "NameConflict", "someone else")
    assert "delete or rename" in message
    found = await api.get(deployment(namespace))
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["generation"] == 1
    await api.delete(deployment(namespace), propagation="Background")
    await said("Accepted", "True", "Valid")

    async def ours() -> bool:
        return (await api.get(deployment(namespace)))["metadata"]["labels"].get(names.LABEL_APP) is not None

    await wait_until("ours takes the name", ours)
    await api.delete(controller(namespace))


async def test_another_template_rolls_the_agents_and_leaves_nothing_of_the_old(
    region: Any, operator: Operator, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    container = {**TEMPLATE["spec"]["containers"][0], "image": "edgewright/agent:new"}
    operator.start({"spec": {"tolerations": TEMPLATE["spec"]["tolerations"], "containers": [container]}})

    async def rolled() -> bool:
        found = await api.get(deployment(region.namespace))
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "edgewright/agent:new"
        assert "annotations" not in found["spec"]["template"]["metadata"], "dropped fields go too"
        status = found["status"]
        assert status["observedGeneration"] == found["metadata"]["generation"]
        return bool(
            status.get("updatedReplicas") == status.get("replicas") == status.get("readyReplicas") == 2
        )

    await wait_until("new agents run", rolled, 60)


async def test_without_the_template_they_are_removed(
    region: Any, operator: Operator, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    operator.start(None)

    async def gone() -> bool:
        listed = [
            *await api.items(paths.deployments(region.namespace)),
            *await api.items(paths.pdbs(region.namespace)),
            *await agents(api, region.namespace),
        ]
        return not listed

    await wait_until("nothing of them is left", gone, 60)


async def test_they_go_with_their_edge_controller(
    region: Any, deployed: dict[str, Any], api: Api, wait_until: Until
) -> None:
    await api.delete(controller(region.namespace))

    async def gone() -> bool:
        left = await api.items(paths.deployments(region.namespace))
        return not left and not await agents(api, region.namespace)

    await wait_until("the Deployment is collected", gone, 60)


async def test_an_image_that_cannot_be_pulled_is_said_in_words(
    region: Any, deployed: dict[str, Any], api: Api, said: Any
) -> None:
    status = {
        "name": "agent",
        "image": "edgewright/agent:test",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
    }
    for pod in await agents(api, region.namespace):
        path = paths.pods(region.namespace, pod["metadata"]["name"], "status")
        await api.patch(path, {"status": {"containerStatuses": [status]}})
    words = "2 of 2 agent pods: image edgewright/agent:test cannot be pulled (ImagePullBackOff)"
    await said("Ready", "False", "AgentFailing", words)
    await said("Degraded", "True", "AgentFailing", words)


async def test_a_quota_is_said_in_the_server_s_words(
    region: Any, deployed: dict[str, Any], api: Api, said: Any
) -> None:
    await quota(api, region.namespace, "few", {"pods": "1"})
    for pod in await agents(api, region.namespace):
        await api.delete(paths.pods(region.namespace, pod["metadata"]["name"]), grace=0)
    await said("Degraded", "True", "QuotaExceeded", "exceeded quota: few")


async def test_without_the_operator_s_role_the_refusal_is_said(
    region: Any, operator: Operator, api: Api, said: Any, namespace: str
) -> None:
    region.namespace = f"{namespace}-closed"
    await new_namespace(api, region.namespace)
    body = edge_controller(region.namespace, "melbourne-small-2")
    await api.create(paths.edge_controllers(region.namespace), body)
    await said("Accepted", "False", "ObjectRefused", "forbidden", names.ROLE_OPERATOR_REGION)
    await api.delete(paths.edge_controllers(region.namespace, "region"))
    await api.delete(paths.namespaces(region.namespace))


async def test_a_template_that_the_server_refuses_is_said(region: Any, operator: Operator, said: Any) -> None:
    container = {**TEMPLATE["spec"]["containers"][0], "imagePullPolcy": "Always"}
    operator.start({"spec": {"containers": [container]}})
    await said("Accepted", "False", "ObjectRefused", "imagePullPolcy")
    operator.start()
    await said("Accepted", "True", "Valid")


def test_a_bad_template_ends_the_operator_at_once(cluster: testbed.Testbed, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("spec: {containers: [{name: main, image: x}]}")
    command = [sys.executable, "-m", "edgewright.cli.main", "operator", "--agent-template", str(file)]
    done = subprocess.run(
        [*command, "--kubeconfig", str(cluster.kubeconfig)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"agent template {file}: spec.containers: found containers named main" in done.stderr
