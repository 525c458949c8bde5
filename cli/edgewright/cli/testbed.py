"""`edgewright testbed`: an emulated edge city on this machine, from `up` to `down`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewright.cli.columns import columns
from edgewright.cli.target import Format, Output, dump

if TYPE_CHECKING:
    from edgewright.emulation.testbed import Testbed
    from edgewright.emulation.testbed.status import NodeView, Status

DEFAULT = "edgewright"
WRONG = ("ended", "none", "cut", "cut, not noticed yet", "not ready")
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
nodes_app = typer.Typer(
    invoke_without_command=True,
    help="List the emulated nodes; `cut` takes some off the network and `heal` brings them back.",
)
app.add_typer(nodes_app, name="nodes")
images_app = typer.Typer(no_args_is_help=True, help="Images of the container node (`up --containers`).")
app.add_typer(images_app, name="images")

Name = Annotated[
    str, typer.Option("--name", help="Name of the testbed: lower-case letters, digits and hyphens.")
]
NodeName = Annotated[str | None, typer.Option("--name", help="Name of the testbed.", show_default=DEFAULT)]


class Heartbeat(StrEnum):
    """How often nodes renew their Leases."""

    PRODUCTION = "production"
    EDGE = "edge"


@app.command()
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
    with _refusals(), reporter(console) as report:
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


@app.command()
def gateway(
    name: Name = DEFAULT,
    stop: Annotated[bool, typer.Option("--stop", help="End it instead.")] = False,
) -> None:
    """Start the emulated data plane of a running testbed, unless it runs, and print its URL.

    It answers HTTP requests for /NAMESPACE/NAME of a ServiceDAG as late as its placement would. For example:

        curl -i $(edgewright testbed gateway)/melbourne-small-1/xr-content-delivery
    """
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed import data_plane

    async def start(bed: "Testbed") -> str:
        async with await _admin(bed) as api:
            return await data_plane.start(api, bed)

    with _refusals():
        bed = testbed.load(name)
        if stop:
            ended = data_plane.stop(bed)
            typer.echo("The gateway has ended." if ended else "The gateway does not run: nothing to do.")
        else:
            typer.echo(asyncio.run(start(bed)))


@app.command()
def down(name: Name = DEFAULT) -> None:
    """Stop everything that belongs to a testbed and remove its files, also after a crash.

    May be run as often as you like.
    """
    from edgewright.emulation import testbed

    with _refusals():
        existed = testbed.down(name)
    typer.echo(f"Testbed {name!r} is gone." if existed else f"There is no testbed {name!r}: nothing to do.")


@app.command()
def status(name: Name = DEFAULT, output: Output = Format.TABLE) -> None:
    """Show which processes run, how many nodes are ready, and the regions."""
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.status import status as look

    with _refusals():
        found = asyncio.run(look(testbed.load(name)))
    if output is not Format.TABLE:
        dump(found.model_dump(mode="json"), output)
        return
    _show_status(found)


def _show_status(found: "Status") -> None:
    typer.echo(
        f"Testbed {found.name!r}: scenario {found.scenario}, {found.heartbeat} heartbeats, {found.phase}, "
        f"since {found.created:%Y-%m-%d %H:%M} UTC\nkubeconfig {found.kubeconfig}\n"
    )
    columns(
        ("PROCESS", "PID", "STATE"),
        [(p.name, str(p.pid), "running" if p.alive else "ended") for p in found.processes],
        wrong=WRONG,
    )
    if found.endpoints:
        typer.echo()
        columns(("ENDPOINT", "ADDRESS"), list(found.endpoints.items()))
    if found.nodes is None:
        typer.echo("\nthe API server does not answer")
        return
    typer.echo(f"\n{found.nodes.ready} of {found.nodes.total} nodes ready, {found.nodes.cut} cut")
    if found.regions:
        typer.echo()
        columns(
            ("REGION", "NODES", "READY", "AGENT"),
            [(r.name, str(r.nodes), str(r.ready), r.agent or "none") for r in found.regions],
            wrong=WRONG,
        )


@app.command()
def kubeconfig(
    name: Name = DEFAULT,
    raw: Annotated[bool, typer.Option("--raw", help="Print the file's content, not its path.")] = False,
) -> None:
    """Print the path of the administrator's kubeconfig, as for `export KUBECONFIG=$(...)`."""
    from edgewright.emulation import testbed

    with _refusals():
        path = testbed.load(name).kubeconfig
        typer.echo(path.read_text().rstrip() if raw else str(path))


@app.command()
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
    with _refusals(), reporter(console) as report:
        compiler = model.compiler()
        try:
            programs = binaries.resolve(report, components)
            model.finish(compiler, report)
        finally:
            model.end(compiler)
    for program, path in sorted(programs.items()):
        typer.echo(f"{program:<25}{path}")


@nodes_app.callback()
def nodes(context: typer.Context, name: Name = DEFAULT, output: Output = Format.TABLE) -> None:
    """List the nodes: tier, region, capacity, whether they are ready or cut."""
    context.obj = name
    if context.invoked_subcommand is not None:
        return
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.status import node_list

    with _refusals():
        found = asyncio.run(node_list(testbed.load(name)))
    if output is not Format.TABLE:
        dump([node.model_dump(mode="json") for node in found], output)
        return
    columns(
        ("NODE", "TIER", "REGION", "CPU", "MEMORY", "GPU", "NPU", "RADIO", "LOCATION", "STATE"),
        [
            (
                n.name,
                n.tier,
                n.region or "-",
                n.cpu,
                n.memory,
                n.gpu,
                n.npu,
                n.radio or "-",
                n.location,
                _state(n),
            )
            for n in found
        ],
        wrong=WRONG,
    )


def _state(node: "NodeView") -> str:
    if node.cut:
        return "cut, not noticed yet" if node.ready else "cut"
    return "ready" if node.ready else "not ready"


Targets = Annotated[list[str] | None, typer.Argument(help="Names of nodes.", show_default=False)]
Percent = Annotated[
    float | None,
    typer.Option("--percent", help="Instead of names: this share of the edge nodes, chosen by --seed."),
]


@nodes_app.command()
def cut(
    context: typer.Context,
    node: Targets = None,
    percent: Percent = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the nodes of --percent.")] = 0,
    name: NodeName = None,
) -> None:
    """Cut nodes off the network: they stop renewing their Leases and nothing on them changes any more."""
    from edgewright.emulation import testbed

    if bool(node) == (percent is not None):
        raise typer.BadParameter("give the names of nodes, or --percent")
    if percent is not None and not 0 < percent <= 100:
        raise typer.BadParameter(f"--percent is {percent:g}; give more than 0 and at most 100")

    async def work(bed: "Testbed") -> list[str]:
        async with await _admin(bed) as api:
            targets = list(node or [])
            if percent is not None:
                targets = testbed.nodes.sample(await testbed.nodes.edge_names(api), percent, seed)
            await testbed.nodes.cut(api, targets)
            return targets

    with _refusals():
        done = asyncio.run(work(testbed.load(name or context.obj)))
    typer.echo("\n".join(f"{target} is cut" for target in done))


@nodes_app.command()
def heal(
    context: typer.Context,
    node: Targets = None,
    everything: Annotated[bool, typer.Option("--all", help="All nodes that are cut.")] = False,
    name: NodeName = None,
) -> None:
    """Bring cut nodes back: KWOK takes their Leases again, within 1 s (edge) or 10 s (production)."""
    from edgewright.emulation import testbed

    if bool(node) == everything:
        raise typer.BadParameter("give the names of nodes, or --all")

    async def work(bed: "Testbed") -> list[str]:
        async with await _admin(bed) as api:
            targets = sorted(await testbed.nodes.cut_names(api)) if everything else list(node or [])
            await testbed.nodes.heal(api, targets)
            return targets

    with _refusals():
        done = asyncio.run(work(testbed.load(name or context.obj)))
    typer.echo("\n".join(f"{target} is healed" for target in done) or "no node is cut")


@images_app.command("load")
def load_images(
    archive: Annotated[list[Path], typer.Argument(help="Archives as `make images` or `docker save` write.")],
    name: Name = DEFAULT,
) -> None:
    """Put images into the container node, which reaches no registry.

    Pods use them by name if their imagePullPolicy is not Always.
    """
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed.containers import images

    with _refusals():
        layout = testbed.load(name).layout
        for given in archive:
            typer.echo("\n".join(f"{loaded} is loaded" for loaded in images.load(layout, given)))


async def _admin(bed: "Testbed") -> Any:
    from edgewright.kube.api import Api

    return await Api.connect(str(bed.kubeconfig))


@contextmanager
def _refusals() -> Iterator[None]:
    """What the testbed or its API server refuses is one line and exit status 1, not a traceback."""
    from edgewright.emulation.scenario import ScenarioError
    from edgewright.emulation.testbed import TestbedError
    from edgewright.kube.errors import ApiError

    try:
        yield
    except (TestbedError, ScenarioError, ApiError) as refusal:
        typer.secho(f"error: {refusal}", fg="red", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
