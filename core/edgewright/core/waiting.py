"""How much longer a job takes at a shared station: the stretch Q, and the part of it due to its own kind."""

import math

from edgewright.core.kernel import inlined

RHO_CAP = 0.95
"""Utilisation beyond which a stretch no longer grows: overload shows as backlog, not as infinity."""
OVERLOAD = RHO_CAP * (1.0 - 1e-9)
"""Utilisation that counts as capped."""


@inlined
def stretch(rho: float, k: float) -> float:
    """Q(rho, k): mean wait over ideal time of a job that may use 1/k of a processor-sharing station.

    rho^(sqrt(2 (k + 1)) - 1) / (k (1 - rho)), exact for k = 1; for k servers Sakasegawa's approximation.
    """
    if rho <= 0.0:
        return 0.0
    rho = min(rho, RHO_CAP)
    if k <= 1.0:
        return rho / (1.0 - rho)
    value: float = rho ** stretch_power(k) * stretch_scale(k) / (1.0 - rho)
    return value


@inlined
def stretch_power(k: float) -> float:
    """The exponent of `stretch`, at most that of a billion servers: there the factor 1/k is 0 already."""
    return math.sqrt(2.0 * (min(max(k, 1.0), 1e9) + 1.0)) - 1.0


@inlined
def stretch_scale(k: float) -> float:
    """The factor 1/k of `stretch`."""
    return 1.0 / max(k, 1.0)


@inlined
def own_share(own: float, inverse: float) -> float:
    """Share of a utilisation, given its `inverse_of`, that is `own`."""
    return min(own * inverse, 1.0)


@inlined
def inverse_of(rho: float) -> float:
    """1 / rho; 0 when idle, and in overload: or more demand of one's own would lower the stretch."""
    return 1.0 / rho if 0.0 < rho < OVERLOAD else 0.0
