"""Emulated nodes: created in bulk, listed, cut off the network and healed."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from edgewright.emulation.testbed.control_plane import KWOK_ANNOTATION
from edgewright.emulation.testbed.errors import TestbedError
from edgewright.kube import names, paths
from edgewright.kube.api import Api, ApiError
from edgewright.kube.conditions import now

CUT_HOLDER = "edgewright-testbed-cut"
"""Holder of the Lease of a node that is cut: KWOK leaves a node alone whose Lease is another's."""
CUT_SECONDS = 30 * 24 * 3600
OVERLOOKED, FINISHING = 3.0, 15.0
"""Seconds after which `heal` touches pods that KWOK has left as they were, and for which it waits."""
QUIET_SECONDS, REACH_SECONDS = 3.0, 30.0
"""After the control plane was away: nodes count as back when nothing has been to do for so long; the most."""
KWOK_SELECTOR = {KWOK_ANNOTATION: "fake"}


def ready(node: Mapping[str, Any]) -> bool:
    """Whether Kubernetes holds the node for Ready."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def create(api: Api, objects: Iterable[Mapping[str, Any]]) -> None:
    """Create nodes, many at once; one that exists already is an ApiError (409)."""
    await asyncio.gather(*(api.create(paths.nodes(), node) for node in objects))


async def wait_ready(api: Api, wanted: Iterable[str], timeout: float = 120.0) -> None:  # noqa: ASYNC109
    """Wait until all these nodes are Ready; TestbedError naming some that are not after `timeout` seconds."""
    missing = set(wanted)
    deadline = time.monotonic() + timeout
    while missing:
        listed = await api.items(paths.nodes())
        missing -= {node["metadata"]["name"] for node in listed if ready(node)}
        if missing and time.monotonic() > deadline:
            some = ", ".join(sorted(missing)[:5])
            raise TestbedError(f"{len(missing)} nodes are not Ready after {timeout:.0f} s, among them {some}")
        if missing:
            await asyncio.sleep(0.1 + len(listed) / 2000)


async def cut(api: Api, targets: Iterable[str]) -> None:
    """Cut nodes off: their Leases are taken over, so that nothing renews them and no pod there changes.

    The node's last heartbeat is its last renewal before the cut, as when power fails. Cutting a node twice
    does nothing new. Raises TestbedError if a node does not exist or is a real one.
    """
    targets = list(targets)
    known = await _known(api, targets)
    for name in targets:
        if KWOK_ANNOTATION not in known[name]["metadata"].get("annotations", {}):
            raise TestbedError(
                f"node {name!r} is a real one, whose kubelet would not heed a cut: name others"
            )
    await asyncio.gather(*(_take_lease(api, name) for name in targets))


async def _take_lease(api: Api, name: str) -> None:
    spec = {"holderIdentity": CUT_HOLDER, "leaseDurationSeconds": CUT_SECONDS}
    path = paths.leases(names.NAMESPACE_NODE_LEASE, name)
    try:
        held = await api.get(path)
        if held["spec"].get("holderIdentity") != CUT_HOLDER:
            await api.patch(path, {"spec": spec})
    except ApiError as error:
        if error.status != 404:
            raise
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": names.NAMESPACE_NODE_LEASE},
            "spec": {**spec, "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
        }
        await api.create(paths.leases(names.NAMESPACE_NODE_LEASE), lease)


async def heal(api: Api, targets: Iterable[str]) -> None:
    """Give cut nodes back to KWOK, which renews their Leases within a quarter of their duration.

    Returns when they are Ready, and their surviving pods too: KWOK, unlike a kubelet, leaves them unready.
    Pods that came or were told to go meanwhile do so now. A node that was not cut is left alone. Raises
    TestbedError if a node does not exist.
    """
    targets = list(targets)
    await _known(api, targets)
    healed = await cut_names(api) & set(targets)
    for name in healed:
        await api.delete(paths.leases(names.NAMESPACE_NODE_LEASE, name), missing_ok=True)
    await wait_ready(api, healed)
    for name in healed:
        for pod in await api.items(paths.pods(), fieldSelector=f"spec.nodeName={name}"):
            await report_ready(api, pod)
    await catch_up(api, healed)


async def catch_up(api: Api, healed: set[str]) -> None:
    """Wait until pending pods run and terminating ones are gone.

    On about one healed node in a hundred KWOK 0.8.0 overlooks them: it lists the node's pods before its own
    watch has told it that the node's Lease is its again. Pods that stay as they are for longer than FINISHING
    seconds have a reason of their own, such as a finalizer.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < FINISHING:
        listed = await api.items(paths.pods())
        left = [p for p in listed if p["spec"].get("nodeName") in healed and _behind(p)]
        if not left:
            return
        if waited > OVERLOOKED:
            await asyncio.gather(*(_touch(api, pod) for pod in left))
        await asyncio.sleep(0.5)


async def reach_again(api: Api) -> None:
    """Do what kubelets do when they reach an API server that was away, and KWOK does not always.

    They say that their pods are Ready, also once the controller manager, having heard of no renewal, has
    called nodes silent for a moment more; and they look at pods that were bound meanwhile.
    """
    began = quiet = time.monotonic()
    alive: set[str] = set()
    while (at := time.monotonic()) - quiet < QUIET_SECONDS and at - began < REACH_SECONDS:
        try:
            cut = await cut_names(api)
            nodes = {n["metadata"]["name"]: ready(n) for n in await api.items(paths.nodes())}
            alive = {name for name, is_ready in nodes.items() if is_ready and name not in cut}
            pods = [p for p in await api.items(paths.pods()) if p["spec"].get("nodeName") in alive]
            behind = await asyncio.gather(*(report_ready(api, pod) for pod in pods))
            if any(behind) or len(alive) < len(nodes.keys() - cut):
                quiet = time.monotonic()
        except ApiError:
            quiet = time.monotonic()
        await asyncio.sleep(0.5)
    await catch_up(api, alive)


async def _touch(api: Api, pod: Mapping[str, Any]) -> None:
    """Change nothing that matters, so that whoever watches the pod looks at it again."""
    with suppress(ApiError):
        change = {"metadata": {"annotations": {"edgewright.dev/touched": now()}}}
        await api.patch(paths.pods(pod["metadata"]["namespace"], pod["metadata"]["name"]), change)


def _behind(pod: Mapping[str, Any]) -> bool:
    return _terminating(pod) or pod["status"].get("phase") == "Pending"


def _terminating(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


async def report_ready(api: Api, pod: Mapping[str, Any]) -> bool:
    """Say what a kubelet says when it is back: a pod whose containers all run is Ready. False if it was."""
    states = {c["type"]: c["status"] for c in pod["status"].get("conditions") or []}
    survived = states.get("ContainersReady") == "True" and not _terminating(pod)
    if behind := survived and states.get("Ready") != "True":
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
        path = paths.pods(pod["metadata"]["namespace"], pod["metadata"]["name"], "status")
        await api.patch(path, {"status": {"conditions": [ready]}}, kind="strategic")
    return behind


async def cut_names(api: Api) -> set[str]:
    """Names of the nodes that are cut now."""
    leases = await api.items(paths.leases(names.NAMESPACE_NODE_LEASE))
    return {
        lease["metadata"]["name"] for lease in leases if lease["spec"].get("holderIdentity") == CUT_HOLDER
    }


async def edge_names(api: Api) -> list[str]:
    """Names of all nodes of tier edge."""
    edge = await api.items(paths.nodes(), labelSelector=f"{names.LABEL_TIER}=edge")
    return [node["metadata"]["name"] for node in edge]


async def _known(api: Api, targets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """All nodes by name, once it is sure that the targets are among them."""
    existing = {node["metadata"]["name"]: node for node in await api.items(paths.nodes())}
    unknown = sorted(set(targets) - set(existing))
    if unknown:
        raise TestbedError(
            f"no node {', '.join(repr(name) for name in unknown)} in this testbed: "
            "`edgewright testbed nodes` lists them"
        )
    return existing


def sample(candidates: Iterable[str], percent: float, seed: int = 0) -> list[str]:
    """A seeded choice of `percent` % of the candidates, at least one, sorted; ValueError outside (0, 100]."""
    if not 0 < percent <= 100:
        raise ValueError(f"percent is {percent:g}: give more than 0 and at most 100")
    pool = sorted(candidates)
    if not pool:
        return []
    count = max(1, round(len(pool) * percent / 100))
    return sorted(random.Random(seed).sample(pool, count))
