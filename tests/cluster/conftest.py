"""Real control planes for tests: one per pytest worker, and private ones for tests that break things."""

import atexit
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.builders import new_namespace, service_dag, until

from edgewright.emulation import testbed
from edgewright.emulation.testbed.processes import start_time
from edgewright.kube import paths
from edgewright.kube.api import Api

PREFIX = "pytest"
IMAGES = ("operator", "agent")


def _name() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"{PREFIX}-{os.getpid()}-{worker}-{uuid.uuid4().hex[:4]}"


def _sweep() -> None:
    """Take away testbeds of test runs that were killed."""
    for name in testbed.names():
        if name.startswith(f"{PREFIX}-") and start_time(int(name.split("-")[1])) is None:
            testbed.down(name)


def _up(**options: Any) -> testbed.Testbed:
    wanted = testbed.Options(**{"bare": True, "heartbeat": "edge", **options})
    # In a thread of its own, `up` may be called from a coroutine too.
    with ThreadPoolExecutor(1) as thread:
        bed = thread.submit(testbed.up, _name(), options=wanted).result()
    atexit.register(testbed.down, bed.name)
    return bed


@pytest.fixture(scope="session")
def cluster() -> Iterator[testbed.Testbed]:
    """The worker's own control plane: CRDs, RBAC and the nodes and links of `melbourne-small`.

    No operator and no agents run, and no EdgeController claims the nodes: tests make their own.
    """
    _sweep()
    bed = _up(edge_controllers=False)
    yield bed
    testbed.down(bed.name)


@pytest.fixture(scope="session")
def observed_cluster() -> Iterator[testbed.Testbed]:
    """A testbed as a user brings it up: operator and agents of two regions, and a Prometheus."""
    _sweep()
    bed = _up(bare=False, prometheus=True)
    yield bed
    testbed.down(bed.name)


@pytest.fixture(scope="session")
def empty_cluster() -> Iterator[testbed.Testbed]:
    """A control plane with the nodes of `melbourne-small` and nothing of Edgewright's."""
    _sweep()
    bed = _up(manifests=False)
    yield bed
    testbed.down(bed.name)


@pytest.fixture(scope="session")
def up() -> Callable[..., testbed.Testbed]:
    """Brings up a control plane (fields of `testbed.Options`); whoever calls it takes it down."""
    _sweep()
    return _up


@pytest.fixture
def new_cluster() -> Iterator[Callable[..., testbed.Testbed]]:
    """Makes private control planes (fields of `testbed.Options`), for tests that stop or overload things."""
    beds: list[testbed.Testbed] = []

    def make(**options: Any) -> testbed.Testbed:
        beds.append(_up(**options))
        return beds[-1]

    yield make
    for bed in beds:
        testbed.down(bed.name)


@pytest.fixture
async def api(cluster: testbed.Testbed) -> AsyncIterator[Api]:
    """The administrator's client."""
    async with await Api.connect(str(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
async def admin(bed: testbed.Testbed) -> AsyncIterator[Api]:
    """The administrator's client of whatever testbed the tests around call `bed`."""
    async with await Api.connect(str(bed.kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A fresh namespace whose ServiceAccount is there; it is deleted afterwards, without waiting."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await new_namespace(api, name)
    await until("its ServiceAccount is there", lambda: api.get(paths.serviceaccounts(name, "default")))
    yield name
    await api.delete(paths.namespaces(name), missing_ok=True)


@pytest.fixture
async def as_account(
    cluster: testbed.Testbed, api: Api, tmp_path: Path
) -> AsyncIterator[Callable[[str, str], Awaitable[Api]]]:
    """Makes clients with the token of a ServiceAccount and nothing else; kubeconfigs are in `tmp_path`."""
    clients: list[Api] = []
    kubeconfig = cluster.kubeconfig.read_text()

    async def connect(namespace: str, account: str) -> Api:
        token = await api.create(paths.serviceaccounts(namespace, account, "token"), {"spec": {}})
        config = yaml.safe_load(kubeconfig)
        config["users"] = [{"name": user["name"], "user": {}} for user in config["users"]]
        config["users"][0]["user"] = {"token": token["status"]["token"]}
        config["contexts"][0]["context"]["user"] = config["users"][0]["name"]
        file = tmp_path / f"{namespace}-{account}"
        file.write_text(yaml.safe_dump(config))
        clients.append(await Api.connect(str(file)))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture(scope="session")
def archives() -> dict[str, Path]:
    """Archives of images built from this checkout, by target; minutes the first time. Needs root."""
    root = Path(__file__).parents[2]
    environment = os.environ | {"BASE": os.environ.get("BASE", "debian")}
    subprocess.run([root / "images" / "build", *IMAGES], check=True, env=environment)
    return {target: root / "dist" / "images" / f"{target}.tar" for target in IMAGES}


@pytest.fixture(scope="session")
def make() -> Callable[..., dict[str, Any]]:
    """`make("name", "a", {"name": "b", ...}, **spec)`: a ServiceDAG."""
    return service_dag


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Awaitable[Any]]:
    """`await wait_until("what", check, seconds)`."""
    return until
