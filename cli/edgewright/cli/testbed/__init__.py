"""`edgewright testbed`: an emulated edge city on this machine, from `up` to `down`."""

import typer

from edgewright.cli.testbed import gateway, images, look, nodes, up

app = typer.Typer(
    no_args_is_help=True,
    help="""An emulated edge city on this machine: a real Kubernetes control plane on loopback, KWOK playing
    the edge nodes of a scenario, and Edgewright's operator and agents as local processes.

    Needs neither root nor Docker and touches no kubeconfig of yours. Several can live side by side, each
    under a --name of its own. A first session:

        edgewright testbed up
        export KUBECONFIG=$(edgewright testbed kubeconfig)
        kubectl get nodes,edgecontrollers -A
        edgewright testbed nodes cut edge-51622
        edgewright testbed down""",
)
app.command()(up.up)
app.command()(up.down)
app.command()(up.build)
app.command()(look.status)
app.command()(look.kubeconfig)
app.command()(gateway.gateway)
app.add_typer(nodes.app, name="nodes")
app.add_typer(images.app, name="images")
