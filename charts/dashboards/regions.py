"""Dashboard of the regions and their agents."""

from charts.dashboards.panels import PER_DAG, dashboard, figure, graph, variable
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

REGION = 'region=~"$region"'


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
