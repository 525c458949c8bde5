"""From template and EdgeController to the Deployment of its agents, and what their pods' statuses mean."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from edgewright.kube.objects import Manifest, StartingPod
from edgewright.operator.agent_objects import agent_objects, trouble
from edgewright.operator.agent_template import AgentTemplate, TemplateError, check, load
from edgewright.operator.regions import Controller

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "a", "app.kubernetes.io/name": "other"}, "annotations": {"x": "y"}},
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "agent",
                "image": "edgewright/agent:1",
                "args": ["--log-level", "debug"],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
            },
            {"name": "beside", "image": "b"},
        ],
    },
}


def controller(**spec: Any) -> Controller:
    return Controller.read(
        {
            "metadata": {"namespace": "home", "name": "ec", "uid": "u"},
            "spec": {"nodeSelector": {"region": "a"}, **spec},
        }
    )


def deployment(**spec: Any) -> dict[str, Any]:
    return agent_objects(controller(**spec), check(TEMPLATE))[0].body


def test_the_deployment_is_the_template_with_what_the_region_decides() -> None:
    made = deployment()
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert made["spec"]["replicas"] == 2
    template = made["spec"]["template"]
    selector = made["spec"]["selector"]["matchLabels"]
    assert selector.items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["annotations"] == {"x": "y"}
    assert template["spec"]["serviceAccountName"] == "edgewright-agent"
    assert template["spec"]["tolerations"] == [{"operator": "Exists"}]
    agent, beside = template["spec"]["containers"]
    assert agent["args"] == [
        *["agent", "--namespace", "home", "--listen", "0.0.0.0:8080"],
        *["--log-level", "debug"],
    ]
    assert beside == {"name": "beside", "image": "b"}


def test_resources_of_the_region_replace_those_of_the_template_entry_by_entry() -> None:
    made = deployment(resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi", "cpu": 2}})
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "128Mi"},
        "limits": {"memory": "1Gi", "cpu": "2"},
    }


def test_the_pod_template_depends_on_nothing_that_the_agent_reads_by_itself() -> None:
    """Or a change of the algorithm would start every agent again."""
    plain = deployment()["spec"]["template"]
    changed = deployment(
        algorithm="exact",
        replicas=5,
        namespaces=["home", "guest"],
        shared=[{"nodeSelector": {"tier": "core"}, "fraction": 0.5}],
    )
    assert changed["spec"]["template"] == plain
    assert changed["spec"]["replicas"] == 5


def test_the_digest_tells_templates_apart_but_not_replicas() -> None:
    def digest(body: Any, **spec: Any) -> str:
        return agent_objects(controller(**spec), check(body))[0].digest

    assert digest(TEMPLATE) == digest(TEMPLATE, replicas=1)
    without = {**TEMPLATE, "spec": {"containers": TEMPLATE["spec"]["containers"]}}
    assert digest(without) != digest(TEMPLATE)


def test_the_budget_lets_one_agent_go_at_a_time() -> None:
    budget = agent_objects(controller(), check(TEMPLATE))[1].body
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment()["spec"]["selector"]


def agent(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "agent", "image": "i", **fields}]}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the file: found list"),
        (None, "the file: found NoneType"),
        ({"kind": "Deployment", **agent()}, "found kind at the top"),
        ({}, "spec: found NoneType"),
        ({"spec": {"containers": {}}}, "spec.containers: found"),
        ({"spec": {"containers": [{"name": "other", "image": "i"}]}}, "exactly one of them `agent`"),
        ({"spec": {"containers": [{"name": "agent"}]}}, "spec.containers[0].image: found None"),
        (agent(args=["agent", "--all"]), "further options of `edgewright agent` only"),
        (agent(args="--all"), "spec.containers[0].args: found '--all'"),
        (agent(resources={"requests": []}), "spec.containers[0].resources.requests: found list"),
        ({"metadata": {"name": "x"}, **agent()}, "metadata: found name"),
        ({"metadata": {"labels": {"a": 1}}, **agent()}, "metadata.labels.a: found 1, not text"),
        ({"spec": {**agent()["spec"], "serviceAccountName": "x"}}, "spec.serviceAccountName: found 'x'"),
        ({"spec": {**agent()["spec"], "nodeName": "x"}}, "spec.nodeName: found 'x'"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_in_words(body: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(yaml.safe_dump(body))
    with pytest.raises(TemplateError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be read"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(TemplateError, match="not YAML"):
        load(tmp_path / "broken.yaml")


def test_a_good_template_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(TEMPLATE))
    found = load(tmp_path / "good.yaml")
    assert isinstance(found, AgentTemplate)
    assert found.image == "edgewright/agent:1"


def pod(name: str = "a", **status: Any) -> StartingPod:
    return msgspec.convert({"metadata": {"name": name}, "status": status}, StartingPod)


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "agent", "image": "reg/a:1", **state}]}


PULLING = container(state={"waiting": {"reason": "ErrImagePull", "message": "rpc error 1"}})
BACKING_OFF = container(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off 5m"}})
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
CRASHING = container(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ENDED)
STARTED_AGAIN = container(restartCount=4, state={"running": {}}, lastState=ENDED)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (BACKING_OFF, "image reg/a:1 cannot be pulled (ImagePullBackOff)"),
        (CRASHING, "the agent keeps ending with exit code 137 (OOMKilled)"),
        (
            container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no key"}}),
            "CreateContainerConfigError: no key",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
            "no node takes it: 0/3 nodes",
        ),
    ],
)
def test_pods_that_do_not_start_say_why(status: dict[str, Any], words: str) -> None:
    found = trouble(None, [pod(**status), pod(**container(ready=True))])
    assert found is not None
    assert found.reason == "AgentFailing"
    assert found.message.startswith("1 of 2 agent pods: ")
    assert words in found.message


@pytest.mark.parametrize(("one", "other"), [(PULLING, BACKING_OFF), (CRASHING, STARTED_AGAIN)])
def test_the_steps_of_one_failure_are_told_in_the_same_words(one: Any, other: Any) -> None:
    assert trouble(None, [pod(**one)]) == trouble(None, [pod(**other)])


@pytest.mark.parametrize(
    "status",
    [
        {},
        container(state={"waiting": {"reason": "ContainerCreating"}}),
        container(ready=True, restartCount=7, lastState=ENDED),
        container(state={"running": {}}),
    ],
)
def test_agents_that_run_or_start_are_no_trouble(status: dict[str, Any]) -> None:
    assert trouble(None, [pod(**status)]) is None


def test_agents_that_run_but_do_not_become_ready_are_told() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    late = msgspec.convert({"metadata": {}, "status": {"conditions": [condition]}}, Manifest)
    found = trouble(late, [pod(**container(state={"running": {}}))])
    assert found is not None
    assert "not Ready within" in found.message


@pytest.mark.parametrize(
    ("message", "reason"),
    [("exceeded quota: pods", "QuotaExceeded"), ("violates PodSecurity", "PodRejected")],
)
def test_refused_pods_are_told_in_the_server_s_words(message: str, reason: str) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    found = trouble(
        msgspec.convert({"metadata": {}, "status": {"conditions": [condition]}}, Manifest), [pod()]
    )
    assert found is not None
    assert found.reason == reason
    assert message in found.message
