"""From any partial state, after any crash between two writes, repeating reconcile ends in the same world."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright.kube.objects import Manifest
from edgewright.operator.actions import Action, Apply, Create, Delete, SetDeletionCost, WriteStatus
from edgewright.operator.compile import Compiled
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Desired, Now, ObjectKey, Observed, Stranger, owned, ready_replicas
from edgewright.operator.reconcile import reconcile

MakeDag = Callable[..., Dag]


class Server:
    """What the API server, the garbage collector and the Deployment controller do to the objects."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Manifest] = {}
        self.strangers: dict[ObjectKey, Stranger] = {}
        self.status: dict[str, Any] = {}
        self.least: dict[str, int] = {}
        """Fewest Ready replicas that each Deployment ever had after it was first complete."""
        self._uids = 0

    def perform(self, action: Action, now: float) -> None:
        match action:
            case Create(item):
                if item.key in self.objects:
                    self.strangers[item.key] = Stranger("someone else", "other", now)
                else:
                    self._uids += 1
                    self._store(item, f"u{self._uids}", 1)
            case Apply(item, uid, scaled):
                live = self.objects.get(item.key)
                if live is not None and live.metadata.uid == uid:
                    assert not scaled
                    self._store(item, uid, live.metadata.generation + 1)
            case Delete(kind, name, uid):
                live = self.objects.get((kind, name))
                if live is not None and live.metadata.uid == uid:
                    del self.objects[kind, name]
            case SetDeletionCost():
                pass
            case WriteStatus(status):
                self.status = dict(status)

    def roll(self, keys: list[ObjectKey] | None = None) -> None:
        """Let Deployments (all: None) finish what they were told."""
        for key, item in list(self.objects.items()):
            if key[0] == "Deployment" and (keys is None or key in keys):
                replicas = item.spec["replicas"]
                status = {
                    "observedGeneration": item.metadata.generation,
                    "replicas": replicas,
                    "updatedReplicas": replicas,
                    "readyReplicas": replicas,
                }
                self.objects[key] = msgspec.structs.replace(item, status=status)

    def _store(self, item: Compiled, uid: str, generation: int) -> None:
        body = msgspec.json.decode(msgspec.json.encode(item.body))
        body["metadata"] |= {"uid": uid, "generation": generation}
        made = msgspec.convert(body, Manifest)
        before = self.objects.get(item.key)
        status = {} if before is None else before.status
        self.objects[item.key] = msgspec.structs.replace(made, status=status)


SPECS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True),
        st.sampled_from(["app:1", "app:2"]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), specs=SPECS)
def test_any_sequence_of_edits_crashes_and_deletions_converges(
    data: st.DataObject, specs: list[tuple[list[str], str, int]], make_dag: MakeDag
) -> None:
    server, now = Server(), 0.0
    for generation, (names, image, replicas) in enumerate(specs, start=1):
        services = [{name: {"image": image, "replicas": {"min": replicas}}} for name in names]
        now += 100.0

        def step(moment: float, services: Any = services, generation: int = generation) -> list[Action]:
            dag = make_dag(*services, generation=generation, status=server.status)
            counts = {m.name: m.replicas.min for m in dag.spec.microservices}
            observed = Observed(dict(server.objects), dict(server.strangers))
            wanted = Desired(dag, counts, region=("region", "ec"), agent=True)
            return reconcile(observed, wanted, Now(moment, "2026-11-21T08:00:00Z"))

        # A few rounds that end early, as after a crash, with rollouts and deletions by hand in between.
        for _ in range(data.draw(st.integers(0, 3))):
            actions = step(now)
            for action in actions[: data.draw(st.integers(0, len(actions)))]:
                server.perform(action, now)
            disturbed: bool = data.draw(st.booleans())
            if server.objects and disturbed:
                key = data.draw(st.sampled_from(sorted(server.objects)))
                rolled: bool = data.draw(st.booleans())
                server.roll([key]) if rolled else server.objects.pop(key)
            now += 20.0
        for _ in range(6):
            for action in step(now):
                server.perform(action, now)
            server.roll()
            now += 20.0
        assert step(now) == []
        dag = make_dag(*services, generation=generation)
        assert {key[1] for key in server.objects} == {f"dag-{name}" for name in names}
        assert len(server.objects) == 3 * len(names)
        for key, item in server.objects.items():
            assert owned(item, dag)
            if key[0] == "Deployment":
                assert ready_replicas(item) == replicas
                assert item.spec["template"]["spec"]["containers"][0]["image"] == image


def test_a_stranger_is_never_written_to(make_dag: MakeDag, make_compiled: Any, stored: Any) -> None:
    server = Server()
    dag = make_dag("a")
    [service] = [item for item in make_compiled(dag) if item.kind == "Service"]
    foreign = stored(service, owner="someone", uid="theirs")
    server.objects[service.key] = foreign
    for moment in range(0, 100, 20):
        observed = Observed(
            {k: o for k, o in server.objects.items() if owned(o, dag)}, dict(server.strangers)
        )
        wanted = Desired(dag, {"a": 1}, region=("region", "ec"), agent=True)
        for action in reconcile(observed, wanted, Now(float(moment), "2026-11-21T08:00:00Z")):
            server.perform(action, float(moment))
        server.roll()
    assert server.objects[service.key] is foreign
    assert [c["reason"] for c in server.status["conditions"] if c["type"] == "Accepted"] == ["NameConflict"]
