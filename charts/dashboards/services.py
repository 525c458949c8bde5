"""Dashboard of the ServiceDAGs."""

from charts.dashboards.panels import PER_DAG, dashboard, figure, graph, variable
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

HERE = 'namespace=~"$namespace", servicedag=~"$servicedag"'


def services() -> Dashboard:
    """What users of ServiceDAGs get."""
    made = dashboard(
        "edgewright-services", "Edgewright / ServiceDAGs", "What the users of each ServiceDAG get."
    )
    made = made.with_variable(variable("namespace", "edgewright_servicedag_qos_met"))
    made = made.with_variable(
        variable("servicedag", "edgewright_servicedag_qos_met", within='namespace=~"$namespace"')
    )
    latency = graph(
        "Latency against its limit",
        "Observed at spec.qos.percentile, predicted at the same percentile, and spec.qos.maxLatencyMs.",
        "s",
        (
            f'edgewright_servicedag_observed_latency_seconds{{statistic="percentile", {HERE}}}',
            f"{PER_DAG} observed",
        ),
        (
            f'max by (namespace, servicedag) (edgewright_servicedag_predicted_latency_seconds{{statistic="percentile", {HERE}}})',
            f"{PER_DAG} predicted",
        ),
        (f"edgewright_servicedag_latency_limit_seconds{{{HERE}}}", f"{PER_DAG} limit"),
        width=24,
    )
    return (
        made.with_row(Row("Objectives"))
        .with_panel(
            figure(
                "Limits kept",
                "Share of ServiceDAGs whose QoSMet is True.",
                "percentunit",
                f"avg(min by (namespace, servicedag) (edgewright_servicedag_qos_met{{{HERE}}}))",
            )
        )
        .with_panel(
            figure(
                "Judged by observation",
                "ServiceDAGs whose QoSMet is judged from users' requests; the others are predicted.",
                "short",
                "max(edgewright_operator_observed_servicedags)",
            )
        )
        .with_panel(
            figure(
                "Requests per second",
                "Of the chosen ServiceDAGs together.",
                "reqps",
                f"sum(rate(edgewright_requests_total{{{HERE}}}[$__rate_interval]))",
            )
        )
        .with_panel(
            figure(
                "Answered",
                "Share of requests that were answered.",
                "percentunit",
                f'sum(rate(edgewright_requests_total{{outcome="ok", {HERE}}}[$__rate_interval])) '
                f"/ sum(rate(edgewright_requests_total{{{HERE}}}[$__rate_interval]))",
            )
        )
        .with_panel(latency)
        .with_panel(
            graph(
                "Quality budget burnt, last hour",
                "Share of the time in which limits were broken; the objective allows 1 %.",
                "percentunit",
                (f"edgewright:qos_bad:ratio1h{{{HERE}}}", PER_DAG),
            )
        )
        .with_panel(
            graph(
                "Requests failed, last 5 minutes",
                "Share of requests without an answer; the objective allows 0.1 %.",
                "percentunit",
                (f"edgewright:requests_failed:ratio5m{{{HERE}}}", PER_DAG),
            )
        )
        .with_row(Row("Requests"))
        .with_panel(
            graph(
                "Requests",
                "By outcome.",
                "reqps",
                (
                    f"sum by (namespace, servicedag, outcome) (rate(edgewright_requests_total{{{HERE}}}[$__rate_interval]))",
                    f"{PER_DAG} {{{{outcome}}}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Jitter",
                "Standard deviation of the latency, observed and predicted.",
                "s",
                (
                    f'edgewright_servicedag_observed_latency_seconds{{statistic="jitter", {HERE}}}',
                    f"{PER_DAG} observed",
                ),
                (
                    f'max by (namespace, servicedag) (edgewright_servicedag_predicted_latency_seconds{{statistic="jitter", {HERE}}})',
                    f"{PER_DAG} predicted",
                ),
            )
        )
    )
