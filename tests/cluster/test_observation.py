"""A real Prometheus scrapes the processes and a gateway; the operator judges by it, and does without it."""

import asyncio
import contextlib
import http.server
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from tests.cluster.builders import condition_of, service_dag, until

from edgewright.emulation import testbed
from edgewright.emulation.testbed import binaries, processes, prometheus
from edgewright.emulation.testbed.ports import Ports, reserve
from edgewright.kube import names, paths
from edgewright.kube.api import Api
from edgewright.kube.metrics import REGISTRY, REQUEST_COUNT, REQUEST_DURATION, REQUESTS
from edgewright.operator.observer import Observer

ROOT = Path(__file__).parents[2]
REGION = "melbourne-small-1"
DAG = "observed"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Gateway:
    """What answers users: exports their requests as the contract has it; a thread keeps them coming."""

    def __init__(self, bed: testbed.Testbed) -> None:
        registry = CollectorRegistry()
        labels = ["namespace", "servicedag"]
        self.duration = Histogram(REQUEST_DURATION, "", labels, registry=registry, buckets=REQUESTS)
        self.count = Counter(REQUEST_COUNT, "", [*labels, "outcome"], registry=registry)
        self.latency = 0.005
        self.fails = 0
        """Of ten requests."""
        self._server, _ = start_http_server(0, "127.0.0.1", registry)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        target = [{"targets": [f"127.0.0.1:{self._server.server_port}"]}]
        (prometheus.targets(bed.layout) / "gateway.yaml").write_text(yaml.safe_dump(target))
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.wait(0.1):
            for number in range(10):
                failed = number < self.fails
                self.count.labels(REGION, DAG, "failed" if failed else "ok").inc()
                if not failed:
                    self.duration.labels(REGION, DAG).observe(self.latency)

    def close(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with OPENER.open(url, timeout=10.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ports(bed: testbed.Testbed) -> Ports:
    return Ports(**bed.state.ports)


def ask(bed: testbed.Testbed, expression: str) -> list[dict[str, Any]]:
    """The series that a query returns now."""
    query = urllib.parse.urlencode({"query": expression})
    status, body = get(f"{prometheus.address(ports(bed))}/api/v1/query?{query}")
    assert status == 200, f"{expression}: {body}"
    return list(json.loads(body)["data"]["result"])


async def answers(bed: testbed.Testbed, expression: str, seconds: float = 90.0) -> list[dict[str, Any]]:
    """Wait until a query returns numbers."""

    async def asked() -> list[dict[str, Any]]:
        return [s for s in await asyncio.to_thread(ask, bed, expression) if s["value"][1] != "NaN"]

    found: list[dict[str, Any]] = await until(f"an answer to {expression}", asked, seconds, 1.0)
    return found


def metric(bed: testbed.Testbed, port: int, name: str) -> float:
    """One sample as the process itself serves it, 0 if it does not."""
    lines = get(f"http://127.0.0.1:{port}/metrics")[1].splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


@pytest.fixture(scope="module")
def gateway(observed_cluster: testbed.Testbed) -> Iterator[Gateway]:
    made = Gateway(observed_cluster)
    yield made
    made.close()


@pytest.fixture
async def admin(observed_cluster: testbed.Testbed) -> AsyncIterator[Api]:
    async with await Api.connect(str(observed_cluster.kubeconfig)) as api:
        yield api


@pytest.fixture
async def dag(admin: Api, gateway: Gateway) -> Callable[[], Any]:
    """Reads a placed ServiceDAG with a limit of 20 ms."""
    gateway.latency, gateway.fails = 0.005, 0
    made = service_dag(DAG, "a", "b", qos={"maxLatencyMs": 20}, placementPolicy={"onNodeLoss": "fast"})
    path = paths.service_dags(REGION, DAG)
    await admin.apply(path, made, manager="test-user")

    async def read() -> dict[str, Any]:
        return await admin.get(path)

    async def placed() -> bool:
        return condition_of(await read(), "Placed").get("status") == "True"

    await until("the ServiceDAG is placed", placed, 60.0)
    return read


async def quality(dag: Callable[[], Any], status: str, words: str, seconds: float = 90.0) -> dict[str, Any]:
    """Wait until QoSMet says so; returns the ServiceDAG."""

    async def said() -> Any:
        body = await dag()
        condition = condition_of(body, "QoSMet")
        assert condition.get("status") == status and words in condition["message"], condition
        return body

    found: dict[str, Any] = await until(f"QoSMet={status} saying {words!r}", said, seconds, 0.3)
    return found


def test_the_processes_answer_and_prometheus_scrapes_them(observed_cluster: testbed.Testbed) -> None:
    for port in (ports(observed_cluster).operator, ports(observed_cluster).agents):
        assert get(f"http://127.0.0.1:{port}/healthz") == (200, "alive\n")
        status, words = get(f"http://127.0.0.1:{port}/readyz")
        assert status == 200
        assert "leading" in words
    shown = subprocess.run(
        [sys.executable, "-m", "edgewright.cli.main", "testbed", "status", "--name", observed_cluster.name],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert prometheus.address(ports(observed_cluster)) in shown
    asyncio.run(_scraped(observed_cluster))


async def _scraped(bed: testbed.Testbed) -> None:
    assert len(await answers(bed, 'up{job=~"edgewright-(operator|agent)"} == 1')) == 2
    assert {s["metric"]["region"] for s in await answers(bed, "edgewright_agent_leader == 1")} == set(
        bed.state.regions
    )
    assert len(await answers(bed, "edgewright_operator_leader == 1")) == 1


@pytest.mark.parametrize("process", ["operator", "agents"])
def test_an_address_in_use_is_refused_at_the_start(observed_cluster: testbed.Testbed, process: str) -> None:
    listen = f"127.0.0.1:{getattr(ports(observed_cluster), process)}"
    command = {"operator": ["operator"], "agents": ["agent", "--all"]}[process]
    kubeconfig = observed_cluster.layout.kubeconfigs / process
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "edgewright.cli.main",
            *command,
            "--kubeconfig",
            str(kubeconfig),
            "--listen",
            listen,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"error: --listen {listen}: " in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


async def test_quality_is_judged_by_what_users_get(
    dag: Callable[[], Any], gateway: Gateway, observed_cluster: testbed.Testbed
) -> None:
    for number in range(2_000):  # names that are no ServiceDAGs must not matter
        gateway.count.labels(REGION, f"flood-{number}", "ok").inc()
    body = await quality(dag, "True", "Observed: latency (p95)")
    assert 3 < body["status"]["observed"]["latencyMs"] < 7
    assert 3 < body["status"]["observed"]["p95Ms"] < 7
    assert body["status"]["observed"]["successProbability"] == 1
    assert 10 < body["status"]["observed"]["requestsPerSecond"] < 150, "100, and fewer in the first window"
    assert body["status"]["observed"]["at"]
    gateway.latency = 0.2
    body = await quality(dag, "False", "exceeds spec.qos.maxLatencyMs 20 ms")
    assert condition_of(body, "QoSMet")["reason"] == "LimitExceeded"
    assert body["status"]["observed"]["p95Ms"] > 20
    assert body["status"]["observed"]["violationProbability"] > 0.05
    await answers(
        observed_cluster, 'edgewright_servicedag_qos_met{servicedag="observed", source="observed"} == 0'
    )
    assert len(await answers(observed_cluster, "edgewright_servicedag_qos_met")) < 10


async def test_without_prometheus_and_with_nonsense_predictions_stand_in(
    dag: Callable[[], Any], gateway: Gateway, observed_cluster: testbed.Testbed
) -> None:
    bed, port = observed_cluster, ports(observed_cluster)
    await quality(dag, "True", "Observed: latency (p95)")
    process = next(p for p in bed.processes if p.name == prometheus.PROMETHEUS)
    assert processes.stop([process]) == []
    body = await quality(dag, "True", "Predicted (too little was observed lately): latency (p95)")
    assert "observed" not in body["status"]
    unreachable = 'edgewright_operator_observations_total{result="unreachable"}'
    assert metric(bed, port.operator, unreachable) >= 3
    with nonsense(port.prometheus):

        async def read_nonsense() -> bool:
            result = 'edgewright_operator_observations_total{result="nonsense"}'
            return await asyncio.to_thread(metric, bed, port.operator, result) > 0

        await until("the operator reads nonsense", read_nonsense, 30.0)
        assert get(f"http://127.0.0.1:{port.operator}/readyz")[0] == 200
        assert "observed" not in (await dag())["status"]
    prometheus.start(bed.layout, port)
    await quality(dag, "True", "Observed: latency (p95)")


@contextlib.contextmanager
def nonsense(port: int) -> Iterator[None]:
    """Something else answers where Prometheus was."""

    class Portal(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please sign in</html>")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Portal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


WEB = {"basic_auth_users": {"me": "$2b$04$abcdefghijklmnopqrstuuQCzP7jzWZS/E3GL4oF3LWbHm3pfKHH."}}
"""`web.config.file` of a Prometheus that lets `me` in with `a password`."""


async def test_a_prometheus_that_asks_for_a_password_gets_that_of_the_secret(tmp_path: Path) -> None:
    """A real one of its own, without a cluster."""
    program = binaries.resolve(components=[binaries.PROMETHEUS])["prometheus"]
    (tmp_path / "prometheus.yml").write_text("{}")
    (tmp_path / "web.yml").write_text(yaml.safe_dump(WEB))
    with reserve(tmp_path, tmp_path / "claims") as found:
        port = found.prometheus
    command = [
        str(program),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--web.config.file={tmp_path}/web.yml",
    ]
    command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    process = processes.spawn("asking", command, log=tmp_path / "log", pids=tmp_path / "pids")
    url, secret = f"http://127.0.0.1:{port}", tmp_path / "secret"
    secret.mkdir()
    (secret / "username").write_text("me")
    (secret / "password").write_text("a guess")

    def count(result: str) -> float:
        labels = {"result": result}
        return REGISTRY.get_sample_value("edgewright_operator_observations_total", labels) or 0.0

    async def risen(result: str, before: float) -> bool:
        return count(result) > before

    made = Observer(
        url, window=60, interval=0.1, credentials=str(secret), known=set, changed=lambda measured, dirty: None
    )
    observing, well = asyncio.create_task(made.run()), count("ok")
    try:

        async def up() -> bool:
            with contextlib.suppress(urllib.error.URLError):
                return (await asyncio.to_thread(get, f"{url}/-/ready"))[0] == 401
            return False

        await until("it asks who is there", up, 60.0, 0.1)
        bad = count("unreachable")
        await until("a wrong password is refused", lambda: risen("unreachable", bad), 30.0)
        assert count("ok") == well
        (secret / "password").write_text("a password")
        await until("the right one is let in", lambda: risen("ok", well), 30.0)
    finally:
        observing.cancel()
        processes.stop([process])


def queries() -> list[tuple[str, str]]:
    """Every query of every dashboard: where it is, and the query for all ServiceDAGs and regions."""
    found = []
    for file in sorted((ROOT / "charts/edgewright/files/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "1m")
                for name in ("namespace", "servicedag", "region"):
                    expression = expression.replace(f"${name}", ".*")
                found.append((f"{file.stem}: {panel['title']}", expression))
    return found


async def test_every_query_of_every_dashboard_returns_data(
    dag: Callable[[], Any], gateway: Gateway, admin: Api, observed_cluster: testbed.Testbed
) -> None:
    """With a ServiceDAG placed, one that cannot be, some requests failed, and a node lost."""
    bed = observed_cluster
    gateway.fails = 1
    big = {"resources": {"cpu": "500", "memory": "1Gi"}, "placement": {"tiers": ["edge"]}}
    giant = service_dag("giant", {"name": "a", **big})
    await admin.apply(paths.service_dags(REGION, "giant"), giant, manager="test-user")
    pods = await admin.items(paths.pods(REGION), labelSelector=f"{names.LABEL_DAG}={DAG}")
    lost = pods[0]["spec"]["nodeName"]
    await testbed.nodes.cut(admin, [lost])
    try:
        asked = queries()
        assert len(asked) > 35
        assert not any("$" in expression for _, expression in asked)

        async def all_answer() -> bool:
            for entry in asked.copy():  # some have data only while something happens: once is enough
                series = await asyncio.to_thread(ask, bed, entry[1])
                if any(s["value"][1] != "NaN" for s in series):
                    asked.remove(entry)
            assert not asked, asked
            return True

        await until("every query returns data", all_answer, 180.0, 3.0)
        recovered = "sum(edgewright_agent_node_loss_recovery_seconds_count) > 0"
        assert await answers(bed, recovered)
        assert await answers(bed, "sum(edgewright_agent_node_loss_detection_seconds_count) > 0")
        assert await answers(bed, 'edgewright_agent_unplaceable_total{constraint="cpu"} > 0')
    finally:
        await testbed.nodes.heal(admin, [lost])
        await admin.delete(paths.service_dags(REGION, "giant"), missing_ok=True)


def test_prometheus_evaluates_every_rule(observed_cluster: testbed.Testbed) -> None:
    status, body = get(f"{prometheus.address(ports(observed_cluster))}/api/v1/rules")
    assert status == 200
    rules = [rule for group in json.loads(body)["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    assert [rule for rule in rules if rule["health"] == "err"] == []
