"""Rules across the fields of a ServiceDAG that the API server checks by CEL."""

from edgewright.kube.crds.wire import rule

SPEC_WEIGHT = 65536
"""Most characters that the templates, selectors and tolerations of one DAG may hold together."""
REPLICAS = 512
"""Most replicas of one DAG, over all microservices."""

# Reading a field costs the API server time in proportion to the fields beside it, on every write of the
# status as well: what is compared often is gathered first, in a list of one list, as CEL has no variables.
_NAMED = (
    "!has(self.invocations) || [self.microservices.map(m, m.name)].all(names,"
    " self.invocations.all(i, i.{end} in names))"
)
_WEIGHT = (
    "self.microservices.map(m,"
    " (has(m.placement.nodeSelector) ? 190 * size(m.placement.nodeSelector) : 0)"
    " + (has(m.placement.tolerations) ? 250 * size(m.placement.tolerations) : 0)"
    " + (has(m.service) && has(m.service.ports) ? 160 * size(m.service.ports) : 0)"
    " + (!has(m.template) ? 0 :"
    " (has(m.template.command) ? m.template.command.map(a, size(a) + 4).sum() : 0)"
    " + (has(m.template.args) ? m.template.args.map(a, size(a) + 4).sum() : 0)"
    " + (has(m.template.env) ? m.template.env.map(e, size(e.name) + (has(e.value) ? size(e.value) :"
    " 600) + 24).sum() : 0)"
    " + (has(m.template.envFrom) ? 400 * size(m.template.envFrom) : 0)"
    " + (has(m.template.ports) ? 80 * size(m.template.ports) : 0)"
    " + (has(m.template.volumes) ? 400 * size(m.template.volumes) : 0)"
    " + (has(m.template.volumeMounts) ? 650 * size(m.template.volumeMounts) : 0)"
    " + (has(m.template.imagePullSecrets) ? 270 * size(m.template.imagePullSecrets) : 0)"
    " + [has(m.template.livenessProbe), has(m.template.readinessProbe), has(m.template.startupProbe)]"
    ".filter(p, p).size() * 400"
    ")).sum()"
)

SPEC_RULES = (
    rule(
        "!has(self.invocations) || self.invocations.all(i, i.from != i.to)",
        "an invocation leads from a microservice to itself; remove it",
        path=".invocations",
    ),
    rule(
        _NAMED.format(end="from"),
        "an invocation comes from a microservice that does not exist; correct from or add the microservice",
        path=".invocations",
    ),
    rule(
        _NAMED.format(end="to"),
        "an invocation leads to a microservice that does not exist; correct to or add the microservice",
        path=".invocations",
    ),
    rule(
        "!has(self.invocations) || [self.invocations.map(i, i.from + '>' + i.to)].all(pairs,"
        " self.invocations.all(i, i.from == i.to || !(i.to + '>' + i.from in pairs)))",
        "two microservices invoke each other; a DAG has no cycles: remove one of the two invocations, and use"
        " flow requestResponse if one only answers the other",
        path=".invocations",
    ),
    rule(
        "self.flow != 'pipeline' || !has(self.invocations) || self.invocations.all(i,"
        " !has(i.minBandwidthMbps) || i.minBandwidthMbps * 1.0000001 >="
        " 1.2 * self.demand.requestsPerSecond * i.payloadKB * 0.008)",
        "minBandwidthMbps is below 1.2 times the offered rate, which is demand.requestsPerSecond x"
        " payloadKB x 0.008 Mbit/s; raise it, lower payloadKB, or leave it out",
        path=".invocations",
    ),
    rule(
        "self.flow == 'requestResponse' || !has(self.invocations) || self.invocations.all(i,"
        " i.calls == 1.0 && i.responseKB == 0.0 && i.order == 'parallel')",
        "calls, responseKB and order: sequential belong to flow requestResponse; set flow, or leave them out",
        path=".invocations",
    ),
    rule(
        "self.microservices.map(m, has(m.replicas.max) ? m.replicas.max : m.replicas.min).sum() <= "
        + str(REPLICAS),
        f"the microservices may have more than {REPLICAS} replicas together; lower replicas.max",
        path=".microservices",
    ),
    rule(
        f"{_WEIGHT} <= {SPEC_WEIGHT}",
        f"the templates of all microservices hold more than {SPEC_WEIGHT // 1024} KiB together; move long"
        " values into ConfigMaps and use envFrom or volumes",
        path=".microservices",
    ),
    rule(
        "[self.microservices.filter(m, has(m.service) && has(m.service.name)).map(m, m.service.name)]"
        ".all(names, names.all(n, names.indexOf(n) == names.lastIndexOf(n)))",
        "two microservices ask for the same service.name; give each its own",
        path=".microservices",
    ),
)
