"""Builders: ServiceDAGs as the API serves them, and the objects that the API server would hold for them."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from edgewright.kube.objects import Manifest
from edgewright.operator.compile import KINDS, Compiled, acceptable_names, compile_dag
from edgewright.operator.dag import Dag
from edgewright.operator.foreign_load import DEFAULT_NAMES
from edgewright.operator.observed import Observed

MakeDag = Callable[..., Dag]
MakeCompiled = Callable[..., tuple[Compiled, ...]]
MakeObserved = Callable[..., Manifest]


def microservice(name: str, **fields: Any) -> dict[str, Any]:
    """A microservice with one port."""
    return {
        "name": name,
        "image": "registry.example/app:1",
        "resources": {"cpu": "500m", "memory": "256Mi"},
        "workMInstructions": 10,
        "template": {"ports": [{"containerPort": 8080}]},
        **fields,
    }


@pytest.fixture(scope="session")
def make_dag() -> MakeDag:
    """`make_dag("a", {"b": {...}}, status=..., **spec)`: a ServiceDAG of microservices in a chain."""

    def make(
        *names: str | dict[str, dict[str, Any]], status: Any = None, generation: int = 1, **spec: Any
    ) -> Dag:
        services = []
        for name in names:
            named = {name: {}} if isinstance(name, str) else name
            services += [microservice(each, **fields) for each, fields in named.items()]
        chain = itertools.pairwise(services)
        body = {
            "metadata": {"namespace": "region", "name": "dag", "uid": "dag-1", "generation": generation},
            "spec": {
                "demand": {"requestsPerSecond": 10},
                "microservices": services,
                "invocations": [{"from": a["name"], "to": b["name"], "payloadKB": 1} for a, b in chain],
                **spec,
            },
            "status": status or {},
        }
        return Dag.read(body)

    return make


@pytest.fixture(scope="session")
def make_compiled() -> MakeCompiled:
    """The objects of a ServiceDAG at min replicas (or `counts`) under their preferred names."""

    def make(dag: Dag, counts: Mapping[str, int] | None = None) -> tuple[Compiled, ...]:
        names = {
            (kind, m.name): acceptable_names(dag, kind, m)[0]
            for kind in KINDS
            for m in dag.spec.microservices
        }
        wanted = counts or {m.name: m.replicas.min for m in dag.spec.microservices}
        return compile_dag(dag, wanted, names, DEFAULT_NAMES)

    return make


@pytest.fixture(scope="session")
def stored() -> MakeObserved:
    """What the API server holds for a compiled object; a Deployment is rolled out with `ready` replicas."""

    def make(
        item: Compiled, *, ready: int | None = None, uid: str = "", owner: str = "dag-1", **changes: Any
    ) -> Manifest:
        body = msgspec.json.decode(msgspec.json.encode(item.body))
        body["metadata"] |= {
            "uid": uid or f"{item.kind}-{item.name}",
            "generation": 1,
            "resourceVersion": "1",
        }
        for reference in body["metadata"]["ownerReferences"]:
            reference["uid"] = owner
        if item.kind == "Deployment":
            replicas = body["spec"]["replicas"]
            count = replicas if ready is None else ready
            body["status"] = {
                "observedGeneration": 1,
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": count,
            }
        for name, value in changes.items():
            body[name] = {**body.get(name, {}), **value}
        return msgspec.convert(body, Manifest)

    return make


@pytest.fixture(scope="session")
def running(make_compiled: MakeCompiled, stored: MakeObserved) -> Callable[..., Observed]:
    """The world in which a ServiceDAG's objects all exist and are Ready."""

    def make(dag: Dag, **changes: Any) -> Observed:
        return Observed(objects={item.key: stored(item) for item in make_compiled(dag)}, **changes)

    return make
