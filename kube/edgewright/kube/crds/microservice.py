"""One microservice of a ServiceDAG: image, resources, work, replicas, placement and Service."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from edgewright.kube.crds.template import PortName, PortNumber, Protocol, Template
from edgewright.kube.crds.wire import (
    ATOMIC,
    SET,
    Name,
    Port,
    Quantity,
    Selector,
    Toleration,
    Wire,
    between,
    keyed,
    rule,
    rules,
)

Tier = Literal["core", "controller", "edge", "rsu", "obu"]


class Limits(Wire):
    """What one replica may use at most."""

    model_config = ConfigDict(
        json_schema_extra=rules(between("cpu", "1m", "512", "for example 1500m, and at least the request"))
    )
    cpu: Quantity | None = Field(
        default=None,
        description="CPU cores that one replica may use at most; absent: all that the node has left.",
    )


class Resources(Wire):
    """What one replica reserves on its node; its memory limit equals its memory request."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            between("cpu", "1m", "512", "cores of one replica, for example 500m or 2"),
            between(
                "memory", "1Mi", "8Ti", "bytes of one replica, for example 512Mi (512m would be half a byte)"
            ),
            rule(
                "!has(self.limits) || !has(self.limits.cpu) || !isQuantity(string(self.limits.cpu))"
                " || !isQuantity(string(self.cpu))"
                " || quantity(string(self.limits.cpu)).compareTo(quantity(string(self.cpu))) >= 0",
                "limits.cpu is below the request; raise the limit or lower resources.cpu",
                path=".limits",
            ),
        )
    )
    cpu: Quantity = Field(description="CPU cores that one replica reserves, for example 500m or 2.")
    memory: Quantity = Field(
        description="Memory that one replica reserves and is limited to, for example 512Mi."
    )
    gpu: int = Field(default=0, ge=0, le=64, description="GPUs of one replica.")
    npu: int = Field(default=0, ge=0, le=64, description="Neural processing units of one replica.")
    radio_mbps: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Radio capacity of the node's cell that one replica reserves, in Mbit/s.",
    )
    limits: Limits = Field(default=Limits(), description="Upper bounds for one replica.")


class Replicas(Wire):
    """How many replicas the microservice may have; the operator chooses between the bounds."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.max) || self.min <= self.max",
                "replicas.min is greater than replicas.max; lower min or raise max",
            )
        )
    )
    min: int = Field(
        default=1, ge=1, le=20, description="Replicas that must be placed for the service to start."
    )
    max: int | None = Field(default=None, ge=1, le=20, description="Most replicas; absent: the same as min.")

    @property
    def most(self) -> int:
        """Upper bound of the replica count."""
        return self.min if self.max is None else self.max


class Placement(Wire):
    """Which nodes may run the microservice and how its replicas keep apart."""

    tiers: list[Tier] = Field(
        default=[],
        max_length=5,
        json_schema_extra=SET,
        description="Node tiers allowed (label edgewright.dev/tier); empty allows all.",
    )
    node_selector: Selector = Field(default={}, description="Node labels that are required, besides tiers.")
    tolerations: list[Toleration] = Field(
        default=[],
        max_length=8,
        json_schema_extra=ATOMIC,
        description="Node taints that are tolerated, besides edgewright.dev/edge, which always is.",
    )
    spread: Literal["node", "zone", "none"] = Field(
        default="node", description="Keeps replicas apart: no two on one node, no two in one zone, or free."
    )


class ServicePort(Wire):
    """A port of the microservice's Service."""

    name: PortName | None = Field(
        default=None, description="Name of the port; needed when there are several."
    )
    port: PortNumber = Field(description="Port that callers use.")
    target_port: Port | None = Field(
        default=None, description="Number or name of the container's port; absent: the same as port."
    )
    protocol: Protocol = Field(default="TCP", description="The transport protocol.")
    app_protocol: str | None = Field(
        default=None, max_length=63, description="Application protocol hint, for example grpc or http."
    )


class Service(Wire):
    """How callers find the microservice."""

    name: (
        Annotated[
            str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
        ]
        | None
    ) = Field(
        default=None,
        description="DNS name of the Service in the namespace; absent: <dag>-<microservice>. An"
        " existing Service is never taken over.",
    )
    ports: list[ServicePort] = Field(
        default=[],
        max_length=16,
        json_schema_extra=keyed("port", "protocol"),
        description="Ports of the Service; empty: those of template.ports.",
    )


class Microservice(Wire):
    """One stage of the service."""

    name: Name = Field(description="Name within the DAG, a DNS label of at most 40 characters.")
    image: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^\S+$")] = Field(
        description="Container image."
    )
    resources: Resources = Field(description="What one replica reserves on its node.")
    work_m_instructions: Annotated[float, Field(ge=0.001, le=1_000_000)] = Field(
        description="Mean work per visit of a request, in millions of instructions; one vCPU does"
        " 10,000 of them a second."
    )
    replicas: Replicas = Field(default=Replicas(), description="Bounds of the number of replicas.")
    placement: Placement = Field(default=Placement(), description="Which nodes may run it.")
    service: Service = Field(default=Service(), description="How callers find it.")
    template: Template = Field(
        default=Template(), description="What its pods run, beyond image and resources."
    )
