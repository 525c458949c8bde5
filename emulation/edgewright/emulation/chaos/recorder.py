"""Watches pods, nodes, ServiceDAGs and leaders beside a run and records what changes."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from edgewright.emulation.chaos import users
from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.chaos.recording import DagSample, Injection, PodLife, Recording, Sample
from edgewright.emulation.chaos.target import Target
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import ConditionType, find, is_true
from edgewright.kube.objects import Lease, Manifest, Node, Pod
from edgewright.kube.reflector import Key, Kind, Reflector

TICK = 0.1
"""Seconds between two looks at whether anything changed."""
SILENT = 3.0
"""Seconds without a renewal, or a third of the Lease if that is more: then a leader counts as silent."""
PING, PATIENCE = 0.5, 2.0
"""How often the API server is asked whether it is there, and how long the answer may take."""
START_SECONDS = 30.0


class Recorder:
    """Records from `with` to its end; all times are of this process' monotonic clock.

    `on_sample` is called in the recorder's own thread.
    """

    def __init__(self, target: Target, on_sample: Callable[[Sample], None]) -> None:
        self._target = target
        self._on_sample = on_sample
        self._began = time.monotonic()
        self._records: list[str] = []
        self._recording = Recording(datetime.now(UTC).isoformat(timespec="seconds"), [], {}, [])
        self._down: Counter[str] = Counter()
        self._renewed: dict[Key, tuple[float, float]] = {}
        self._answered = True
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def now(self) -> float:
        """Seconds since the recording began."""
        return time.monotonic() - self._began

    def recording(self) -> Recording:
        """What was recorded; to be asked for once, when the recorder has ended and all is healed."""
        self._recording.asked = users.read(self._records, self._began)
        return self._recording

    def injected(self, output: dict[str, Any], began: float) -> None:
        """An action has injected what its output says; its nodes count as down until it is healed."""
        if output["record"]:
            self._records.append(output["record"])
            began = self.now  # before, what sends the requests was getting ready
        self._recording.injections.append(
            Injection(output["id"], output["fault"], output["what"], began, self.now, down=output["down"])
        )
        self._down.update(output["down"])

    def healed(self, ids: list[str]) -> None:
        """Injections are healed."""
        for injection in self._recording.injections:
            if injection.id in ids and injection.ended is None:
                injection.ended = self.now
                self._down.subtract(injection.down)

    def _run(self) -> None:
        try:
            asyncio.run(self._record())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _record(self) -> None:
        async with await Api.connect(self._target.kubeconfig, self._target.context) as api:
            self._pods = Reflector(api, paths.pods(), Pod, self._on_pod, label_selector=names.LABEL_DAG)
            self._nodes = Reflector(api, paths.nodes(), Node)
            self._dags = Reflector(api, paths.service_dags(), Manifest)
            leases = [
                Reflector(api, paths.leases(), Lease, self._on_lease, field_selector=f"metadata.name={name}")
                for name in sorted({names.LEASE_OPERATOR, names.LEASE_AGENT})
            ]
            reflectors = [self._pods, self._nodes, self._dags, *leases]
            tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]  # type: ignore[attr-defined]
            tasks.append(asyncio.create_task(self._ping(api)))
            try:
                await asyncio.gather(*(r.wait_synced(START_SECONDS) for r in reflectors))  # type: ignore[attr-defined]
                self._ready.set()
                while not self._stop.is_set():
                    self._take()
                    await asyncio.sleep(TICK)
                self._take(last=True)
            except TimeoutError as error:
                raise ChaosError(f"cannot watch the cluster: {error}") from error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ping(self, api: Api) -> None:
        """Ask for the API server's own word: a watch that hears nothing may just have nothing to hear."""
        while True:
            try:
                await api.raw("GET", "/readyz", timeout=PATIENCE, idempotent=False)
                self._answered = True
            except ApiError:
                self._answered = False
            await asyncio.sleep(PING)

    def _on_lease(self, kind: Kind, key: Key, old: Lease | None, new: Lease | None) -> None:
        if new is None:
            self._renewed.pop(key, None)
        elif old is None or old.spec.renew_time != new.spec.renew_time:
            self._renewed[key] = (self.now, float(new.spec.lease_duration_seconds or 15))

    def _on_pod(self, kind: Kind, key: Key, old: Pod | None, new: Pod | None) -> None:
        now, pod = self.now, new or old
        assert pod is not None
        labels = pod.metadata.labels
        dag = f"{pod.metadata.namespace}/{labels.get(names.LABEL_DAG, '')}"
        fresh = PodLife(pod.metadata.name, dag, labels.get(names.LABEL_MICROSERVICE, ""), now)
        life = self._recording.pods.setdefault(pod.metadata.uid, fresh)
        if new is None:
            life.gone = now
            return
        if new.spec.node_name and new.spec.node_name != life.node:
            life.node = new.spec.node_name
            life.nodes = [*life.nodes, life.node]
            life.bound = life.bound if life.bound is not None else now
        if new.ready and life.ready is None:
            life.ready = now
        if new.metadata.deletion_timestamp and life.leaving is None:
            life.leaving = now

    def _take(self, *, last: bool = False) -> None:
        """Keep a sample of now if it differs from the one before, or is the `last`."""
        now, samples = self.now, self._recording.samples
        sample = Sample(now, self._dag_samples(), *self._node_counts(), self._silent(now), self._answered)
        before = samples[-1] if samples else None
        if last or before is None or _without_time(sample) != _without_time(before):
            samples.append(sample)
            self._on_sample(sample)

    def _node_counts(self) -> tuple[int, int]:
        nodes = self._nodes.store
        ready = [node for (_, name), node in nodes.items() if node.ready and self._down[name] <= 0]
        return len(nodes), len(ready)

    def _silent(self, now: float) -> list[str]:
        """A leader renews its Lease several times in its duration; one silent for long is stuck or gone."""
        return sorted(
            "/".join(k) for k, (at, duration) in self._renewed.items() if now - at > max(SILENT, duration / 3)
        )

    def _dag_samples(self) -> dict[str, DagSample]:
        bound: Counter[str] = Counter()
        ready: Counter[str] = Counter()
        for pod in self._pods.store.values():
            node = pod.spec.node_name
            if node and self._down[node] <= 0 and not pod.terminal and not pod.metadata.deletion_timestamp:
                dag = f"{pod.metadata.namespace}/{pod.metadata.labels.get(names.LABEL_DAG, '')}"
                bound[dag] += 1
                ready[dag] += pod.ready
        return {
            "/".join(key): _dag_sample(dag, bound["/".join(key)], ready["/".join(key)])
            for key, dag in sorted(self._dags.store.items())
        }


def _dag_sample(dag: Manifest, bound: int, ready: int) -> DagSample:
    status = dag.status
    told = status.get("conditions") or []
    met = find(told, ConditionType.QOS_MET)
    limit = dag.spec.get("qos", {}).get("maxLatencyMs")
    return DagSample(
        desired=sum(each["replicas"] for each in status.get("desired") or []),
        bound=bound,
        ready=ready,
        condition=is_true(told, ConditionType.READY),
        violated=met is not None and met["status"] == "False",
        predicted=_ratio(status.get("predicted"), limit),
        observed=_ratio(status.get("observed"), limit),
        limit=limit,
    )


def _ratio(latency: dict[str, Any] | None, limit: float | None) -> float | None:
    value = (latency or {}).get("p95Ms")
    with suppress(TypeError, ValueError):
        return float(value) / float(limit) if value is not None and limit else None
    return None


def _without_time(sample: Sample) -> tuple[object, ...]:
    return (sample.dags, sample.nodes, sample.nodes_ready, sample.silent, sample.answers)
