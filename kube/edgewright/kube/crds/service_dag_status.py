"""Status of a ServiceDAG: what was decided, where the replicas are, and what the model predicts."""

from typing import Annotated

from pydantic import Field, StringConstraints

from edgewright.kube.crds.wire import ATOMIC, Conditions, Name, Text, Time, Wire, keyed

NodeName = Annotated[str, StringConstraints(max_length=253)]
Word = Annotated[str, StringConstraints(max_length=63)]


class Desired(Wire):
    """The replica count of one microservice."""

    microservice: Name = Field(description="Name of the microservice.")
    replicas: int = Field(
        ge=0, le=20, description="Replicas that the operator asks for, between min and max."
    )


class PlacedReplica(Wire):
    """Where one replica is."""

    microservice: Name = Field(description="Name of the microservice.")
    replica: int = Field(
        ge=0, le=39, description="Number of the replica, counted from 0 in the order of binding."
    )
    node: NodeName = Field(description="Node that it is bound to, or would be in a dry run.")
    since: Time | None = Field(default=None, description="When it was bound.")


class Unplaced(Wire):
    """One constraint that keeps a microservice, or the whole DAG, from being placed."""

    constraint: Word = Field(
        description="The constraint that failed, for example cpu, tier, bandwidth or latency."
    )
    microservice: str = Field(
        default="", max_length=40, description="The microservice; empty: the whole DAG."
    )
    where: str = Field(
        default="",
        max_length=127,
        description="Class of nodes, link, invocation or other DAG where it failed.",
    )
    nodes: int | None = Field(default=None, ge=0, description="How many nodes refuse for this reason.")
    needed: float | None = Field(default=None, description="How much is needed.")
    available: float | None = Field(default=None, description="How much there is at best.")
    unit: str = Field(default="", max_length=16, description="Unit of needed and available.")
    message: str = Field(
        default="", max_length=512, description="What is missing and what to change, for people."
    )


class NodePair(Wire):
    """A part of an invocation's traffic."""

    source: NodeName = Field(description="Node of the calling replica; empty: the user's cell.")
    target: NodeName = Field(description="Node of the called replica; empty: the user's cell.")
    fraction: float = Field(ge=0, le=1, description="Part of the invocation's traffic.")


class Route(Wire):
    """Between which nodes an invocation's traffic flows."""

    source: str = Field(alias="from", max_length=40, description="The caller.")
    target: str = Field(alias="to", max_length=40, description="The called microservice.")
    pairs: list[NodePair] = Field(
        default=[],
        max_length=8,
        json_schema_extra=ATOMIC,
        description="The node pairs with the most traffic.",
    )


class Quality(Wire):
    """How users' requests fare."""

    latency_ms: float | None = Field(
        default=None, ge=0, description="Mean latency of a request, in milliseconds."
    )
    p95_ms: float | None = Field(
        default=None, alias="p95Ms", ge=0, description="Latency at qos.percentile, in milliseconds."
    )
    jitter_ms: float | None = Field(
        default=None, ge=0, description="Standard deviation of the latency, in milliseconds."
    )
    success_probability: float | None = Field(
        default=None, ge=0, le=1, description="Share of requests that are answered; predicted: in time."
    )
    violation_probability: float | None = Field(
        default=None, ge=0, le=1, description="Share of requests above the latency limit."
    )


class Predicted(Quality):
    """What the model expects of the present placement."""

    sync_skew_ms: float | None = Field(
        default=None,
        ge=0,
        description="Largest mean difference between a join's first and last input, in milliseconds.",
    )
    access_ms: float | None = Field(
        default=None, ge=0, description="Part of the mean spent between user and sources."
    )
    processing_ms: float | None = Field(
        default=None, ge=0, description="Part of the mean spent on the critical path."
    )
    synchronisation_ms: float | None = Field(
        default=None, description="Part of the mean spent waiting at joins."
    )


class Observed(Quality):
    """What was measured of users' requests in the last minutes; gone when nothing fresh is known."""

    requests_per_second: float | None = Field(default=None, ge=0, description="Rate of requests.")
    at: Time = Field(
        description="When this was measured; values that have moved by less than 5 % (shares: 0.05) "
        "since are not written again."
    )


class Plan(Wire):
    """The planner's plan that guides the placement."""

    source: Word = Field(description="Where the plan comes from; none while no planner answers.")
    trust: float | None = Field(
        default=None, ge=0, le=1, description="Weight that the agent gives to the plan."
    )


class Summary(Wire):
    """Short texts for the columns of kubectl get."""

    ready: str = Field(default="", max_length=64, description="Reason of the condition that matters most.")
    placed: str = Field(default="", max_length=16, description="Replicas placed of those desired, as n/m.")
    latency: str = Field(default="", max_length=32, description="Predicted latency against the limit.")
    nodes: str = Field(default="", max_length=127, description="Nodes that run replicas, shortened.")


class ServiceDagStatus(Wire):
    """What the operator and the region's agent observed and decided."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that the operator last acted on."
    )
    phase: str = Field(
        default="", max_length=32, description="Summary of the conditions in one word, for people."
    )
    conditions: Conditions = Field(default=[])
    summary: Summary | None = Field(default=None, description="Short texts for the columns of kubectl get.")
    desired: list[Desired] = Field(
        default=[],
        max_length=64,
        json_schema_extra=keyed("microservice"),
        description="Replica counts chosen by the operator.",
    )
    placements: list[PlacedReplica] = Field(
        default=[], max_length=512, json_schema_extra=ATOMIC, description="Where the replicas are."
    )
    unplaced: list[Unplaced] = Field(
        default=[], max_length=64, json_schema_extra=ATOMIC, description="Why replicas have no node."
    )
    routes: list[Route] = Field(
        default=[],
        max_length=256,
        json_schema_extra=ATOMIC,
        description="Between which nodes each invocation flows.",
    )
    predicted: Predicted | None = Field(
        default=None, description="What the model expects of the present placement."
    )
    observed: Observed | None = Field(
        default=None,
        description="What was measured of users' requests; absent while too little was observed lately.",
    )
    plan: Plan | None = Field(default=None, description="The planner's plan in use.")
    message: Text = Field(
        default="", description="What stands in the way, for people; empty when nothing does."
    )
