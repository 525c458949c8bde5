"""What the agent would do if nodes were lost now: its own decisions on a picture, and nothing is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from edgewright.agents.choice import Choice
from edgewright.agents.groups import Plan
from edgewright.agents.node_loss import SUSPEND_SHARE
from edgewright.agents.pace import Pace
from edgewright.agents.placing import Placer
from edgewright.agents.questions import question
from edgewright.agents.records import DagRecord, Key
from edgewright.agents.region import Region
from edgewright.agents.thinking import Thinking
from edgewright.agents.turns import Turns
from edgewright.core.problem import Prediction, Violation
from edgewright.kube.api import Api
from edgewright.kube.names import LABEL_DAG, LABEL_MICROSERVICE
from edgewright.kube.objects import Metadata, Pod, PodStatus

NOTICEABLE = 0.01
"""Change of a latency, as a share, from which on a DAG counts as touched that lost no replica."""
AGAIN = "-again"
"""Ends name and uid of a pod that stands for the replacement of another."""


@dataclass(frozen=True)
class Lost:
    """A replica on a lost node."""

    pod: str
    microservice: str
    node: str
    replacement: str | None
    """Node of its replacement; None if it gets none, because there is no place or `onNodeLoss` is keep."""


@dataclass(frozen=True)
class Touched:
    """A DAG before and after."""

    key: Key
    on_node_loss: Literal["fast", "safe", "keep"]
    lost: tuple[Lost, ...]
    before: Prediction | None
    after: Prediction | None
    """None also while a microservice is without any replica."""
    limit: float | None
    """Seconds at `percentile`."""
    percentile: float
    unplaced: tuple[Violation, ...]
    """Why replacements have no place."""

    @property
    def homeless(self) -> int:
        """Lost replicas that get no replacement."""
        return sum(replica.replacement is None for replica in self.lost)


@dataclass(frozen=True)
class Loss:
    """What losing `nodes` does to one region."""

    region: Key
    governed: int
    nodes: tuple[str, ...]
    others: tuple[str, ...]
    """`namespace/name` of lost pods that belong to no DAG."""
    dags: tuple[Touched, ...]

    @property
    def suspended(self) -> bool:
        """Whether so much is silent at once that the agent would evict nobody by itself."""
        return len(self.nodes) >= SUSPEND_SHARE * self.governed


class Rehearsal(Placer):
    """A Placer whose bindings all succeed, because none is made; its clock stands still at `now`."""

    def __init__(self, api: Api, region: Region, thinking: Thinking, now: float) -> None:
        super().__init__(
            api,
            region,
            Turns(),
            thinking,
            lambda: now,
            lambda key: None,
            pace=Pace(),
            failed=lambda message: None,
            leading=lambda: False,
        )

    def _start(self, record: DagRecord, choice: Choice, plan: Plan) -> None:
        self.standing(record.key).decided(choice.decision, self._clock())
        for replica, node, _ in choice.moves:
            self._region.reserve(replica.uid, node)

    async def _take_back(self, record: DagRecord) -> None:
        """Nothing was bound."""

    async def mend(self, keys: Collection[Key], now: float) -> None:
        """Decide for these DAGs in the order of their turns; what finds no place leaves the line."""
        for key in keys:
            self.look(key)
        while (turn := self._turns.next(now)) is not None:
            await self.decide(turn)


async def lose(api: Api, region: Region, nodes: Collection[str], thinking: Thinking, now: float) -> Loss:
    """Take `nodes` from the region and let it decide; changes the picture, which is of no use afterwards.

    All DAGs are mended as if their pods had been given up, which takes seconds (`fast`) or until Kubernetes
    evicts (`safe`); those that say `keep` are left as they are.
    """
    gone = frozenset(nodes) & region.terrain.governed
    before = await thinking.run(_predictions, region, now)
    placer = Rehearsal(api, region, thinking, now)
    victims: dict[Key, list[Pod]] = {}
    others = []
    lost_pods = [pod for node in sorted(gone) for pod in region.pods_on(node)]
    region.close_nodes(region.closed | gone, gone)
    for pod in lost_pods:
        key = (pod.metadata.namespace, pod.metadata.labels.get(LABEL_DAG, ""))
        record = region.dags.get(key)
        if record is None or record.dag is None:
            others.append("/".join(pod.metadata.key))
        elif pod.metadata.deletion_timestamp is None:
            victims.setdefault(key, []).append(pod)
            if record.dag.policy.on_node_loss != "keep":
                region.pod_changed(pod, None, now)
                region.pod_changed(None, _replacement(pod), now)
    await placer.mend(victims, now)
    after = await thinking.run(_predictions, region, now)
    dags = [
        _touched(region, placer, key, victims.get(key, []), before.get(key), after.get(key))
        for key in sorted(region.dags)
        if key in victims or _moved(before.get(key), after.get(key))
    ]
    return Loss(region.key, len(region.terrain.governed), tuple(sorted(gone)), tuple(others), tuple(dags))


def _replacement(pod: Pod) -> Pod:
    """The pod that the ReplicaSet makes when `pod` is deleted."""
    old = pod.metadata
    metadata = Metadata(
        name=old.name + AGAIN,
        namespace=old.namespace,
        uid=old.uid + AGAIN,
        labels=old.labels,
        owner_references=old.owner_references,
        creation_timestamp=old.creation_timestamp,
    )
    spec = msgspec.structs.replace(pod.spec, node_name="")
    return msgspec.structs.replace(pod, metadata=metadata, spec=spec, status=PodStatus())


def _predictions(region: Region, now: float) -> dict[Key, Prediction]:
    """What the model expects of every DAG that is placed; on the thinking thread."""
    from edgewright.agents import report  # noqa: PLC0415 - compiled code loads slowly

    found = {}
    for key, record in region.dags.items():
        built = question(region, record, (), now)
        if built is None or record.dag is None:
            continue
        evaluator = report.evaluator_of(built[0], len(record.dag.microservices))
        if evaluator is not None:
            found[key] = evaluator.evaluate(built[0].fixed).one()
    return found


def _moved(before: Prediction | None, after: Prediction | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after.percentile - before.percentile) > NOTICEABLE * before.percentile


def _touched(
    region: Region,
    placer: Placer,
    key: Key,
    pods: Sequence[Pod],
    before: Prediction | None,
    after: Prediction | None,
) -> Touched:
    dag, standing = region.dags[key].dag, placer.standing(key)
    assert dag is not None
    lost = tuple(
        Lost(
            pod=pod.metadata.name,
            microservice=pod.metadata.labels.get(LABEL_MICROSERVICE, ""),
            node=pod.spec.node_name,
            replacement=region.ledger.where(pod.metadata.uid + AGAIN) or None,
        )
        for pod in pods
    )
    return Touched(
        key=key,
        on_node_loss=dag.policy.on_node_loss,
        lost=lost,
        before=before,
        after=after,
        limit=dag.qos.max_latency,
        percentile=dag.qos.percentile,
        unplaced=standing.violations if standing.unplaced else (),
    )
