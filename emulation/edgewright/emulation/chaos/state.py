"""What is wrong with a cluster at this moment, as plain lists: what the probes judge and a run waits for."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edgewright.kube import conditions, names, paths
from edgewright.kube.api import Api
from edgewright.kube.conditions import ConditionType

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One look at everything that a steady state speaks of."""

    dags: list[dict[str, Any]]
    pods: list[dict[str, Any]]
    """Those of ServiceDAGs, without those on their way out or on a node that was made to fail."""
    nodes: set[str]
    leases: dict[str, Json | None]
    """Of the operator and of each region's agent, by `namespace/name`."""

    def dags_not_ready(self) -> list[str]:
        """ServiceDAGs that are not Ready, with the reason."""
        return [
            f"{_key(dag)} ({(_condition(dag, ConditionType.READY) or {}).get('reason', 'no status')})"
            for dag in self.dags
            if not _true(dag, ConditionType.READY)
        ]

    def replicas_missing(self) -> list[str]:
        """Microservices with fewer Ready replicas on living nodes than wanted, and pods without a node."""
        alive = Counter(_microservice(pod) for pod in self.pods if _ready(pod))
        missing = []
        for dag in self.dags:
            for wanted in dag.get("status", {}).get("desired", []):
                have = alive[(*_names(dag), wanted["microservice"])]
                if have < wanted["replicas"]:
                    missing.append(f"{_key(dag)} {wanted['microservice']} ({have} of {wanted['replicas']})")
        return missing + [_key(pod) for pod in self.pods if not pod["spec"].get("nodeName")]

    def replicas_misplaced(self) -> list[str]:
        """Pods bound to a node that does not exist, and microservices with too many bound replicas."""
        strange = [
            f"{_key(pod)} on {node}"
            for pod in self.pods
            if (node := pod["spec"].get("nodeName")) and node not in self.nodes
        ]
        bound = Counter(_microservice(pod) for pod in self.pods if pod["spec"].get("nodeName"))
        for dag in self.dags:
            for wanted in dag.get("status", {}).get("desired", []):
                have = bound[(*_names(dag), wanted["microservice"])]
                if have > wanted["replicas"]:
                    strange.append(
                        f"{_key(dag)} {wanted['microservice']} ({have} bound for {wanted['replicas']})"
                    )
        return strange

    def limits_broken(self) -> list[str]:
        """ServiceDAGs whose required limits are broken, with the reason."""
        return [
            f"{_key(dag)} ({found.get('message') or found.get('reason')})"
            for dag in self.dags
            if (found := limit_broken(dag))
        ]

    @property
    def renewals(self) -> dict[str, str]:
        """When each Lease was last renewed, as its holder wrote it."""
        return {
            key: str((lease or {"spec": {}})["spec"].get("renewTime")) for key, lease in self.leases.items()
        }

    def leases_not_held(self) -> list[str]:
        """Leases of the operator and the agents that nobody renews."""
        now = datetime.now(UTC)
        return [key for key, lease in self.leases.items() if lease is None or not _renewed(lease, now)]

    def wrong(self, *, limits: bool = True) -> list[str]:
        """All of it; without `limits`, what a broken limit alone brings about is left out."""
        waived = [] if limits else [_key(dag) for dag in self.dags if limit_broken(dag)]
        not_ready = [said for said in self.dags_not_ready() if said.split()[0] not in waived]
        parts = {
            "not Ready": not_ready,
            "missing": self.replicas_missing(),
            "misplaced": self.replicas_misplaced(),
            "limit broken": self.limits_broken() if limits else [],
            "Lease not held": self.leases_not_held(),
        }
        return [f"{what}: {', '.join(found)}" for what, found in parts.items() if found]


async def look(api: Api, down: Collection[str] = ()) -> Found:
    """Read the cluster now; nobody has to have noticed yet that the nodes `down` are dead."""
    dags = await api.items(paths.service_dags())
    pods = await api.items(paths.pods(), labelSelector=names.LABEL_DAG)
    nodes = await api.items(paths.nodes())
    controllers = await api.items(paths.edge_controllers())
    wanted = [(names.OPERATOR_NAMESPACE, names.LEASE_OPERATOR)]
    wanted += [(c["metadata"]["namespace"], names.LEASE_AGENT) for c in controllers]
    leases: dict[str, Json | None] = {f"{namespace}/{name}": None for namespace, name in wanted}
    for lease in await _leases(api):
        leases[_key(lease)] = lease
    return Found(
        dags=dags,
        pods=[pod for pod in pods if _live(pod) and pod["spec"].get("nodeName") not in down],
        nodes={node["metadata"]["name"] for node in nodes},
        leases={f"{namespace}/{name}": leases[f"{namespace}/{name}"] for namespace, name in wanted},
    )


async def _leases(api: Api) -> list[dict[str, Any]]:
    found = []
    for name in {names.LEASE_OPERATOR, names.LEASE_AGENT}:
        found += await api.items(paths.leases(), fieldSelector=f"metadata.name={name}")
    return found


def limit_broken(dag: Json) -> Json | None:
    """The condition QoSMet of a ServiceDAG whose required limits do not hold; None if they do."""
    found = _condition(dag, ConditionType.QOS_MET)
    required = dag["spec"].get("qos", {}).get("required", False)
    return found if required and found is not None and found["status"] == "False" else None


def _live(pod: Json) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") not in {
        "Succeeded",
        "Failed",
    }


def _ready(pod: Json) -> bool:
    told = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in told)


def _renewed(lease: Json, now: datetime) -> bool:
    """Whether somebody holds it. This machine's clock is not the holder's: twice the time is allowed."""
    spec = lease["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    age = (now - datetime.fromisoformat(spec["renewTime"])).total_seconds()
    return age < 2 * float(spec.get("leaseDurationSeconds") or 15)


def _names(dag: Json) -> tuple[str, str]:
    return dag["metadata"]["namespace"], dag["metadata"]["name"]


def _key(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _microservice(pod: Json) -> tuple[str, str, str]:
    labels = pod["metadata"]["labels"]
    return (
        pod["metadata"]["namespace"],
        labels.get(names.LABEL_DAG, ""),
        labels.get(names.LABEL_MICROSERVICE, ""),
    )


def _condition(dag: Json, kind: ConditionType) -> Json | None:
    return conditions.find(dag.get("status", {}).get("conditions", []), kind)


def _true(dag: Json, kind: ConditionType) -> bool:
    """Whether a condition is True and speaks of the present spec."""
    found = _condition(dag, kind)
    current = dag["metadata"].get("generation", 0)
    return (
        found is not None
        and found["status"] == "True"
        and found.get("observedGeneration", current) >= current
    )
