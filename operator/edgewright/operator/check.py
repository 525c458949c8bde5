"""Whether a ServiceDAG can be acted on, beyond what the API server checks; pure."""

from collections.abc import Collection, Mapping
from typing import Any

from edgewright.core.service import CyclicGraphError, ServiceDag, topological_order
from edgewright.kube.conditions import Reason
from edgewright.kube.convert import ConversionError, Origin, service_dag
from edgewright.operator.claims import Key
from edgewright.operator.compile import KINDS, acceptable_names
from edgewright.operator.dag import Dag
from edgewright.operator.observed import Rejection


def converted(body: Mapping[str, Any], origin: Origin | None) -> ServiceDag | Rejection:
    """The ServiceDAG as core sees it, or why it has no meaning: a cycle, an unknown name, for example."""
    try:
        dag = service_dag(body, origin=origin)
        topological_order(dag)
    except ConversionError as error:
        return Rejection(error.reason, str(error))
    except CyclicGraphError as error:
        return Rejection(Reason.CYCLIC_GRAPH, str(error))
    return dag


def rejection(dag: Dag, region: Key | None, tiers: Collection[str]) -> Rejection | None:
    """Why the ServiceDAG cannot be created where it is; `tiers` are those of the region's nodes.

    A region without nodes rejects nothing: its ServiceDAGs wait for nodes.
    """
    if region is None:
        return Rejection(
            Reason.NO_EDGE_CONTROLLER,
            f"No EdgeController governs namespace {dag.namespace}; create one there, or add the namespace to "
            "the spec.namespaces of an existing one.",
        )
    return _unknown_tier(dag, region, tiers) or _double_name(dag)


def _unknown_tier(dag: Dag, region: Key, tiers: Collection[str]) -> Rejection | None:
    for index, microservice in enumerate(dag.spec.microservices):
        asked = microservice.placement.tiers
        if asked and tiers and not set(asked) & set(tiers):
            return Rejection(
                Reason.UNKNOWN_TIER,
                f"spec.microservices[{index}].placement.tiers of {microservice.name} is "
                f"{', '.join(asked)}, but the nodes of EdgeController {'/'.join(region)} are of tier "
                f"{', '.join(sorted(tiers))}.",
            )
    return None


def _double_name(dag: Dag) -> Rejection | None:
    """Two Services of one ServiceDAG cannot share a name."""
    holders: dict[str, str] = {}
    for microservice in dag.spec.microservices:
        name = acceptable_names(dag, KINDS[1], microservice)[0]
        if name in holders:
            return Rejection(
                Reason.NAME_CONFLICT,
                f"Microservices {holders[name]} and {microservice.name} both need a Service named {name}; "
                "set another service.name in one of them.",
            )
        holders[name] = microservice.name
    return None
