"""A testbed's gateway: its account, its process, its address, and where its Prometheus finds it."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

from edgewright.emulation.testbed import install, local, processes, prometheus
from edgewright.emulation.testbed.cluster import Testbed
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.emulation.testbed.layout import Layout
from edgewright.emulation.testbed.processes import Process
from edgewright.kube import manifests
from edgewright.kube.api import Api
from edgewright.kube.names import OPERATOR_NAMESPACE

GATEWAY = "gateway"
ACCOUNT = "edgewright-gateway"


def address(bed: Testbed) -> str:
    """HOST:PORT of the gateway."""
    return f"127.0.0.1:{bed.state.ports[GATEWAY]}"


def running(layout: Layout) -> Process | None:
    """The gateway's process, if it runs."""
    return next((p for p in processes.recorded(layout.pids) if p.name == GATEWAY and p.alive), None)


async def start(api: Api, bed: Testbed) -> str:
    """Start the gateway under its own account unless it runs, and wait until it answers; its URL."""
    layout, where = bed.layout, address(bed)
    if running(layout) is None:
        for item in manifests.objects(GATEWAY):
            await install.apply(api, item)
        kubeconfig = layout.kubeconfigs / GATEWAY
        await local.write_kubeconfig(api, layout, kubeconfig, {GATEWAY: (OPERATOR_NAMESPACE, ACCOUNT)})
        local.spawn(layout, GATEWAY, [GATEWAY, "--listen", where, "--kubeconfig", str(kubeconfig)])
    ready = partial(_answers, where)
    await local.wait_for(layout, "the gateway to answer", ready, needs=(GATEWAY,))
    _tell_prometheus(layout, where)
    return f"http://{where}"


def stop(bed: Testbed) -> bool:
    """End the gateway; False if it did not run. Raises TestbedError if it would not end."""
    process = running(bed.layout)
    _targets(bed.layout).unlink(missing_ok=True)
    if process is not None and processes.stop([process]):
        raise TestbedError(f"the gateway (process {process.pid}) does not end")
    return process is not None


async def _answers(where: str) -> bool:
    host, _, port = where.partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.write(f"GET /readyz HTTP/1.1\r\nhost: {where}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200 ")


def _targets(layout: Layout) -> Path:
    """A file that the testbed's Prometheus reads."""
    return prometheus.targets(layout) / f"{GATEWAY}.yaml"


def _tell_prometheus(layout: Layout, where: str) -> None:
    file, group = _targets(layout), dict[str, Any](targets=[where], labels={"job": "edgewright-gateway"})
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f".{GATEWAY}")
    written.write_text(json.dumps([group]))
    written.rename(file)
