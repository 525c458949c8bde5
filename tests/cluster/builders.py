"""What tests on a real API server build and wait for."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError


async def until(
    what: str, check: Callable[[], Awaitable[Any]], seconds: float = 30.0, interval: float = 0.05
) -> Any:
    """Wait until `check` returns something true; fails with what it last returned or raised."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            last = await check()
        except (ApiError, AssertionError, KeyError) as error:
            last = error
        else:
            if last:
                return last
        await asyncio.sleep(interval)
    raise AssertionError(f"{what} did not happen within {seconds:g} s; last: {last!r}")


def condition_of(obj: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The condition of type `kind` of an object as read once; empty if there is none yet."""
    conditions = obj.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def edge_controller(namespace: str, region: str, **spec: Any) -> dict[str, Any]:
    """The EdgeController `region` of a namespace, over the nodes labelled with this region."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "EdgeController",
        "metadata": {"name": "region", "namespace": namespace},
        "spec": {"nodeSelector": {names.LABEL_REGION: region}, **spec},
    }


def service_dag(name: str, *microservices: str | dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A chain of microservices of 100m and 64Mi each, unless told otherwise."""
    services = [
        {
            "image": "registry.k8s.io/pause:3.10",
            "resources": {"cpu": "100m", "memory": "64Mi"},
            "workMInstructions": 1,
            "template": {"ports": [{"containerPort": 8080}], "terminationGracePeriodSeconds": 0},
            **({"name": each} if isinstance(each, str) else each),
        }
        for each in microservices
    ]
    chain = [{"from": a["name"], "to": b["name"], "payloadKB": 1} for a, b in itertools.pairwise(services)]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ServiceDAG",
        "metadata": {"name": name},
        "spec": {
            "demand": {"requestsPerSecond": 1},
            "microservices": services,
            "invocations": chain,
            **spec,
        },
    }


async def new_namespace(api: Api, name: str) -> None:
    """Create a namespace."""
    await api.create(
        paths.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )


async def allow_operator(api: Api, namespace: str) -> None:
    """Bind the operator's role in a namespace, as the administrator of a region does."""
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": names.ROLE_OPERATOR_REGION},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": names.ROLE_OPERATOR_REGION,
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": names.OPERATOR_ACCOUNT, "namespace": names.OPERATOR_NAMESPACE}
        ],
    }
    await api.create(paths.rolebindings(namespace), body)


async def quota(api: Api, namespace: str, name: str, hard: Mapping[str, str]) -> None:
    """Create a ResourceQuota and wait until it counts; before that the API server refuses nothing."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}}
    await api.create(paths.resourcequotas(namespace), body)

    async def counts() -> bool:
        found = await api.get(paths.resourcequotas(namespace, name))
        return set(found["status"]["used"]) == set(hard)

    await until(f"ResourceQuota {name} counts", counts)
