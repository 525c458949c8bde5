"""The `edgewright` command, also found by kubectl as the plugin `kubectl edgewright`."""

import typer

from edgewright.cli import chaos, city, load, testbed, top
from edgewright.cli.agent import agent
from edgewright.cli.demo import demo
from edgewright.cli.doctor import doctor
from edgewright.cli.experiment import experiment, report
from edgewright.cli.explain import explain
from edgewright.cli.gateway import gateway
from edgewright.cli.operator import operator
from edgewright.cli.simulate import simulate_node_loss
from edgewright.cli.tree import tree
from edgewright.cli.version import version
from edgewright.cli.why_pending import why_pending

app = typer.Typer(
    name="edgewright",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Places service DAGs on edge-cloud clusters and keeps their latency objectives while nodes die.\n\n"
    "Start with `edgewright demo`, or `edgewright testbed up` and `kubectl apply -f servicedag.yaml`.",
)
app.command()(demo)
app.command()(explain)
app.command()(tree)
app.add_typer(top.app, name="top")
app.command()(why_pending)
app.command()(simulate_node_loss)
app.command()(doctor)
app.command()(version)
app.add_typer(testbed.app, name="testbed")
app.add_typer(load.app, name="load")
app.add_typer(chaos.app, name="chaos")
app.add_typer(city.app, name="city")
app.command()(experiment)
app.command()(report)
app.command()(operator)
app.command()(agent)
app.command()(gateway)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
