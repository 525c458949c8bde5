"""The section `demand` of a scenario: how much is asked where, how users move, what fails."""

from typing import Literal, Self

from pydantic import Field, model_validator

from edgewright.emulation.fields import Model, Name, Positive, Range, Share, add_up


class Mover(Model):
    """A way in which groups of users move."""

    name: Name
    share: Share
    """Share of the groups that move like this."""
    model: Literal["static", "waypoint", "gauss-markov", "trace"]
    metres_per_second: float = Field(default=0.0, ge=0, le=100)
    memory: Share = 0.9
    """`gauss-markov`: how much of a velocity is left after one period."""
    pause_seconds: float = Field(default=30.0, ge=0, le=3600)
    """`waypoint`: mean stay at each destination."""
    file: str | None = None
    """`trace`: CSV of the columns id, seconds and latitude, longitude (or x, y in metres)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.model == "trace") != (self.file is not None):
            raise ValueError(f"mobility {self.name}: `file` goes with `model: trace`, and only with it")
        if self.model in ("waypoint", "gauss-markov") and self.metres_per_second == 0:
            raise ValueError(f"mobility {self.name}: `metresPerSecond` must be above 0 for {self.model}")
        return self


class Bursts(Model):
    """Pareto on/off sessions of which every group of users has several ([MAPPO] 'Environment setup')."""

    sessions: int = Field(default=12, ge=1, le=100)
    on_seconds: float = Field(default=20.0, ge=1, le=86_400)
    off_seconds: float = Field(default=60.0, ge=1, le=86_400)
    shape: float = Field(default=1.4, gt=1, le=3)
    """Of the Pareto law; between 1 and 2 the load is self-similar (Hurst parameter 0.8 for 1.4)."""


class Venues(Model):
    """Hot spots of the city, where now and then an event is held."""

    count: int = Field(default=4, ge=0, le=100)
    share: Share = 0.25
    """Share of the groups of users that are at a hot spot of their region, if there is one."""
    metres: Positive = 200.0
    """Users this near take part in an event."""
    gain: float = Field(default=2.0, ge=1, le=20)
    """How much more they ask while it lasts."""
    per_hour: float = Field(default=0.5, ge=0, le=10)
    """Mean number of events at each venue."""
    minutes: float = Field(default=20.0, ge=1, le=1440)


class Failures(Model):
    """Nodes that fail during an episode."""

    share: Share
    """Of the edge nodes, drawn at random."""
    period: int = Field(default=120, ge=0)
    """In which they fail."""
    repair: int = Field(default=60, ge=1)
    """Periods until they are back."""


MOST_DAGS = 1_000
"""DAGs that a region may have at a time, on average."""
MOVERS = (
    Mover(name="static", share=0.5, model="static"),
    Mover(name="walking", share=0.35, model="waypoint", metres_per_second=1.4),
    Mover(name="driving", share=0.15, model="gauss-markov", metres_per_second=10.0),
)


class DemandSettings(Model):
    """Who asks for what, where and when."""

    workload: str = "metaverse"
    """Name of a bundled workload, or the path to a file (docs/how-to/bring-your-own-city.md)."""
    requests_per_second: Range = Range(low=150.0, high=400.0)
    """Of a region in its busiest hour: the region with the fewest users and that with the most."""
    requests_per_dag: Positive = 55.0
    """Mean of a DAG; a region has on average its requests divided by this many DAGs at a time."""
    life_minutes: float = Field(default=20.0, ge=1, le=100_000)
    """Mean life of a DAG, exponential."""
    cross_region: Share = 0.275
    """Share of the DAGs whose users are in another region; [MAPPO]: 20-35 %."""
    templates: int = Field(default=20, ge=1, le=1000)
    """DAGs per region in the pool that instances are drawn from."""
    mobility: tuple[Mover, ...] = Field(default=MOVERS, min_length=1)
    bursts: Bursts = Bursts()
    venues: Venues = Venues()
    failures: Failures | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        add_up("mobility", (mover.share for mover in self.mobility))
        at_a_time = self.requests_per_second.high / self.requests_per_dag
        if at_a_time > MOST_DAGS:
            raise ValueError(
                f"requestsPerSecond {self.requests_per_second.high:g} over requestsPerDag "
                f"{self.requests_per_dag:g} are {at_a_time:,.0f} DAGs at a time in a region: at most "
                f"{MOST_DAGS:,}"
            )
        return self
