"""Utility of a region at one moment: the global reward of [MAPPO] Eqs. 11-18, made well-posed."""

from dataclasses import dataclass

import numpy as np

from edgewright.core.evaluate import WORST
from edgewright.core.load import world_load
from edgewright.core.outcome import MEAN, SUCCESS
from edgewright.core.problem import World
from edgewright.core.scenarios import STATUS, scenarios
from edgewright.core.substrate import FloatArray

WEIGHTS = (0.4, 0.2, 0.2, 0.2)
"""alpha_1..4 of Eq. 11: latency, resources, load imbalance, spread between regions."""
LARGEST_VARIANCE = 0.25
"""Of shares in [0, 1]: half of the nodes full, half empty."""


@dataclass(frozen=True, slots=True)
class Utility:
    """U = 1 - sum of weight x term, each term in [0, 1]; 1 is best."""

    latency: float
    """Eq. 15 per DAG over its own limit, weighted by request rate; 10 limits and unplaced DAGs count 1."""
    resources: float
    """Eq. 16 over R_max = nodes x resources."""
    imbalance: float
    """Eq. 17 over its largest value."""
    fairness: float
    """Standard deviation of utilisation between regions, over its largest value 0.5."""
    success: float
    """Eq. 18, weighted by request rate; unplaced DAGs count 0."""
    weights: tuple[float, float, float, float] = WEIGHTS

    @property
    def reward(self) -> float:
        """Global reward r^g of Eq. 11, in [-1, 0] for weights that add up to 1."""
        terms = (self.latency, self.resources, self.imbalance, self.fairness)
        return -sum(weight * term for weight, term in zip(self.weights, terms, strict=True))

    @property
    def value(self) -> float:
        """U = 1 + r^g."""
        return 1.0 + self.reward


def utility(
    world: World,
    *,
    unplaced: float = 0.0,
    weights: tuple[float, float, float, float] = WEIGHTS,
    count: int = STATUS,
) -> Utility:
    """Utility of everything placed in `world`; `unplaced` requests per second are of DAGs without placement.

    Every term is divided by its maximum and clipped to [0, 1]. Unplaced demand counts as 10 limits of latency
    and no success, or leaving a hard DAG pending would pay.
    """
    load = world_load(world)
    cost, success, rates = [WORST], [0.0], [unplaced]
    for use in load.uses:
        table = scenarios(count, len(use.arrays.source))
        prediction = use.predict(load.infra, table, load.rho)
        cost.append(min(float(prediction[MEAN]) / use.arrays.limit, WORST))
        success.append(float(prediction[SUCCESS]))
        rates.append(use.arrays.rate)
    total = sum(rates)
    share = np.array(rates) / total if total > 0 else np.zeros(len(rates))
    usage = resource_usage(world)
    return Utility(
        latency=float(share @ np.array(cost)) / WORST,
        resources=float(usage.mean()) if usage.size else 0.0,
        imbalance=_clip(float(usage.var(axis=0).mean()) / LARGEST_VARIANCE) if usage.size else 0.0,
        fairness=_clip(_between_regions(world, usage) / 0.5),
        success=float(share @ np.array(success)) if total > 0 else 1.0,
        weights=weights,
    )


def resource_usage(world: World) -> FloatArray:
    """(N, R') reserved shares u_n^r in [0, 1] of the resources that some node offers (Eq. 17's u)."""
    capacity = world.substrate.capacity
    offered = capacity.max(axis=0, initial=0.0) > 0
    used, capacity = world.used[:, offered], capacity[:, offered]
    share = np.divide(used, capacity, out=np.zeros_like(used, float), where=capacity > 0)
    return np.asarray(np.clip(share, 0.0, 1.0), float)


def _between_regions(world: World, usage: FloatArray) -> float:
    regions: dict[str, list[int]] = {}
    for n, node in enumerate(world.substrate.nodes):
        regions.setdefault(node.region, []).append(n)
    if len(regions) < 2:
        return 0.0
    return float(np.std([usage[rows].mean() for rows in regions.values()]))


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
