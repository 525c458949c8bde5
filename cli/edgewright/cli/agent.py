"""`edgewright agent`: run the agents of one or many regions in this process."""

from typing import Annotated

import typer

from edgewright.kube.names import LEASE_AGENT_SECONDS


def agent(
    kubeconfig: Annotated[
        str | None, typer.Option(help="Kubeconfig file; else KUBECONFIG, else the pod's account.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Context of the kubeconfig, one per region; may be repeated.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the EdgeController; else each context's own.")
    ] = None,
    all_regions: Annotated[
        bool, typer.Option("--all", help="Govern the region of every context of the kubeconfig.")
    ] = False,
    lease_seconds: Annotated[
        int, typer.Option(min=3, max=3600, help="How long a vanished agent keeps its region's Lease.")
    ] = LEASE_AGENT_SECONDS,
    policy: Annotated[
        str | None,
        typer.Option(help="What `algorithm: auto` means here: an algorithm, or module:Class of your own."),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT at which /metrics, /healthz and /readyz are served; else nowhere.")
    ] = "",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Bind the pods of a region's ServiceDAGs, and place them again when nodes die.

    One agent per region leads, others wait for its Lease. SIGTERM ends it and releases the Lease.
    """
    import logging

    import uvloop

    from edgewright.agents.policy import FALLBACK
    from edgewright.agents.process import Settings, regions_of, serve
    from edgewright.kube.api import ApiError

    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        regions = regions_of(kubeconfig, context or (), namespace, every=all_regions)
        settings = Settings(
            kubeconfig=kubeconfig,
            regions=regions,
            lease_seconds=lease_seconds,
            policy=policy or FALLBACK,
            listen=listen,
        )
        uvloop.run(serve(settings))
    except (ApiError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
