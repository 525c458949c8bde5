"""The ServiceDAG kind: what a tenant asks for, with the rules that the API server checks."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from edgewright.kube.crds.microservice import Microservice
from edgewright.kube.crds.service_dag_rules import SPEC_RULES
from edgewright.kube.crds.service_dag_status import ServiceDagStatus
from edgewright.kube.crds.wire import Algorithm, Label, Name, ObjectName, Wire, keyed, rule, rules

Megabits = Annotated[float, Field(ge=0, le=1_000_000)]
Kilobytes = Annotated[float, Field(ge=0, le=10_000_000)]
Metres = Annotated[float, Field(ge=-10_000_000, le=10_000_000)]
Milliseconds = Annotated[float, Field(ge=0.01, le=600_000)]


class Location(Wire):
    """A position, in metres of the topology's frame or in degrees."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.latitude) == has(self.longitude) && has(self.x) != has(self.latitude)"
                " && has(self.x) == (has(self.y) || has(self.__true__)) && !(has(self.y) &&"
                " has(self.__true__))",
                "a location needs x and y (metres), or latitude and longitude (degrees), and not both",
            )
        )
    )
    x: Metres | None = Field(default=None, description="Metres east of the topology's south-west corner.")
    y: Metres | None = Field(default=None, description="Metres north of the topology's south-west corner.")
    unquoted_y: Metres | None = Field(
        default=None,
        alias="true",
        description="The same as y: readers of YAML 1.1, kubectl among them, take an unquoted y for the"
        " word true.",
    )
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = Field(
        default=None, description="Degrees north."
    )
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = Field(
        default=None, description="Degrees east."
    )


class Ingress(Wire):
    """Where the users are."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.location) != has(self.node)", "ingress needs exactly one of location and node")
        )
    )
    location: Location | None = Field(
        default=None, description="Position of the users; the nearest cell serves them."
    )
    node: ObjectName | None = Field(default=None, description="Node whose cell serves the users.")


class Qos(Wire):
    """Objectives of a request through the whole service."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!self.required || has(self.maxLatencyMs) || has(self.maxJitterMs) || has(self.maxSyncSkewMs)"
                " || has(self.minSuccessProbability)",
                "qos.required is true but no bound is given; add maxLatencyMs, maxJitterMs, maxSyncSkewMs or"
                " minSuccessProbability, or set required to false",
            )
        )
    )
    max_latency_ms: Milliseconds | None = Field(
        default=None, description="Largest latency at percentile, in milliseconds."
    )
    max_jitter_ms: Milliseconds | None = Field(
        default=None, description="Largest standard deviation of the latency, in milliseconds."
    )
    max_sync_skew_ms: Milliseconds | None = Field(
        default=None,
        description="Largest mean difference between a join's first and last input, in milliseconds.",
    )
    min_success_probability: Annotated[float, Field(ge=0.01, le=1)] | None = Field(
        default=None, description="Least probability that a request is answered in time."
    )
    percentile: Annotated[float, Field(ge=50, le=99.9)] = Field(
        default=95, description="Percentile of the latency that maxLatencyMs bounds."
    )
    required: bool = Field(
        default=False,
        description="Whether a binding may never break the bounds; otherwise they are only objectives.",
    )


class Demand(Wire):
    """How often users ask, and how much data a request carries."""

    requests_per_second: Annotated[float, Field(ge=0.001, le=1_000_000)] = Field(
        description="Mean arrival rate of requests per second."
    )
    payload_kb: Kilobytes = Field(
        default=0,
        alias="payloadKB",
        description="Mean data from the user to each source, in KB (1000 bytes).",
    )
    response_kb: Kilobytes = Field(
        default=0, alias="responseKB", description="Mean data from each sink to the user, in KB (1000 bytes)."
    )


class Invocation(Wire):
    """A directed edge of the DAG: data flow (pipeline) or calls (requestResponse)."""

    source: Name = Field(alias="from", description="The microservice that sends or calls.")
    target: Name = Field(alias="to", description="The microservice that receives or is called.")
    payload_kb: Kilobytes = Field(
        alias="payloadKB", description="Mean data sent per traversal, in KB (1000 bytes)."
    )
    response_kb: Kilobytes = Field(
        default=0,
        alias="responseKB",
        description="Mean data sent back per call, in KB (flow requestResponse only).",
    )
    calls: Annotated[float, Field(ge=0.0001, le=1000)] = Field(
        default=1,
        description="Mean calls per request of the caller, may be below 1 (flow requestResponse only).",
    )
    order: Literal["parallel", "sequential"] = Field(
        default="parallel",
        description="Whether the caller issues it together with its other calls (flow requestResponse only).",
    )
    min_bandwidth_mbps: Megabits | None = Field(
        default=None,
        description="Bandwidth that every path used must be able to carry, in Mbit/s; at least 1.2"
        " times the offered rate.",
    )
    max_latency_ms: Milliseconds | None = Field(
        default=None, description="Largest transfer time at qos.percentile, in milliseconds."
    )
    traffic_distribution: Literal["even", "sameZone", "sameNode"] = Field(
        default="even",
        description="How the target's Service picks a replica; all callers of a microservice must agree.",
    )


class Migration(Wire):
    """Bounds on moving replicas that run; this version never moves a Ready replica by itself."""

    allowed: bool = Field(
        default=True, description="Whether Ready replicas may be moved to improve the placement."
    )
    max_per_minute: int = Field(default=2, ge=0, le=60, description="Most moves per minute.")


class PlacementPolicy(Wire):
    """How the agent places the DAG."""

    algorithm: Algorithm = Field(
        default="auto", description="Algorithm that chooses the nodes; auto leaves it to the EdgeController."
    )
    dry_run: bool = Field(
        default=False, description="Only show the placement and its prediction in status; no pod is created."
    )
    on_node_loss: Literal["fast", "safe", "keep"] = Field(
        default="safe",
        description="fast replaces replicas as soon as a node stops renewing its Lease, safe waits for"
        " Kubernetes' verdict, keep"
        " leaves them for the node's return.",
    )
    migration: Migration = Field(default=Migration(), description="Bounds on moving replicas that run.")


class ServiceDagSpec(Wire):
    """A service of microservices that call each other, its demand and its objectives."""

    model_config = ConfigDict(json_schema_extra=rules(*SPEC_RULES))
    service_class: Literal["immersive", "massive", "twin"] = Field(
        default="massive",
        description="Kind of traffic: immersive (XR), massive (many small requests) or twin (state"
        " synchronisation).",
    )
    slice: Label | None = Field(
        default=None,
        description="Tenant slice; nodes labelled edgewright.dev/slice serve only the slices named there.",
    )
    flow: Literal["pipeline", "requestResponse"] = Field(
        default="pipeline",
        description="pipeline: data flows from sources to sinks and joins wait for all inputs;"
        " requestResponse: callers wait for"
        " their callees.",
    )
    priority: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="DAGs of higher priority are placed first; nothing is evicted for them.",
    )
    ingress: Ingress | None = Field(
        default=None, description="Where the users are; absent: in the region's most central cell."
    )
    qos: Qos = Field(default=Qos(), description="Objectives of a request through the whole service.")
    demand: Demand = Field(description="How often users ask, and how much data a request carries.")
    microservices: list[Microservice] = Field(
        min_length=1,
        max_length=64,
        json_schema_extra=keyed("name"),
        description="The stages of the service, 1 to 64.",
    )
    invocations: list[Invocation] = Field(
        default=[],
        max_length=256,
        json_schema_extra=keyed("from", "to"),
        description="The edges of the DAG, at most 256; one from each microservice to each other,"
        " without cycles.",
    )
    placement_policy: PlacementPolicy = Field(
        default=PlacementPolicy(), description="How the agent places the DAG."
    )


class ServiceDag(Wire):
    """A service made of microservices, placed as a whole on the edge nodes of a region."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
                "metadata.name must be a DNS label of at most 40 characters that begins with a letter,"
                " because it"
                " begins the names of Services; choose a shorter or simpler name",
            )
        )
    )
    spec: ServiceDagSpec = Field(description="What the service asks for.")
    status: ServiceDagStatus | None = Field(default=None, description="What was observed and decided.")
