"""`edgewright testbed up`, `down` and `build`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.testbed.named import DEFAULT, Name, refusals

if TYPE_CHECKING:
    from edgewright.emulation.testbed import Testbed


class Heartbeat(StrEnum):
    """How often nodes renew their Leases."""

    PRODUCTION = "production"
    EDGE = "edge"


def up(
    name: Name = DEFAULT,
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario",
            help="melbourne (125 real edge sites, 4 regions), melbourne-small (24 nodes, 2 regions), "
            "grid-200, grid-1000, or the path to a scenario file of your own.",
        ),
    ] = "melbourne-small",
    heartbeat: Annotated[
        Heartbeat,
        typer.Option(
            "--heartbeat",
            help="production: Kubernetes' own (Leases of 40 s renewed every 10 s). edge: ten times as often, "
            "so that node loss is seen in seconds; at most 100 nodes per CPU core of this machine.",
        ),
    ] = Heartbeat.PRODUCTION,
    bare: Annotated[
        bool, typer.Option("--bare", help="Start neither the operator nor the agents, to run your own.")
    ] = False,
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", help="So many nodes in all, scattered around the scenario's sites."),
    ] = None,
    regions: Annotated[
        int | None, typer.Option("--regions", help="Another number of regions than the scenario's.")
    ] = None,
    prometheus: Annotated[
        bool,
        typer.Option(
            "--prometheus",
            help="Start a Prometheus too, which scrapes operator and agents; from it the operator reads "
            "what users' requests took. (Built from source it takes 5 minutes, once.)",
        ),
    ] = False,
    containers: Annotated[
        bool,
        typer.Option(
            "--containers",
            help="Add one real node that runs containers (containerd, kubelet, kube-proxy, CoreDNS). Needs "
            "Linux and root.",
        ),
    ] = False,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            "--image", help="Image archive for the container node, as `make images` writes; repeat."
        ),
    ] = None,
    gateway: Annotated[
        bool,
        typer.Option(
            "--gateway", help="Start the emulated data plane too (see `edgewright gateway --help`)."
        ),
    ] = False,
) -> None:
    """Bring up a control plane, the nodes of a scenario, the operator and the agents.

    The control plane's programs are looked for in EDGEWRIGHT_<PROGRAM> variables, on PATH and in the
    cache; else they are downloaded or, without internet, built from pinned sources (8 minutes, once).
    """
    from rich.console import Console

    from edgewright.cli.progress import reporter
    from edgewright.emulation import testbed

    if image and not containers:
        raise typer.BadParameter("--image is for the container node: add --containers")
    console = Console(highlight=False)
    options = testbed.Options(
        scenario=scenario,
        nodes=nodes,
        regions=regions,
        heartbeat=heartbeat.value,
        bare=bare,
        prometheus=prometheus,
        containers=containers,
        images=tuple(image or ()),
        gateway=gateway,
    )
    with refusals(), reporter(console) as report:
        bed = testbed.up(name, options=options, report=report)
    _say_what_next(bed)


def _say_what_next(bed: "Testbed") -> None:
    name = "" if bed.name == DEFAULT else f" --name {bed.name}"
    state = bed.state
    typer.echo(f"Testbed {bed.name!r} is up: {state.nodes} nodes of scenario {state.scenario}.")
    typer.echo(f"\n  export KUBECONFIG={bed.kubeconfig}")
    if state.regions:
        typer.echo("  kubectl get nodes,edgecontrollers -A")
        typer.echo(f"  kubectl apply -n {state.regions[0]} -f servicedag.yaml")
    if state.bare and state.regions:
        typer.echo("  edgewright operator           # left out by --bare: run it yourself")
    typer.echo(
        f"\nLook at it with `edgewright testbed status{name}`, end it with `edgewright testbed down{name}`."
    )


def down(name: Name = DEFAULT) -> None:
    """Stop everything that belongs to a testbed and remove its files, also after a crash.

    May be run as often as you like.
    """
    from edgewright.emulation import testbed

    with refusals():
        existed = testbed.down(name)
    typer.echo(f"Testbed {name!r} is gone." if existed else f"There is no testbed {name!r}: nothing to do.")


def build(
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Also get what not every testbed needs: containers, helm, prometheus. May be repeated;"
            " minutes from source.",
        ),
    ] = None,
) -> None:
    """Get the control plane's programs and compile the model now, so that `up` need not.

    Does nothing to what is there already.
    """
    from rich.console import Console

    from edgewright.cli.progress import reporter
    from edgewright.emulation.testbed import binaries, model

    wanted = list(dict.fromkeys(extra or ()))
    if unknown := set(wanted) - binaries.OPTIONAL.keys():
        raise typer.BadParameter(f"--with {min(unknown)}: there is {', '.join(binaries.OPTIONAL)}")
    components = [*binaries.COMPONENTS, *(each for name in wanted for each in binaries.OPTIONAL[name])]
    console = Console(highlight=False)
    with refusals(), reporter(console) as report:
        compiler = model.compiler()
        try:
            programs = binaries.resolve(report, components)
            model.finish(compiler, report)
        finally:
            model.end(compiler)
    for program, path in sorted(programs.items()):
        typer.echo(f"{program:<25}{path}")
