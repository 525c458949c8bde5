"""`edgewright gateway`: run the emulated data plane in this process."""

from typing import Annotated

import typer


def gateway(
    listen: Annotated[str, typer.Option(help="HOST:PORT to answer on.")] = "127.0.0.1:8088",
    kubeconfig: Annotated[
        str | None, typer.Option(help="Kubeconfig file; else KUBECONFIG, else the pod's account.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the delays and losses that are drawn.")] = 0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Answer HTTP requests for ServiceDAGs with the delay and loss that the model gives for them right now.

    A request for /NAMESPACE/NAME is answered as late as the model says for where that ServiceDAG's replicas
    are bound at this moment and for the load that this gateway measures, or with 504 when it is lost. GET /
    lists the ServiceDAGs, /metrics is for Prometheus. Only reads the cluster. For example:

        edgewright gateway --listen 127.0.0.1:8088 &
        curl -i http://127.0.0.1:8088/melbourne-small-1/xr-content-delivery
    """
    import logging

    import uvloop

    from edgewright.emulation.gateway.process import Settings, serve
    from edgewright.kube.api import ApiError
    from edgewright.kube.serving import ListenError, address

    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        uvloop.run(serve(Settings(*address(listen), kubeconfig, context, seed)))
    except (ApiError, ListenError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
