"""The NodeLoad kind: what pods outside a region's namespaces request on its nodes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from edgewright.kube.crds.wire import Label, ObjectName, Time, Wire, keyed


class EdgeControllerReference(Wire):
    """The EdgeController that the load is reported to."""

    namespace: Label = Field(description="Its namespace.")
    name: ObjectName = Field(description="Its name.")


class Requests(Wire):
    """Sums of requests, as numbers in base units."""

    cpu: float = Field(default=0, ge=0, description="Cores.")
    memory: float = Field(default=0, ge=0, description="Bytes.")
    gpu: float = Field(default=0, ge=0, description="GPUs.")
    npu: float = Field(default=0, ge=0, description="Neural processing units.")
    radio_mbps: float = Field(default=0, ge=0, description="Radio capacity in Mbit/s.")
    pods: float = Field(default=0, ge=0, description="Pods, times the region's fraction on shared nodes.")


class LoadedNode(Wire):
    """The foreign load of one node."""

    name: Annotated[str, StringConstraints(max_length=253)] = Field(description="Name of the node.")
    requests: Requests = Field(default=Requests(), description="What pods of other namespaces request there.")


class NodeLoadSpec(Wire):
    """Foreign load of up to 200 nodes of one region."""

    edge_controller: EdgeControllerReference = Field(description="The region that the load is reported to.")
    observed_at: Time = Field(description="When the operator last knew this to be true.")
    requested_elsewhere: float | None = Field(
        default=None,
        ge=0,
        description="Mean share of their CPU that pods request of the other regions' nodes.",
    )
    nodes: list[LoadedNode] = Field(
        default=[],
        max_length=200,
        json_schema_extra=keyed("name"),
        description="Nodes with foreign load; others have none.",
    )


class NodeLoad(Wire):
    """Internal: what pods of other namespaces request on a region's nodes, written for its agent."""

    spec: NodeLoadSpec = Field(description="The load.")
