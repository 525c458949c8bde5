"""What the dashboards are made of: panels, choices, and the labels by which queries select."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
PER_DAG = "{{namespace}}/{{servicedag}}"
"""Legend of what there is per ServiceDAG."""


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
