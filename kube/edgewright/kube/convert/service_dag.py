"""From a ServiceDAG object to core's domain types, with the checks that the schema cannot express."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from edgewright.core import service as core
from edgewright.core.units import KB, M_INSTRUCTIONS, MBPS, MS
from edgewright.kube import names
from edgewright.kube.conditions import Reason
from edgewright.kube.convert.error import ConversionError
from edgewright.kube.convert.links import Origin
from edgewright.kube.crds import service_dag as wire
from edgewright.kube.crds.microservice import Microservice
from edgewright.kube.quantities import parse

HEADROOM = 1.2
"""Least ratio of an invocation's minimum bandwidth to its offered rate."""


def service_dag(obj: Mapping[str, Any], *, origin: Origin | None = None) -> core.ServiceDag:
    """A ServiceDAG object as core sees it; `origin` places users given by latitude and longitude.

    Raises ConversionError naming the object and the field. Cycles are not looked for here: that is
    `core.service.topological_order`.
    """
    metadata = obj.get("metadata") or {}
    target = f"ServiceDAG {metadata.get('namespace', '')}/{metadata.get('name', '')}"
    try:
        spec = wire.ServiceDagSpec.model_validate(obj.get("spec") or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = "spec." + ".".join(str(part) for part in first["loc"])
        raise ConversionError(target, field, f"{first['msg']} (found {first['input']!r})") from error
    dag = core.ServiceDag(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        microservices=_microservices(target, spec),
        invocations=tuple(_invocation(invocation) for invocation in spec.invocations),
        demand=core.Demand(
            rate=spec.demand.requests_per_second,
            payload=spec.demand.payload_kb * KB,
            response=spec.demand.response_kb * KB,
        ),
        ingress=_ingress(target, spec.ingress, origin),
        qos=_qos(spec.qos),
        flow=spec.flow,
        service_class=spec.service_class,
        slice=spec.slice or "",
        priority=spec.priority,
        created=_seconds(metadata.get("creationTimestamp")),
        uid=str(metadata.get("uid", "")),
        policy=core.PlacementPolicy(
            algorithm=spec.placement_policy.algorithm,
            dry_run=spec.placement_policy.dry_run,
            on_node_loss=spec.placement_policy.on_node_loss,
            migration_allowed=spec.placement_policy.migration.allowed,
            max_migrations_per_minute=spec.placement_policy.migration.max_per_minute,
        ),
        labels=dict(metadata.get("labels") or {}),
    )
    _check_references(target, dag)
    _check_bandwidth(target, dag)
    return dag


def _microservices(target: str, spec: wire.ServiceDagSpec) -> tuple[core.Microservice, ...]:
    traffic: dict[str, core.Traffic] = {}
    for i, invocation in enumerate(spec.invocations):
        wanted = invocation.traffic_distribution
        if traffic.setdefault(invocation.target, wanted) != wanted:
            raise ConversionError(
                target,
                f"spec.invocations[{i}].trafficDistribution",
                f"{wanted!r}, but another caller of {invocation.target!r} asks for "
                f"{traffic[invocation.target]!r}; one Service can only do one: make them agree",
                Reason.TRAFFIC_CONFLICT,
            )
    return tuple(
        _microservice(target, f"spec.microservices[{i}]", m, traffic.get(m.name, "even"))
        for i, m in enumerate(spec.microservices)
    )


def _microservice(target: str, field: str, m: Microservice, traffic: core.Traffic) -> core.Microservice:
    resources = m.resources
    limit = resources.limits.cpu
    cpu = _quantity(target, f"{field}.resources.cpu", resources.cpu)
    memory = _quantity(target, f"{field}.resources.memory", resources.memory)
    limit_cpu = None if limit is None else _quantity(target, f"{field}.resources.limits.cpu", limit)
    if limit_cpu is not None and limit_cpu < cpu:
        raise ConversionError(
            target,
            f"{field}.resources.limits.cpu",
            f"{limit} is below the request {resources.cpu}; raise it",
        )
    edge = core.Toleration(key=names.TAINT_EDGE, operator="Exists")
    return core.Microservice(
        name=m.name,
        request=(cpu, memory, float(resources.gpu), float(resources.npu), resources.radio_mbps * MBPS, 1.0),
        work=m.work_m_instructions * M_INSTRUCTIONS,
        limit_cpu=limit_cpu,
        min_replicas=m.replicas.min,
        max_replicas=m.replicas.most,
        tiers=frozenset(m.placement.tiers),
        node_selector=tuple(sorted(m.placement.node_selector.items())),
        tolerations=(
            edge,
            *(core.Toleration(t.key, t.operator, t.value, t.effect) for t in m.placement.tolerations),
        ),
        spread=m.placement.spread,
        traffic=traffic,
    )


def _quantity(target: str, field: str, text: str | int) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise ConversionError(target, field, str(error)) from error


def _invocation(invocation: wire.Invocation) -> core.Invocation:
    return core.Invocation(
        source=invocation.source,
        target=invocation.target,
        payload=invocation.payload_kb * KB,
        response=invocation.response_kb * KB,
        calls=invocation.calls,
        parallel=invocation.order == "parallel",
        min_bandwidth=(invocation.min_bandwidth_mbps or 0.0) * MBPS,
        max_latency=_scaled(invocation.max_latency_ms, MS),
    )


def _qos(qos: wire.Qos) -> core.Qos:
    return core.Qos(
        max_latency=_scaled(qos.max_latency_ms, MS),
        max_jitter=_scaled(qos.max_jitter_ms, MS),
        max_skew=_scaled(qos.max_sync_skew_ms, MS),
        min_success=qos.min_success_probability,
        percentile=qos.percentile,
        required=qos.required,
    )


def _ingress(target: str, ingress: wire.Ingress | None, origin: Origin | None) -> core.Ingress:
    if ingress is None:
        return core.Ingress()
    place = ingress.location
    if place is None:
        return core.Ingress(node=ingress.node)
    if place.latitude is not None and place.longitude is not None:
        if origin is None:
            raise ConversionError(
                target,
                "spec.ingress.location",
                "is in degrees, but no EdgeTopology has an origin; give x and y in metres, or set"
                " spec.origin",
            )
        return core.Ingress(location=origin.metres(place.latitude, place.longitude))
    y = place.y if place.y is not None else place.unquoted_y
    if place.x is None or y is None:
        raise ConversionError(target, "spec.ingress.location", "needs x and y, or latitude and longitude")
    return core.Ingress(location=(place.x, y))


def _check_references(target: str, dag: core.ServiceDag) -> None:
    known = {m.name for m in dag.microservices}
    for i, invocation in enumerate(dag.invocations):
        for end, name in (("from", invocation.source), ("to", invocation.target)):
            if name not in known:
                raise ConversionError(
                    target,
                    f"spec.invocations[{i}].{end}",
                    f"{name!r} is not a microservice of the DAG; correct it or add the microservice",
                )


def _check_bandwidth(target: str, dag: core.ServiceDag) -> None:
    """Offered rates of `requestResponse`, where visits multiply along the graph (pipelines: by CEL)."""
    if not any(invocation.min_bandwidth for invocation in dag.invocations):
        return
    visits = _visits(dag)
    for i, invocation in enumerate(dag.invocations):
        calls = invocation.calls if dag.flow == "requestResponse" else 1.0
        offered = dag.demand.rate * visits.get(invocation.source, 0.0) * calls * invocation.payload
        if 0.0 < invocation.min_bandwidth * (1 + 1e-6) < HEADROOM * offered:
            raise ConversionError(
                target,
                f"spec.invocations[{i}].minBandwidthMbps",
                f"{invocation.min_bandwidth / MBPS:g} is below {HEADROOM} times the offered rate of "
                f"{offered / MBPS:.4g} Mbit/s; raise it, lower payloadKB, or leave it out",
            )


def _visits(dag: core.ServiceDag) -> dict[str, float]:
    """Mean visits per request; empty for a cyclic graph, whose cycle is reported elsewhere."""
    try:
        order = core.topological_order(dag)
    except core.CyclicGraphError:
        return {}
    if dag.flow == "pipeline":
        return {m.name: 1.0 for m in dag.microservices}
    called = {invocation.target for invocation in dag.invocations}
    visits = {m.name: 0.0 if m.name in called else 1.0 for m in dag.microservices}
    for stage in order:
        caller = dag.microservices[stage].name
        for invocation in dag.invocations:
            if invocation.source == caller:
                visits[invocation.target] += visits[caller] * invocation.calls
    return visits


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _seconds(timestamp: str | None) -> float:
    return 0.0 if not timestamp else datetime.fromisoformat(timestamp).timestamp()
