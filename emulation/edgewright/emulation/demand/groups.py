"""Where groups of users are: at real positions, at hot spots, and in which region their cell is."""

from dataclasses import dataclass

import numpy as np

from edgewright.core.substrate import FloatArray, IntArray
from edgewright.emulation.city import City
from edgewright.emulation.demand.coverage import Coverage
from edgewright.emulation.fields import ScenarioError


@dataclass(frozen=True, eq=False)
class Groups:
    """Places where a group of users may be, U of them, and the city's hot spots, V of them.

    First the `usual` places, then those at masts that serve a usual one.
    """

    position: FloatArray
    """(U, 2) metres."""
    cell: IntArray
    """(U,) node of the cell that serves there."""
    region: IntArray
    """(U,) index into `city.regions` of that cell."""
    rate: FloatArray
    """(U,) bit/s of a user there, alone in the cell."""
    venue: FloatArray
    """(V, 2) metres."""
    usual: int
    requests: FloatArray
    """(regions,) requests per second of each region in its busiest hour."""

    def at_mast(self, region: int, random: np.random.Generator) -> int:
        """A place at a mast of `region`; any place there if it has none."""
        here = np.flatnonzero(self.region == region)
        masts = here[here >= self.usual]
        return int(random.choice(masts if len(masts) else here))

    def draw(self, region: int, random: np.random.Generator, *, venue_share: float, reach: float) -> int:
        """A usual place in `region`; at a chance of `venue_share` within `reach` of a hot spot."""
        here = np.flatnonzero(self.region[: self.usual] == region)
        if len(self.venue) and random.random() < venue_share:
            away = np.hypot(*(self.position[here, None, :] - self.venue[None, :, :]).transpose(2, 0, 1))
            near = here[away.min(axis=1) <= reach]
            here = near if len(near) else here
        return int(here[random.integers(len(here))])


def survey(city: City, coverage: Coverage) -> Groups:
    """The city's users as usual places, a place at each mast that serves none of them, and at the others.

    Hot spots are where most users are nearby, apart from each other. A region asks between the two ends of
    `requestsPerSecond`, in proportion to its users. Raises ScenarioError for a region where nobody can be.
    """
    settings = city.scenario.demand
    users = np.array(city.users, float).reshape(-1, 2)
    serving = coverage.cell[coverage.point(users), 0]
    masts = np.array([i for i, node in enumerate(city.nodes) if node.radio], np.int32)
    unused = np.setdiff1d(masts, serving)
    used = np.setdiff1d(masts, unused)
    sites = [city.nodes[i].location for i in (*unused, *used)]
    position = np.vstack([users, np.array(sites, float).reshape(-1, 2)])
    point = coverage.point(position)
    cell = coverage.cell[point, 0]
    number = {region.name: row for row, region in enumerate(city.regions)}
    region = np.array([number[city.nodes[i].region] for i in cell], np.int32)
    for row in np.setdiff1d(np.arange(len(city.regions)), region)[:1]:
        raise ScenarioError(
            f"no user can be in region {city.regions[row].name} of city {city.scenario.name}: none of its "
            "cells serves anywhere; ask for fewer regions, or give its sites a radio band"
        )
    users_in = np.bincount(region[: len(users)], minlength=len(city.regions)).astype(float)
    spread = np.ptp(users_in)
    share = (users_in - users_in.min()) / spread if spread else np.full(len(users_in), 0.5)
    asked = settings.requests_per_second
    return Groups(
        position,
        cell,
        region,
        coverage.rate[point, 0],
        _venues(users, settings.venues.count, settings.venues.metres),
        len(users) + len(unused),
        asked.low + share * (asked.high - asked.low),
    )


def _venues(users: FloatArray, count: int, metres: float) -> FloatArray:
    """(V, 2) positions with most users within `metres`, one after the other, 3 times as far apart."""
    found: list[FloatArray] = []
    near = np.array([(np.hypot(*(users - user).T) <= metres).sum() for user in users], float)
    while len(found) < count and len(users) and near.max() > 0:
        best = users[int(near.argmax())]
        found.append(best)
        near[np.hypot(*(users - best).T) < 3 * metres] = 0.0
    return np.array(found).reshape(-1, 2)
