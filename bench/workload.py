"""ServiceDAG objects for the benchmarks: seeded, equal for every system that is compared."""

from typing import Any

import numpy as np

from edgewright.core.service import CPU
from edgewright.emulation.city import City
from edgewright.kube import names

MICROSERVICES = 10
REPLICAS = 2
PODS_PER_DAG = MICROSERVICES * REPLICAS
BUSY_MILLI_CPU = 250


def service_dags(
    city: City, count: int, *, milli_cpu: int, seed: int, prefix: str = "bench"
) -> list[dict[str, Any]]:
    """`count` layered DAGs of 10 microservices x 2 fixed replicas, dealt out to regions by their CPU.

    The users of each are at a random edge site of its region. Every replica asks for `milli_cpu` on a node
    of tier edge; its work would keep 250 milli-cores 40 % busy. The latency limit is required, and generous
    enough that placement is about capacity and distance.
    """
    rng = np.random.default_rng(seed)
    edge = {node.name: node for node in city.nodes if node.tier == "edge"}
    sites = {region.name: [name for name in region.nodes if name in edge] for region in city.regions}
    cpu = {region: sum(edge[name].capacity[CPU] for name in found) for region, found in sites.items()}
    dealt = dict.fromkeys(cpu, 0)
    dags = []
    for i in range(count):
        region = min(cpu, key=lambda name: (dealt[name] + 1) / cpu[name])
        dealt[region] += 1
        site = sites[region][int(rng.integers(len(sites[region])))]
        dag = _dag(f"{prefix}-{i:03d}", rng, milli_cpu, edge[site].location or (0.0, 0.0))
        dag["metadata"]["namespace"] = region
        dags.append(dag)
    return dags


def _dag(name: str, rng: np.random.Generator, milli_cpu: int, users: tuple[float, float]) -> dict[str, Any]:
    rate = float(rng.integers(10, 31))
    # 10 M instructions per second and milli-core.
    work = round(0.4 * BUSY_MILLI_CPU * 10 * REPLICAS / rate, 1)
    stages = [f"s{i}" for i in range(MICROSERVICES)]
    edges: dict[tuple[str, str], None] = {}
    for i in range(1, MICROSERVICES):
        edges[stages[int(rng.integers(max(0, i - 3), i))], stages[i]] = None
        if i > 2 and rng.random() < 0.3:
            edges[stages[int(rng.integers(0, i))], stages[i]] = None
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ServiceDAG",
        "metadata": {"name": name},
        "spec": {
            "serviceClass": "twin",
            "ingress": {"location": {"x": round(users[0]), "y": round(users[1])}},
            "qos": {"maxLatencyMs": 500, "percentile": 95, "required": True},
            "demand": {"requestsPerSecond": rate, "payloadKB": 100, "responseKB": 20},
            "microservices": [
                {
                    "name": stage,
                    "image": "ghcr.io/example/bench:1.0",
                    "resources": {"cpu": f"{milli_cpu}m", "memory": "128Mi"},
                    "workMInstructions": work,
                    "replicas": {"min": REPLICAS, "max": REPLICAS},
                    "placement": {"tiers": ["edge"]},
                }
                for stage in stages
            ],
            "invocations": [{"from": a, "to": b, "payloadKB": int(rng.integers(5, 21))} for a, b in edges],
            "placementPolicy": {"onNodeLoss": "fast"},
        },
    }


def milli_cpu_for(city: City, pods: int, share: float) -> int:
    """Request (milli-cores) with which `pods` pods ask for `share` of the CPU of all edge nodes."""
    total = sum(node.capacity[CPU] for node in city.nodes if node.tier == "edge")
    return int(1000 * share * total / pods)
