"""`edgewright load`: real HTTP load on the ServiceDAGs of a gateway, and a picture of it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.testbed.named import DEFAULT

if TYPE_CHECKING:
    from edgewright.emulation.workloads import Target

app = typer.Typer(
    no_args_is_help=True,
    help="""Send users' requests to the gateway of a testbed, as they come in a city: at real positions, in
    bursts, over a day. Needs the extra `load` (pip install 'edgewright[load]'). For example:

        edgewright testbed gateway
        edgewright load run --workload bursts --duration 60
        edgewright load run --workload day --web 8089""",
)


class Workloads(StrEnum):
    """Arrival processes."""

    POISSON = "poisson"
    BURSTS = "bursts"
    DAY = "day"
    DECLARED = "declared"


Kind = Annotated[
    Workloads,
    typer.Option(
        help="poisson: each place at its own rate. bursts: its users are on and off (Pareto). day: bursts "
        "over 24 hours, compressed. declared: each ServiceDAG as often as it declares."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(min=0.001, help="Requests per second of all together; without, the sum of their demands."),
]
CrossRegion = Annotated[
    float, typer.Option(min=0, max=1, help="Share of requests that go to another region's ServiceDAG.")
]
DaySeconds = Annotated[float, typer.Option(min=1, help="How long 24 hours take, in the workload day.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed sends the same requests.")]
Url = Annotated[str | None, typer.Option(help="Of the gateway; else that of the testbed.")]
Name = Annotated[str, typer.Option("--name", help="Name of the testbed.")]


@app.command()
def run(
    workload: Kind = Workloads.POISSON,
    rate: Rate = None,
    duration: Annotated[float | None, typer.Option(min=1, help="Seconds; without, until Ctrl-C.")] = None,
    cross_region: CrossRegion = 0.275,
    day_seconds: DaySeconds = 600.0,
    seed: Seed = 0,
    web: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Show locust's own page on this port of 127.0.0.1 as well."),
    ] = None,
    dags: Annotated[
        str, typer.Option(help="Only these ServiceDAGs: NAMESPACE/NAME, separated by commas.")
    ] = "",
    record: Annotated[
        str,
        typer.Option(
            help="CSV file for each request: path, when it was due (monotonic clock), seconds that it left "
            "late, seconds that it took, 1 if it was answered."
        ),
    ] = "",
    url: Url = None,
    name: Name = DEFAULT,
) -> None:
    """Send requests to every served ServiceDAG with locust, and report what came back.

    The load is open: a request leaves at its moment whether or not earlier ones were answered. Lost requests
    are in the report and no reason for an exit status of 1. Plain locust does the same with the command that
    is printed at the start.
    """
    import os
    import sys
    from importlib.util import find_spec

    from edgewright.emulation.workloads import locustfile_path

    if find_spec("locust") is None:
        typer.echo("error: locust is not installed: pip install 'edgewright[load]'", err=True)
        raise typer.Exit(1)
    where = url or _url(name)
    _targets(where, dags)
    options = {
        "--locustfile": str(locustfile_path()),
        "--host": where,
        "--users": "1",
        "--exit-code-on-error": "0",
        "--workload": workload.value,
        "--rate": f"{rate or 0:g}",
        "--cross-region": f"{cross_region:g}",
        "--day-seconds": f"{day_seconds:g}",
        "--seed": str(seed),
        "--dags": dags,
        "--record": record,
    }
    command = ["-m", "locust", "--only-summary"]
    command += [word for option, value in options.items() if value for word in (option, value)]
    if duration is not None:
        command += ["--run-time", f"{duration:g}s"]
    if web is None:
        command.append("--headless")
    else:
        command += ["--autostart", "--web-host", "127.0.0.1", "--web-port", str(web)]
    typer.echo(f"locust {' '.join(command[2:])}", err=True)
    os.execv(sys.executable, [sys.executable, *command])


@app.command()
def plot(
    file: Annotated[str, typer.Argument(help="Picture to write: .png, .svg or .pdf.")],
    workload: Kind = Workloads.BURSTS,
    rate: Rate = None,
    cross_region: CrossRegion = 0.275,
    day_seconds: DaySeconds = 600.0,
    seed: Seed = 0,
    url: Url = None,
    name: Name = DEFAULT,
) -> None:
    """Draw a workload for the ServiceDAGs of a gateway: who asks where, when, and how bursty it is."""
    from importlib.util import find_spec

    from edgewright.emulation.workloads import Workload

    if find_spec("matplotlib") is None:
        typer.echo("error: matplotlib is not installed: pip install 'edgewright[load]'", err=True)
        raise typer.Exit(1)
    from edgewright.emulation.workloads.drawing import draw

    found = _targets(url or _url(name))
    chosen = Workload(workload.value, rate, cross_region, day_seconds=day_seconds, seed=seed)
    try:
        draw(chosen, found, file)
    except (OSError, ValueError) as error:
        typer.echo(f"error: {file} cannot be written: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"written to {file}")


def _url(name: str) -> str:
    from edgewright.emulation import testbed
    from edgewright.emulation.testbed import data_plane

    try:
        bed = testbed.load(name)
    except testbed.TestbedError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    return f"http://{data_plane.address(bed)}"


def _targets(url: str, dags: str = "") -> "tuple[Target, ...]":
    from edgewright.emulation.workloads.discovery import NoTargetsError, targets

    try:
        return targets(url, dags)
    except NoTargetsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
