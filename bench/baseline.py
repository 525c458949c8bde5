"""What the operator would create for a ServiceDAG, created by the benchmark for kube-scheduler to place."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.operator.compile import KINDS, Compiled, acceptable_names, compile_dag
from edgewright.operator.dag import Dag
from edgewright.operator.foreign_load import DEFAULT_NAMES
from edgewright.operator.gate import Gate
from edgewright.operator.perform import SERVICES
from edgewright.operator.settings import OperatorSettings

KUBE_SCHEDULER = "default-scheduler"
LIKE = OperatorSettings()
"""As many writes in flight as the operator has by default."""
TUNED = tuple(
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 5,
    }
    for state in ("unreachable", "not-ready")
)
"""Tolerations of tuned Kubernetes: a lost node's pods go 5 s after Kubernetes' verdict, not 300 s."""


async def apply(api: Api, dags: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Server-side apply of ServiceDAGs, as kubectl does, all at once."""
    return list(
        await asyncio.gather(
            *(
                api.apply(
                    paths.service_dags(dag["metadata"]["namespace"], dag["metadata"]["name"]),
                    dag,
                    manager="kubectl",
                )
                for dag in dags
            )
        )
    )


async def create(api: Api, dags: Sequence[Mapping[str, Any]], tolerations: Sequence[Any] = ()) -> None:
    """Create every compiled object of the applied ServiceDAGs, the pods left to kube-scheduler.

    The same objects in the same order and with the same concurrency as the operator's: Deployments of all
    before Services of any before PodDisruptionBudgets, few Services at once.
    """
    gate, services = Gate(LIKE.writes), Gate(SERVICES)

    async def post(item: Compiled) -> None:
        path = paths.of_object(item.kind, item.body["metadata"]["namespace"], None)
        async with contextlib.AsyncExitStack() as stack:
            if item.kind == "Service":
                await stack.enter_async_context(services.slot(0))
            await stack.enter_async_context(gate.slot(KINDS.index(item.kind)))
            await api.create(path, item.body)

    objects = [item for applied in dags for item in compiled(applied, tolerations)]
    await asyncio.gather(*(post(item) for item in objects))


def compiled(applied: Mapping[str, Any], tolerations: Sequence[Any] = ()) -> tuple[Compiled, ...]:
    """The operator's objects of a ServiceDAG, but for `schedulerName` (and more tolerations, if given)."""
    dag = Dag.read(applied)
    counts = {service.name: service.replicas.min for service in dag.spec.microservices}
    names = {
        (kind, service.name): acceptable_names(dag, kind, service)[0]
        for kind in KINDS
        for service in dag.spec.microservices
    }
    objects = compile_dag(dag, counts, names, DEFAULT_NAMES)
    for item in objects:
        if item.kind == "Deployment":
            pod = item.body["spec"]["template"]["spec"]
            pod["schedulerName"] = KUBE_SCHEDULER
            pod["tolerations"] = [*pod["tolerations"], *tolerations]
    return objects
