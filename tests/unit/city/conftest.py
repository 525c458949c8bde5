"""One small city and its demand, built once for all tests here."""

import pytest

from edgewright.emulation import city, scenario
from edgewright.emulation.city import City
from edgewright.emulation.demand.episode import Demand, prepare


@pytest.fixture(scope="session")
def metro() -> City:
    return city.build(scenario.load("metro"))


@pytest.fixture(scope="session")
def world() -> Demand:
    given = scenario.load("metro-small")
    few = given.model_copy(update={"demand": given.demand.model_copy(update={"templates": 10})})
    return prepare(city.build(few), seed=3)
