"""Proves that a cut is a cut before the fleet exists: KWOK must leave a node alone whose Lease was taken.

In some runs of KWOK 0.8.0 the stage for pods starts before the one for nodes and never learns about
Leases; such a KWOK runs new pods on a cut node for as long as it lives. It is started anew until it does not.
"""

import asyncio
import time
from typing import Any

from edgewright.emulation.testbed import nodes
from edgewright.emulation.testbed.control_plane import KWOK, ControlPlane
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError

NAMESPACE = "default"
ATTEMPTS = 12
"""A quarter of all starts are the wrong way round: twelve in a row are one in ten million."""
PATIENCE = 30.0
SETTLE = 0.15
"""Seconds that the pod of the cut node is watched on after a later pod elsewhere already runs."""


async def prove_cut(api: Api, plane: ControlPlane) -> int:
    """Restart KWOK until a cut holds and return how many starts it took; TestbedError if it never does."""
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            await asyncio.to_thread(plane.restart, KWOK)
        if await _cut_holds(api, attempt):
            return attempt
    raise TestbedError(
        f"KWOK still runs pods on a cut node after {ATTEMPTS} starts, so node loss cannot be emulated: "
        f"see {plane.layout.cluster / 'logs' / (KWOK + '.log')}"
    )


async def _cut_holds(api: Api, attempt: int) -> bool:
    cut, live = (f"edgewright-canary-{attempt}-{kind}" for kind in ("cut", "live"))
    pods: list[str] = []
    try:
        await nodes.create(api, (_node(name) for name in (cut, live)))
        await nodes.wait_ready(api, (cut, live), PATIENCE)
        await nodes.cut(api, [cut])
        # A first pod may be played because KWOK has not seen the taken Lease yet; a second may not.
        for number in (1, 2):
            on_cut, on_live = f"{cut}-{number}", f"{live}-{number}"
            pods += [on_cut, on_live]
            await _run_pod(api, on_cut, cut)
            await _run_pod(api, on_live, live)
            await _wait_running(api, on_live)
            await asyncio.sleep(SETTLE)
            if await _phase(api, on_cut) == "Pending":
                return True
        return False
    finally:
        for pod in pods:
            await api.delete(paths.pods(NAMESPACE, pod), grace=0, missing_ok=True)
        for name in (cut, live):
            await api.delete(paths.nodes(name), missing_ok=True)


def _node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": nodes.KWOK_SELECTOR},
        "spec": {"taints": [{"key": names.TAINT_EDGE, "effect": "NoSchedule"}]},
    }


async def _run_pod(api: Api, name: str, node: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "canary", "image": "canary"}],
        },
    }
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await api.create(paths.pods(NAMESPACE), pod)
        except ApiError as error:
            # In a control plane of one second's age the namespace's ServiceAccount is still to come.
            if error.status != 403 or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def _phase(api: Api, name: str) -> str:
    return str((await api.get(paths.pods(NAMESPACE, name)))["status"].get("phase", "Pending"))


async def _wait_running(api: Api, name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while await _phase(api, name) != "Running":
        if time.monotonic() > deadline:
            raise TestbedError(f"KWOK did not run pod {NAMESPACE}/{name} within {PATIENCE:.0f} s")
        await asyncio.sleep(0.02)
