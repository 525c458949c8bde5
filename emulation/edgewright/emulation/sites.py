"""Which sites a city has and where its users are: real, sampled, clustered, from a file; stretched."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.vq import kmeans2

from edgewright.core.radio import LINE_OF_SIGHT
from edgewright.emulation import eua, towers
from edgewright.emulation.eua import Site
from edgewright.emulation.fields import ScenarioError
from edgewright.emulation.geography import FloatArray, Frame
from edgewright.emulation.scenario import Scenario, Sites

CLUSTERED = 20_000
"""Positions of a file that are clustered at most; of more, so many are drawn."""


class Ground(NamedTuple):
    """What a city stands on."""

    frame: Frame
    sites: tuple[Site, ...]
    users: tuple[tuple[float, float], ...]
    """Metres east and north in the frame."""


def ground(scenario: Scenario) -> Ground:
    """Sites and users of a scenario, stretched, in one frame; ScenarioError where its data do not suffice."""
    real = _real(scenario.sites, scenario.seed)
    sites = _choose(scenario.sites, real, scenario.seed)
    users = np.array(eua.users()) if scenario.sites.file is None else _users(real, scenario)
    extent = np.array([*_degrees(real), *_degrees(sites), *users])
    if scenario.stretch != 1:
        corner = extent.min(axis=0)
        extent = corner + scenario.stretch * (extent - corner)
        moved = extent[len(real) : len(real) + len(sites)]
        sites = tuple(
            Site(site.id, site.title, *_pair(degrees)) for site, degrees in zip(sites, moved, strict=True)
        )
    frame = Frame.around(_pair(point) for point in extent)
    people = np.array([frame.metres(*_pair(user)) for user in extent[-len(users) :]])
    if scenario.sites.choose == "central":
        people = _near(people, np.array([frame.metres(site.latitude, site.longitude) for site in sites]))
    return Ground(frame, sites, tuple(_pair(point) for point in people))


def _near(users: FloatArray, sites: FloatArray) -> FloatArray:
    """Those of `users` (n, 2) who are no farther from a site than sites are from each other: the others are
    not this city's."""
    apart = np.hypot(*(sites[:, None] - sites[None, :]).transpose(2, 0, 1))
    np.fill_diagonal(apart, 0.0 if len(sites) == 1 else np.inf)
    away = np.hypot(*(users[:, None] - sites[None, :]).transpose(2, 0, 1)).min(axis=1)
    near: FloatArray = users[away <= max(apart.min(axis=1).max(), LINE_OF_SIGHT)]
    return near


def _real(wanted: Sites, seed: int) -> tuple[Site, ...]:
    if wanted.file is None:
        return eua.sites()
    columns = wanted.columns
    found = towers.positions(
        wanted.file, latitude=columns.latitude, longitude=columns.longitude, bounds=wanted.bounds
    )
    if wanted.choose == "clustered" and len(found) > CLUSTERED:
        drawn = np.random.default_rng([seed, 1]).choice(len(found), CLUSTERED, replace=False)
        found = found[np.sort(drawn)]
    return tuple(Site(f"t{row + 1:05d}", f"site {row + 1}", *_pair(point)) for row, point in enumerate(found))


def _choose(wanted: Sites, real: tuple[Site, ...], seed: int) -> tuple[Site, ...]:
    if wanted.choose == "around":
        return _around(wanted, real, wanted.count, seed)
    if wanted.choose == "extended" and wanted.count > len(real):
        return (*real, *_around(wanted, real, wanted.count - len(real), seed))
    if wanted.count > len(real) or (wanted.choose in ("all", "extended") and wanted.count < len(real)):
        raise ScenarioError(
            f"sites.count: {wanted.file or 'the data'} has {len(real)} sites, {wanted.count} were asked for "
            f"with `choose: {wanted.choose}`; `clustered` or `central` makes fewer of them, `extended` more"
        )
    if wanted.choose == "clustered":
        return _clustered(real, wanted.count, seed)
    metres = _metres(real)
    order = np.argsort(((metres - metres.mean(axis=0)) ** 2).sum(axis=1), kind="stable")
    return tuple(real[i] for i in sorted(order[: wanted.count]))


def _around(wanted: Sites, real: tuple[Site, ...], count: int, seed: int) -> tuple[Site, ...]:
    """`count` synthetic sites: each a random real one, moved by a normal distance east and north."""
    rng = np.random.default_rng([seed, count])
    frame = Frame.around(_degrees(real))
    made = []
    for number in range(count):
        near = real[int(rng.integers(len(real)))]
        x, y = frame.metres(near.latitude, near.longitude)
        latitude, longitude = frame.degrees(*(np.array((x, y)) + rng.normal(0, wanted.scatter_metres, 2)))
        made.append(Site(f"s{number:04d}", f"near {near.title}", round(latitude, 6), round(longitude, 6)))
    return tuple(made)


def _clustered(real: tuple[Site, ...], count: int, seed: int) -> tuple[Site, ...]:
    """Centres of `count` clusters of the sites, by seeded k-means."""
    rng = np.random.default_rng([seed, count])
    points = _metres(real)
    if len(points) == count:
        return real
    centres, label = kmeans2(points, count, minit="++", seed=rng)
    frame = Frame.around(_degrees(real))
    size = np.bincount(label, minlength=count)
    if (size == 0).any():
        raise ScenarioError(
            f"sites.count: {len(real)} sites form {(size > 0).sum()} clusters, not {count}: ask for fewer"
        )
    return tuple(
        Site(
            f"c{number:04d}",
            f"centre of {size[row]} sites",
            *_pair(np.round(frame.degrees(*centres[row]), 6)),
        )
        for number, row in enumerate(np.lexsort(centres.T))
    )


def _users(real: tuple[Site, ...], scenario: Scenario) -> FloatArray:
    """As many users as the EUA dataset has, scattered by the density of the file's sites, in degrees."""
    rng = np.random.default_rng([scenario.seed, 816])
    frame = Frame.around(_degrees(real))
    near = _metres(real)[rng.integers(len(real), size=len(eua.users()))]
    points = near + rng.normal(0, scenario.sites.scatter_metres, near.shape)
    return np.array([frame.degrees(*point) for point in points])


def _degrees(sites: tuple[Site, ...]) -> list[tuple[float, float]]:
    return [(site.latitude, site.longitude) for site in sites]


def _metres(sites: tuple[Site, ...]) -> FloatArray:
    frame = Frame.around(_degrees(sites))
    return np.array([frame.metres(*pair) for pair in _degrees(sites)])


def _pair(point: FloatArray) -> tuple[float, float]:
    return float(point[0]), float(point[1])
