"""Dashboard of the operator, and of what all processes cost."""

from charts.dashboards.panels import dashboard, figure, graph
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row


def processes() -> Dashboard:
    """The operator, and what both processes cost."""
    made = dashboard(
        "edgewright-processes", "Edgewright / Processes", "The operator's work, and what the processes cost."
    )
    return (
        made.with_row(Row("Operator"))
        .with_panel(figure("Leaders", "Must be 1.", "short", "sum(edgewright_operator_leader)"))
        .with_panel(
            figure(
                "Regions with an agent",
                "As the operator sees their Leases.",
                "short",
                "sum(max by (region) (edgewright_operator_agent_ready))",
            )
        )
        .with_panel(
            figure(
                "ServiceDAGs",
                "All of them.",
                "short",
                "sum(max by (phase) (edgewright_operator_servicedags))",
            )
        )
        .with_panel(
            figure(
                "Prometheus answers",
                "Share of the operator's questions that were answered well.",
                "percentunit",
                'sum(increase(edgewright_operator_observations_total{result="ok"}[5m])) '
                "/ sum(increase(edgewright_operator_observations_total[5m]))",
            )
        )
        .with_panel(
            graph(
                "Time of a reconcile",
                "95th percentile by kind, writes included.",
                "s",
                (
                    "histogram_quantile(0.95, sum by (kind, le) "
                    "(rate(edgewright_operator_reconcile_duration_seconds_bucket[$__rate_interval])))",
                    "{{kind}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Reconciles",
                "By outcome.",
                "ops",
                (
                    "sum by (result) (rate(edgewright_operator_reconciles_total[$__rate_interval]))",
                    "{{result}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Queue",
                "Keys by state.",
                "short",
                ("max by (state) (edgewright_operator_queue_depth)", "{{state}}"),
            )
        )
        .with_panel(
            graph(
                "ServiceDAGs by phase",
                "status.phase.",
                "short",
                ("max by (phase) (edgewright_operator_servicedags)", "{{phase}}"),
            )
        )
        .with_row(Row("API server"))
        .with_panel(
            graph(
                "Requests",
                "By process, method and class of the answer.",
                "reqps",
                (
                    "sum by (job, verb, code) (rate(edgewright_api_requests_total[$__rate_interval]))",
                    "{{job}} {{verb}} {{code}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Time of an answer",
                "99th percentile by process and method.",
                "s",
                (
                    "histogram_quantile(0.99, sum by (job, verb, le) "
                    "(rate(edgewright_api_request_duration_seconds_bucket[$__rate_interval])))",
                    "{{job}} {{verb}}",
                ),
            )
        )
        .with_row(Row("Cost"))
        .with_panel(
            graph(
                "CPU",
                "Cores.",
                "short",
                (
                    'rate(process_cpu_seconds_total{job=~".*edgewright.*"}[$__rate_interval])',
                    "{{job}} {{instance}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Memory",
                "Resident.",
                "bytes",
                ('process_resident_memory_bytes{job=~".*edgewright.*"}', "{{job}} {{instance}}"),
            )
        )
    )
