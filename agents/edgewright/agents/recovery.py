"""How long ServiceDAGs take to be whole again after a node was lost."""

from collections.abc import Callable, Iterable

from edgewright.agents.region import Region
from edgewright.agents.turns import Key
from edgewright.kube.names import LABEL_DAG


class Recoveries:
    """From the loss of a node until every replica that a ServiceDAG should have is bound to a living one.

    ServiceDAGs that keep their replicas on silent nodes (`onNodeLoss: keep`) do not recover, they wait.
    """

    def __init__(self, region: Region, recovered: Callable[[float], None]) -> None:
        self._region, self._recovered = region, recovered
        self._since: dict[Key, float] = {}

    def lost(self, nodes: Iterable[str], now: float) -> None:
        """Note a loss; a ServiceDAG not yet recovered from an earlier one goes on counting from there."""
        for node in nodes:
            for pod in self._region.pods_on(node):
                key = pod.metadata.namespace, pod.metadata.labels.get(LABEL_DAG, "")
                record = self._region.dags.get(key)
                if record is not None and record.dag is not None and record.dag.policy.on_node_loss != "keep":
                    self._since.setdefault(key, now)

    def look(self, key: Key, silent: frozenset[str], now: float) -> None:
        """See whether a ServiceDAG whose pods changed is whole again."""
        if key not in self._since:
            return
        record = self._region.dags.get(key)
        if record is None or record.dag is None:
            del self._since[key]
            return
        wanted = {m.name: m.min_replicas for m in record.dag.microservices} | record.desired
        alive = sum(1 for r in self._region.replicas(record, now) if r.node and r.node not in silent)
        if alive >= sum(wanted.values()) and not self._region.awaits_watch(record):
            self._recovered(now - self._since.pop(key))
