"""Utility of a region at one moment: the global reward of [MAPPO] Eqs. 11-18, made well-posed."""

from dataclasses import dataclass

import numpy as np

from edgewright.core.load import world_load
from edgewright.core.outcome import MEAN, SUCCESS
from edgewright.core.problem import World
from edgewright.core.rewards import LARGEST_DEVIATION, LARGEST_VARIANCE, WEIGHTS, WORST, usage
from edgewright.core.scenarios import STATUS, scenarios
from edgewright.core.substrate import FloatArray


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
    moments = _moments(world)
    return Utility(
        latency=float(share @ np.array(cost)) / WORST,
        resources=float(moments[0, -1]),
        imbalance=_clip(float(moments[1, -1]) / LARGEST_VARIANCE),
        fairness=_clip(float(np.std(moments[0, :-1])) / LARGEST_DEVIATION),
        success=float(share @ np.array(success)) if total > 0 else 1.0,
        weights=weights,
    )


def _moments(world: World) -> FloatArray:
    """(5, regions + 1) `rewards.moments` of the world; regions in the order of their first node."""
    nodes = world.substrate.nodes
    number: dict[str, int] = {}
    region = np.array([number.setdefault(node.region, len(number)) for node in nodes], np.int32)
    out = np.zeros((5, len(number) + 1))
    count = np.append(np.bincount(region), len(nodes)).astype(float)
    usage(
        np.ascontiguousarray(world.substrate.capacity, float),
        np.ascontiguousarray(world.used, float),
        region,
        count,
        out,
    )
    return out


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
