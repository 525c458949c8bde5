"""The EdgeController kind: one edge region, its nodes and namespaces, and how its agent decides."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from edgewright.kube.crds.wire import (
    ATOMIC,
    SET,
    Algorithm,
    Conditions,
    Label,
    Quantity,
    Selector,
    Time,
    Wire,
    between,
    rule,
    rules,
)

Endpoint = Annotated[str, StringConstraints(min_length=1, max_length=253)]
ResourceName = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=127,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]


class SharedLink(Wire):
    """A link of an EdgeTopology, named by its ends."""

    source: Endpoint = Field(description="One end: a node, or a switch known by name.")
    target: Endpoint = Field(description="The other end.")


class Shared(Wire):
    """A part of nodes or links that several regions use."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.nodeSelector) && size(self.nodeSelector) > 0 || has(self.links) &&"
                " size(self.links) > 0",
                "an entry of shared needs a nodeSelector that is not empty, or links",
            )
        )
    )
    node_selector: Selector = Field(default={}, description="Labels of the shared nodes.")
    links: list[SharedLink] = Field(
        default=[], max_length=256, json_schema_extra=ATOMIC, description="Links shared at this fraction."
    )
    fraction: Annotated[float, Field(ge=0.001, le=1)] = Field(
        description="Part of the capacity that this region may use; the regions' fractions add up to 1"
        " at most."
    )


class ResourceNames(Wire):
    """The cluster's names of the extended resources."""

    gpu: ResourceName = Field(default="edgewright.dev/gpu", description="Extended resource of GPUs.")
    npu: ResourceName = Field(
        default="edgewright.dev/npu", description="Extended resource of neural processing units."
    )
    radio: ResourceName = Field(
        default="edgewright.dev/radio-mbps", description="Extended resource of radio capacity in Mbit/s."
    )


class Amounts(Wire):
    """CPU and memory."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            between("cpu", "10m", "64", "an agent decides on one core, 100m is enough for a small region"),
            between("memory", "32Mi", "64Gi", "an agent of 1,000 nodes needs less than 300 MB"),
        )
    )
    cpu: Quantity | None = Field(default=None, description="CPU, for example 200m.")
    memory: Quantity | None = Field(default=None, description="Memory, for example 256Mi.")


class AgentResources(Wire):
    """What replaces the resources of the operator's agent template, entry by entry."""

    requests: Amounts = Field(default=Amounts(), description="What each agent pod is guaranteed.")
    limits: Amounts = Field(default=Amounts(), description="What each agent pod may use at most.")


class EdgeControllerSpec(Wire):
    """Which nodes and namespaces the region has, and how its agent decides."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.nodeSelector) && size(self.nodeSelector) > 0 || has(self.shared) &&"
                " size(self.shared) > 0",
                "an EdgeController needs nodes: give a nodeSelector that is not empty, or shared nodes",
            )
        )
    )
    node_selector: Selector = Field(
        default={},
        description="Labels of the region's own nodes; a node belongs to the oldest EdgeController that"
        " selects it.",
    )
    shared: list[Shared] = Field(
        default=[],
        max_length=16,
        json_schema_extra=ATOMIC,
        description="Nodes and links used together with other regions.",
    )
    namespaces: list[Label] = Field(
        default=[],
        max_length=64,
        json_schema_extra=SET,
        description="Namespaces whose ServiceDAGs the agent places; empty: the EdgeController's own.",
    )
    algorithm: Algorithm = Field(
        default="auto",
        description="Algorithm of ServiceDAGs that ask for auto; auto means heuristic, or what the"
        " agent's --policy says.",
    )
    resource_names: ResourceNames = Field(
        default=ResourceNames(), description="The cluster's names of the extended resources."
    )
    replicas: Annotated[int, Field(ge=0, le=5)] = Field(
        default=2,
        description="Agent pods, where the operator runs them: one decides, the others wait for its Lease;"
        " 0 stops decisions.",
    )
    resources: AgentResources = Field(
        default=AgentResources(), description="CPU and memory of each agent pod, where not the template's."
    )


class LastError(Wire):
    """The last thing that went wrong in an agent."""

    message: str = Field(default="", max_length=512, description="What went wrong.")
    at: Time | None = Field(default=None, description="When it did.")


class EdgeControllerStatus(Wire):
    """What the operator grants and what the agent reports."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that the operator last acted on."
    )
    conditions: Conditions = Field(default=[])
    nodes: list[Annotated[str, StringConstraints(max_length=253)]] = Field(
        default=[],
        max_length=2000,
        json_schema_extra=ATOMIC,
        description="Nodes that the agent may bind pods to, its own and shared ones; an admission"
        " policy holds it to them.",
    )
    node_count: int | None = Field(default=None, ge=0, description="How many nodes that are.")
    namespaces: list[Label] = Field(
        default=[], max_length=64, json_schema_extra=ATOMIC, description="Namespaces that the region governs."
    )
    algorithm: str = Field(
        default="", max_length=32, description="Algorithm in use for ServiceDAGs that ask for auto."
    )
    algorithm_reason: str = Field(default="", max_length=256, description="Why this algorithm is in use.")
    decisions_per_second: float | None = Field(
        default=None, ge=0, description="Placement decisions per second over the last minute."
    )
    p99_decision_ms: float | None = Field(
        default=None,
        alias="p99DecisionMs",
        ge=0,
        description="Time of a decision, 99th percentile of the last minute that had any, in milliseconds.",
    )
    last_error: LastError | None = Field(
        default=None, description="The last thing that went wrong in the agent; it stays until the next."
    )


class EdgeController(Wire):
    """An edge region: the nodes and namespaces that one agent governs."""

    spec: EdgeControllerSpec = Field(description="Nodes, namespaces and policy of the region.")
    status: EdgeControllerStatus | None = Field(
        default=None, description="What was granted and what the agent reports."
    )
