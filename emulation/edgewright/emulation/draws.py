"""Random numbers of a city, one stream per site: adding a site leaves the others as they are."""

import zlib

import numpy as np

from edgewright.emulation.scenario import Scenario


def of_site(scenario: Scenario, site: str) -> np.random.Generator:
    """A site's own random numbers."""
    return np.random.default_rng([scenario.seed, zlib.crc32(site.encode())])
