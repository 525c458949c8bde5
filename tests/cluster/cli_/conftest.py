"""A whole installation: nodes, regions, the operator and agents, which the commands look at."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.builders import allow_operator, new_namespace, until

from edgewright.cli.reading import Reader
from edgewright.emulation import testbed
from edgewright.emulation.testbed import local
from edgewright.kube import paths
from edgewright.kube.api import Api

REGION = "melbourne-small-1"


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """Runs `edgewright` as its user does, in a pipe."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    async def __call__(self, *arguments: str, **environment: str) -> Done:
        command = [sys.executable, "-m", "edgewright.cli.main", *arguments]
        variables = os.environ | {"KUBECONFIG": str(self.kubeconfig), "COLUMNS": "120"} | environment
        done = await asyncio.to_thread(
            subprocess.run, command, env=variables, capture_output=True, text=True, check=False, timeout=240
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="package")
def bed() -> Iterator[testbed.Testbed]:
    """A testbed with everything; tests break it and mend it again."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"pytest-{os.getpid()}-{worker}-cli-{uuid.uuid4().hex[:4]}"
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(testbed.up, name, options=testbed.Options(heartbeat="edge")).result()
    try:
        yield made
    finally:
        testbed.down(made.name)


@pytest.fixture
async def reader(bed: testbed.Testbed) -> AsyncIterator[Reader]:
    """What the commands read with."""
    async with await Reader.connect(str(bed.kubeconfig)) as client:
        yield client


@pytest.fixture
def edgewright(bed: testbed.Testbed) -> Command:
    """The command, as administrator."""
    return Command(bed.kubeconfig)


@pytest.fixture
async def space(admin: Api) -> AsyncIterator[Callable[..., Any]]:
    """Makes namespaces, with or without the operator's rights; they are deleted afterwards."""
    made: list[str] = []

    async def make_one(*, operator: bool = True) -> str:
        made.append(f"t-{uuid.uuid4().hex[:8]}")
        await new_namespace(admin, made[-1])
        if operator:
            await allow_operator(admin, made[-1])
        await until("its ServiceAccount", lambda: admin.get(paths.serviceaccounts(made[-1], "default")))
        return made[-1]

    yield make_one
    for namespace in made:
        for controller in await admin.items(paths.edge_controllers(namespace)):
            await admin.delete(paths.edge_controllers(namespace, controller["metadata"]["name"]))
        for dag in await admin.items(paths.service_dags(namespace)):
            await admin.delete(paths.service_dags(namespace, dag["metadata"]["name"]))
        await admin.delete(paths.namespaces(namespace), missing_ok=True)


@pytest.fixture
async def person(bed: testbed.Testbed, admin: Api, space: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a user who may do exactly what `rules` say; the path of his kubeconfig."""

    async def make_one(*rules: dict[str, Any]) -> Path:
        namespace = await space(operator=False)
        name = f"person-{namespace}"
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
        await admin.create(paths.clusterroles(), {"metadata": {"name": name}, "rules": list(rules)})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        }
        await admin.create(paths.clusterrolebindings(), binding)
        target = bed.layout.kubeconfigs / name
        await local.write_kubeconfig(admin, bed.layout, target, {"person": (namespace, "default")})
        return target

    return make_one
