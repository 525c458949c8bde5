"""`edgewright operator`: run the operator in this process."""

import os
import sys
from typing import Annotated

import typer


def operator(
    kubeconfig: Annotated[
        str | None, typer.Option(help="Kubeconfig file; else KUBECONFIG, else the pod's account.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the leader Lease.")] = "edgewright-system",
    workers: Annotated[int, typer.Option(min=1, max=256, help="ServiceDAGs worked on at once.")] = 128,
    writes: Annotated[int, typer.Option(min=1, max=128, help="API writes in flight at once.")] = 24,
    resync: Annotated[float, typer.Option(min=5, help="Seconds between two looks at everything.")] = 300.0,
    restart: Annotated[
        bool, typer.Option(help="After losing the Lease become a fresh process instead of exiting with 3.")
    ] = True,
    agent_template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Run each region's agents as a Deployment made from this pod template (YAML with a container"
            " `agent`). Without it none are run, and Deployments made so before are removed.",
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT at which /metrics, /healthz and /readyz are served; else nowhere.")
    ] = "",
    prometheus: Annotated[
        str,
        typer.Option(
            help="Base URL of a Prometheus that knows how users' requests fare (metric "
            "edgewright_request_duration_seconds); QoSMet is then judged by them, else by predictions."
        ),
    ] = "",
    prometheus_credentials: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="Where a Secret is mounted with what that Prometheus asks for: a file `token`, or "
            "`username` and `password`.",
        ),
    ] = "",
    observation_interval: Annotated[
        float, typer.Option(min=1, help="Seconds between two questions to Prometheus.")
    ] = 30.0,
    observation_window: Annotated[
        float,
        typer.Option(
            min=4, help="Seconds that an observation looks back; at least twice Prometheus' scrape interval."
        ),
    ] = 120.0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Turn ServiceDAGs into Deployments, Services and PodDisruptionBudgets, and report their status.

    Several may run: one leads, the others wait. SIGTERM ends it after the running writes. An operator that
    loses its Lease, for example while the API server is away, ends; a fresh process takes its place.
    """
    import uvloop

    from edgewright.kube.api import ApiError
    from edgewright.operator.agent_template import TemplateError
    from edgewright.operator.process import EXIT_LOST_LEASE, run
    from edgewright.operator.settings import OperatorSettings, prometheus_url

    try:
        settings = OperatorSettings(
            kubeconfig=kubeconfig,
            context=context,
            namespace=namespace,
            workers=workers,
            writes=writes,
            resync=resync,
            agent_template=agent_template,
            listen=listen,
            prometheus=prometheus_url(prometheus) if prometheus else "",
            prometheus_credentials=prometheus_credentials,
            observation_interval=observation_interval,
            observation_window=observation_window,
            log_level=log_level,
        )
        status = uvloop.run(run(settings))
    except (ApiError, TemplateError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if restart and status == EXIT_LOST_LEASE:
        # Nothing of the old process may live on, least of all writes under way.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise typer.Exit(status)
