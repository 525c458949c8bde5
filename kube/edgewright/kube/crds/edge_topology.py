"""The EdgeTopology kind: links between nodes and switches, and where the frame of positions lies."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from edgewright.kube.crds.wire import ATOMIC, Conditions, Wire, rule, rules

Vertex = Annotated[str, StringConstraints(min_length=1, max_length=127)]


class Origin(Wire):
    """The geographic position of x = 0, y = 0."""

    latitude: float = Field(ge=-90, le=90, description="Degrees north of the south-west corner.")
    longitude: float = Field(ge=-180, le=180, description="Degrees east of the south-west corner.")


class Link(Wire):
    """A bidirectional link."""

    source: Vertex = Field(
        description="One end: the name of a node, or of a switch that exists by name only."
    )
    target: Vertex = Field(description="The other end.")
    bandwidth_mbps: Annotated[float, Field(ge=0.001, le=100_000_000)] = Field(
        description="Bandwidth in each direction, in Mbit/s."
    )
    delay_ms: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=0, description="Propagation and switching delay, in milliseconds."
    )
    link_class: str = Field(
        default="",
        alias="class",
        max_length=32,
        description="Class of the link, for example fibre, microwave or backbone.",
    )
    success_probability: Annotated[float, Field(ge=0.01, le=1)] = Field(
        default=1, description="Probability that the link carries a transfer."
    )


class EdgeTopologySpec(Wire):
    """The links of one part of the network."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.links) || self.links.all(link, link.source != link.target)",
                "a link joins a vertex to itself; remove it",
                path=".links",
            )
        )
    )
    origin: Origin | None = Field(
        default=None,
        description="Geographic position of x = 0, y = 0, for users given by latitude and longitude.",
    )
    links: list[Link] = Field(
        default=[],
        max_length=1000,
        json_schema_extra=ATOMIC,
        description="Links; a node without one hangs on a virtual 10 Gbit/s backbone by its backhaul"
        " latency.",
    )


class EdgeTopologyStatus(Wire):
    """What was observed of the links."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that was read."
    )
    conditions: Conditions = Field(default=[])


class EdgeTopology(Wire):
    """Links between nodes; several EdgeTopologies are read together as one network."""

    spec: EdgeTopologySpec = Field(description="The links.")
    status: EdgeTopologyStatus | None = Field(default=None, description="What was observed of the links.")
