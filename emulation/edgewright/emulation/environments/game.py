"""One city's agents, templates and episodes: what every environment of it is made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from edgewright.core.substrate import FloatArray, IntArray, Substrate
from edgewright.emulation import scenario
from edgewright.emulation.city import City, build
from edgewright.emulation.demand import episode as demand
from edgewright.emulation.fluid.simulator import Fluid

PERIODS = 360
"""Steps of an episode: an hour."""


@dataclass(frozen=True, eq=False)
class Game:
    """A substrate, its agents with their nodes, and where episodes come from."""

    substrate: Substrate
    agents: tuple[str, ...]
    members: tuple[IntArray, ...]
    """Node indices of each agent."""
    region: IntArray
    """(Q,) agent of each template."""
    draw: Callable[[int, int], demand.Episode]
    """The episode of a seed, so many periods long; all have the same templates."""
    example: demand.Episode
    """Any episode: it tells the templates."""

    def simulator(
        self,
        *,
        scenarios: int = 16,
        noise: float = 0.05,
        weights: FloatArray | None = None,
        printed: bool = False,
    ) -> Fluid:
        """A simulator of this city; options as in `Fluid`."""
        return Fluid(
            self.substrate,
            self.members,
            self.example.dags,
            self.region,
            count=scenarios,
            noise=noise,
            weights=weights,
            printed=printed,
        )


@lru_cache(maxsize=4)
def game(name: str = "metro", *, seed: int = 0) -> Game:
    """The game of a scenario by name or file; kept, as surveying a city takes a minute.

    Raises ScenarioError for a scenario that is missing or wrong.
    """
    return game_of(build(scenario.load(name)), seed=seed)


def game_of(city: City, *, seed: int = 0) -> Game:
    """The game of a city with demand, its templates drawn from `seed`."""
    world = demand.prepare(city, seed=seed)

    def draw(seed: int, periods: int) -> demand.Episode:
        return demand.episode(world, seed=seed, periods=periods)

    names = tuple(region.name for region in city.regions)
    return Game(city.substrate, names, city.members, world.pool.region, draw, draw(0, 1))


class VectorCity:
    """The native API: B cities in lockstep, all agents' choices in one array.

    `reset` draws an episode per city; `simulator` has the rest: `step`, `save`, `restore`, `open_nodes`.
    """

    def __init__(self, of: Game, cities: int, *, periods: int = PERIODS, **options: float) -> None:
        if cities < 1 or periods < 1:
            raise ValueError(f"{cities} cities of {periods} periods: give at least one of each")
        self.game, self.cities, self.periods = of, cities, periods
        self.simulator = of.simulator(**options)  # type: ignore[arg-type]

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin anew, one seed per city. Raises ValueError for another number of seeds."""
        if len(seeds) != self.cities:
            raise ValueError(f"{len(seeds)} seeds for {self.cities} cities: give one each")
        self.simulator.reset([self.game.draw(seed, self.periods) for seed in seeds], list(seeds))
