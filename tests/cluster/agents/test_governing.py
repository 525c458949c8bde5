"""What an agent does with its EdgeController: follows changes while it runs, and says how it fares."""

from collections.abc import Callable
from typing import Any

from edgewright.kube import names, paths

Make = Callable[..., dict[str, Any]]


def controller(region: Any) -> str:
    return paths.edge_controllers(region.namespace, "region")


async def test_another_algorithm_holds_from_the_next_decision_on(
    region: Any, make: Make, wait_until: Any
) -> None:
    agent = await region.agent()
    await region.apply(make("before", "a", "b"))
    first = await region.placed("before")
    on = await region.on("before")
    await region.api.patch(controller(region), {"spec": {"algorithm": "best-fit"}})

    async def in_use() -> Any:
        status = (await region.api.get(controller(region)))["status"]
        assert status["algorithm"] == "best-fit", status
        return status

    status = await wait_until("the agent says what it uses", in_use)
    assert status["algorithmReason"] == "spec.algorithm asks for best-fit"
    await region.apply(make("after", "a", "b"))
    await region.reaches("after", "True", "PlacedByBestFit")
    assert first["metadata"]["generation"] == 1
    assert await region.on("before") == on, "what was placed stays"
    assert agent.log.count("governing") == 1, "it is the same agent"


async def test_its_figures_show_and_have_one_writer(region: Any, make: Make, wait_until: Any) -> None:
    await region.agent()
    await region.apply(make("d", "a", "b"))
    await region.placed("d")

    async def figures() -> Any:
        found = await region.api.get(controller(region))
        assert found["status"].get("p99DecisionMs", 0) > 0, found["status"]
        assert found["status"]["decisionsPerSecond"] > 0
        return found

    found = await wait_until("figures of decisions", figures)
    assert "lastError" not in found["status"]
    writers = {
        name: entry["manager"]
        for entry in found["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
        for name in entry["fieldsV1"]["f:status"]
    }
    mine = {"f:algorithm", "f:algorithmReason", "f:decisionsPerSecond", "f:p99DecisionMs"}
    assert {name for name, manager in writers.items() if manager == names.MANAGER_AGENT} == mine
    assert {manager for name, manager in writers.items() if name not in mine} == {names.MANAGER_OPERATOR}


async def test_what_went_wrong_last_is_told_and_kept_by_the_next_agent(
    region: Any, make: Make, wait_until: Any
) -> None:
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    refusal = f"refuse-{region.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/binding"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": refusal},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "here", "expression": f"request.namespace == '{region.namespace}'"}],
            "validations": [{"expression": "false", "message": "nothing is bound today"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": refusal},
        "spec": {"policyName": refusal, "validationActions": ["Deny"]},
    }
    await region.api.create(policies, policy)
    await region.api.create(bindings, binding)
    try:
        agent = await region.agent()
        await region.apply(make("d", "a"))

        async def told() -> Any:
            status = (await region.api.get(controller(region)))["status"]
            assert "nothing is bound today" in status["lastError"]["message"]
            return status["lastError"]

        before = await wait_until("the refusal is told", told, 60)
        assert agent.terminate() == 0
    finally:
        await region.api.delete(f"{bindings}/{refusal}")
        await region.api.delete(f"{policies}/{refusal}")
    await region.agent()
    await region.placed("d", seconds=60)
    after = (await region.api.get(controller(region)))["status"]["lastError"]
    assert after["at"] >= before["at"]
