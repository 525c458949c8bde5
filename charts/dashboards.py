"""Write the Grafana dashboards of charts/edgewright/files/dashboards; with --check, fail if one is stale."""

import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

FOLDER = Path(__file__).parent / "edgewright" / "files" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HERE = 'namespace=~"$namespace", servicedag=~"$servicedag"'
REGION = 'region=~"$region"'
PER_DAG = "{{namespace}}/{{servicedag}}"


def query(expression: str, legend: str) -> Dataquery:
    """One query of a panel."""
    return Dataquery().datasource(SOURCE).expr(expression).legend_format(legend).range()


def graph(title: str, about: str, unit: str, *queries: tuple[str, str], width: int = 12) -> Timeseries:
    """Lines over time; each query is an expression and a legend."""
    panel = Timeseries().title(title).description(about).unit(unit).min(0).span(width).height(8)
    panel = panel.datasource(SOURCE)
    for expression, legend in queries:
        panel = panel.with_target(query(expression, legend))
    return panel


def figure(title: str, about: str, unit: str, expression: str) -> Stat:
    """One number."""
    panel = Stat().title(title).description(about).unit(unit).span(6).height(4).datasource(SOURCE)
    return panel.color_mode(BigValueColorMode.NONE).with_target(query(expression, title))


def variable(name: str, metric: str, *, within: str = "") -> QueryVariable:
    """A choice among a label's values; all by default."""
    text = f"label_values({metric}{{{within}}}, {name})" if within else f"label_values({metric}, {name})"
    made = QueryVariable(name).datasource(SOURCE).query(text).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return made.include_all(True).multi(True).all_value(".*")


def dashboard(uid: str, title: str, about: str) -> Dashboard:
    """An empty dashboard that lets its reader choose the Prometheus."""
    made = Dashboard(title).uid(uid).description(about).tags(["edgewright"]).refresh("30s").editable()
    return made.time("now-1h", "now").with_variable(
        DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    )


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


def regions() -> Dashboard:
    """What the agents do."""
    made = dashboard(
        "edgewright-regions", "Edgewright / Regions", "What each region's agent decides and binds."
    )
    made = made.with_variable(variable("region", "edgewright_agent_nodes"))
    return (
        made.with_row(Row("State"))
        .with_panel(
            figure(
                "Regions led",
                "Regions whose agent holds its Lease.",
                "short",
                f"sum(max by (region) (edgewright_agent_leader{{{REGION}}}))",
            )
        )
        .with_panel(
            figure(
                "Usable nodes",
                "Governed nodes that are neither silent nor backed off.",
                "short",
                f'sum(max by (region) (edgewright_agent_nodes{{state="usable", {REGION}}}))',
            )
        )
        .with_panel(
            figure(
                "Pods without a place",
                "See condition Placed and `edgewright explain`.",
                "short",
                f"sum(max by (region) (edgewright_agent_unplaced_replicas{{{REGION}}}))",
            )
        )
        .with_panel(
            figure(
                "Age of foreign load",
                "Beyond 30 s the agents keep more headroom.",
                "s",
                f"max(edgewright_agent_node_load_age_seconds{{{REGION}}})",
            )
        )
        .with_row(Row("Decisions"))
        .with_panel(
            graph(
                "Time of a decision",
                "Median and 99th percentile by policy.",
                "s",
                *(
                    (
                        f"histogram_quantile({share}, sum by (policy, le) "
                        f"(rate(edgewright_agent_decision_duration_seconds_bucket{{{REGION}}}[$__rate_interval])))",
                        f"{{{{policy}}}} {name}",
                    )
                    for share, name in ((0.5, "p50"), (0.99, "p99"))
                ),
            )
        )
        .with_panel(
            graph(
                "Decisions",
                "Placements decided, and decisions that found no place by constraint.",
                "ops",
                (
                    f"sum by (region) (rate(edgewright_agent_decision_duration_seconds_count{{{REGION}}}[$__rate_interval]))",
                    "{{region}}",
                ),
                (
                    f"sum by (constraint) (rate(edgewright_agent_unplaceable_total{{{REGION}}}[$__rate_interval]))",
                    "no place: {{constraint}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Bindings",
                "By outcome, dry runs included.",
                "ops",
                (
                    f"sum by (stage, result) (rate(edgewright_agent_bindings_total{{{REGION}}}[$__rate_interval]))",
                    "{{stage}} {{result}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Decision to bound",
                "99th percentile, dry run included.",
                "s",
                (
                    f"histogram_quantile(0.99, sum by (region, le) "
                    f"(rate(edgewright_agent_binding_duration_seconds_bucket{{{REGION}}}[$__rate_interval])))",
                    "{{region}}",
                ),
            )
        )
        .with_row(Row("Node loss"))
        .with_panel(
            graph(
                "Nodes lost or closed",
                "Silent nodes, and those that came back too recently.",
                "short",
                (f'edgewright_agent_nodes{{state=~"lost|closed", {REGION}}}', "{{region}} {{state}}"),
            )
        )
        .with_panel(
            graph(
                "Detection and recovery",
                "90th percentile over 15 minutes: silence until a loss was confirmed, and from there until whole.",
                "s",
                *(
                    (
                        f"histogram_quantile(0.9, sum by (region, le) (increase("
                        f"edgewright_agent_node_loss_{what}_seconds_bucket{{{REGION}}}[15m])))",
                        f"{{{{region}}}} {what}",
                    )
                    for what in ("detection", "recovery")
                ),
            )
        )
        .with_panel(
            graph(
                "Pods replaced",
                "Deleted because their node was lost.",
                "ops",
                (
                    f"sum by (region) (rate(edgewright_agent_evicted_pods_total{{{REGION}}}[$__rate_interval]))",
                    "{{region}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Predictions",
                "Mean latency that the model expects.",
                "s",
                (
                    f'edgewright_servicedag_predicted_latency_seconds{{statistic="mean", {REGION}}}',
                    PER_DAG,
                ),
            )
        )
    )


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


DASHBOARDS = {"services": services, "regions": regions, "processes": processes}


def main() -> None:
    """Write the dashboards, or compare them."""
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in DASHBOARDS.items():
        path = FOLDER / f"{name}.json"
        text = JSONEncoder(sort_keys=True, indent=2).encode(make().build()) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"{FOLDER}: {', '.join(stale)} out of date; run `make generate`")


if __name__ == "__main__":
    main()
