"""The gateway's metrics: their names and meanings, and Prometheus' text of them."""

from collections.abc import Iterator

from edgewright.emulation.gateway.desk import Desk
from edgewright.emulation.gateway.histograms import head, labelled
from edgewright.emulation.gateway.line import Line

MOST_DAGS, MOST_INVOCATIONS = 256, 2048
"""ServiceDAGs, and invocations of all of them together, that have series: what is beyond is only counted."""
REQUESTS, DURATION = "edgewright_requests_total", "edgewright_request_duration_seconds"
INVOCATION, LATENESS = "edgewright_invocation_duration_seconds", "edgewright_gateway_lateness_seconds"
RATE, SCENES = "edgewright_gateway_arrival_rate", "edgewright_gateway_scenes_total"
LEFT_OUT = "edgewright_gateway_series_left_out"
METRICS = {
    REQUESTS: (
        "counter",
        ("namespace", "servicedag", "outcome"),
        "Requests to a ServiceDAG. failed: lost on the way, given up after 1 s, or the DAG is not served.",
    ),
    DURATION: (
        "histogram",
        ("namespace", "servicedag"),
        "Seconds until a request was answered or given up; without those of a DAG that is not served.",
    ),
    INVOCATION: (
        "histogram",
        ("namespace", "servicedag", "invocation"),
        "Seconds of one transfer of an invocation (from/to) with its waiting, which is what "
        "spec.invocations[].maxLatencyMs bounds: the callee's work is not in it.",
    ),
    RATE: (
        "gauge",
        ("namespace", "servicedag"),
        "Arrivals per second, the load that the model is asked with.",
    ),
    LATENESS: ("histogram", (), "Seconds by which the gateway answered later than drawn."),
    SCENES: ("counter", (), "How often a change of nodes, links, replicas or ServiceDAGs was taken over."),
    LEFT_OUT: ("gauge", (), "ServiceDAGs and invocations beyond the bound on series."),
}
"""Name to type, labels and meaning."""


def exposition(desk: Desk) -> Iterator[str]:
    """Pieces of the text, small enough that others may be answered between two."""
    lines, invocations = sorted(desk.plane.lines.items()), 0
    shown: list[tuple[Line, str, bool]] = []
    for (namespace, name), line in lines[:MOST_DAGS]:
        line.count_transfers()
        invocations += len(line.invocations)
        labels = labelled({"namespace": namespace, "servicedag": name})
        shown.append((line, labels, invocations <= MOST_INVOCATIONS))
    left_out = len(lines) - len(shown) + sum(len(line.invocations) for line, _, fits in shown if not fits)
    single = {SCENES: str(desk.plane.shown), LEFT_OUT: str(left_out)}
    for name, (kind, _, about) in METRICS.items():
        yield head(name, kind, about)
        if name in single:
            yield f"{name} {single[name]}\n"
        elif name == LATENESS:
            yield "".join(desk.lateness.text(name, 0, ""))
        else:
            for line, labels, fits in shown:
                if name != INVOCATION or fits:
                    yield from _series(name, line, labels)


def _series(name: str, line: Line, labels: str) -> Iterator[str]:
    if name == REQUESTS:
        yield f'{name}{{{labels},outcome="ok"}} {line.ok}\n'
        yield f'{name}{{{labels},outcome="failed"}} {line.failed}\n'
    elif name == RATE:
        yield f"{name}{{{labels}}} {line.rate:.6g}\n"
    elif name == DURATION:
        yield "".join(line.requests.text(name, 0, labels))
    else:
        for row, invocation in enumerate(line.invocations):
            inner = labelled({"invocation": invocation})
            yield "".join(line.transfers.text(name, row, f"{labels},{inner}"))
