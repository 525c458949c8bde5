"""Binds pods to nodes: a dry run on every node of the group, then concurrent writes with known outcomes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from edgewright.kube import paths
from edgewright.kube.api import Api
from edgewright.kube.errors import ApiError
from edgewright.kube.names import ANNOTATION_REASON

_PATIENCE = 15.0
"""Seconds for which an unanswered binding is asked about before its outcome counts as unknown."""
_NO_RIGHT = "cannot create resource"
"""Said of every node by an API server that has just started and does not know anybody's roles yet."""


class Outcome(StrEnum):
    """What became of one binding."""

    BOUND = "bound"
    ELSEWHERE = "elsewhere"
    """Somebody else bound the pod to another node first."""
    GONE = "gone"
    """The pod was deleted, or another pod has its name."""
    REFUSED = "refused"
    """The API server or an admission rule said no; trying again would not help."""
    FAILED = "failed"
    """It did not happen; trying again may help."""
    UNKNOWN = "unknown"
    """No answer: it may have happened."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pod and the node that was chosen for it."""

    namespace: str
    name: str
    uid: str
    node: str
    reason: str = ""
    """Compact JSON for the pod's annotation: why this node."""


@dataclass(frozen=True, slots=True)
class Result:
    """A target and what became of it; `node` is where the pod really is, if anywhere."""

    target: Target
    outcome: Outcome
    node: str = ""
    message: str = ""


class _PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""


class _PodMetadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    deletion_timestamp: str | None = None


class _Pod(msgspec.Struct):
    metadata: _PodMetadata
    spec: _PodSpec


_pods = msgspec.json.Decoder(_Pod)


def body_of(target: Target) -> bytes:
    """The Binding object; the API server copies its annotations onto the pod in the same write."""
    metadata: dict[str, object] = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    if target.reason:
        metadata["annotations"] = {ANNOTATION_REASON: target.reason}
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"apiVersion": "v1", "kind": "Node", "name": target.node},
        }
    )


def one_per_node(targets: Sequence[Target]) -> list[Target]:
    """The first target of each node, which stands for all of them in a dry run.

    What may refuse a binding that the watch does not show is admission, and that sees the node and the
    agent, never the pod's spec (docs/decisions/0006).
    """
    return list({target.node: target for target in reversed(targets)}.values())


async def rehearse(api: Api, targets: Sequence[Target]) -> tuple[Result, ...]:
    """Send every binding with `dryRun=All`, concurrently; nothing is written. Same order as `targets`."""
    return tuple(await asyncio.gather(*(_rehearse_one(api, target) for target in targets)))


async def bind(
    api: Api, targets: Sequence[Target], leading: Callable[[], bool], patience: float = _PATIENCE
) -> tuple[Result, ...]:
    """Bind every pod, concurrently; each outcome is certain, or UNKNOWN after `patience` silent seconds.

    `leading` is asked before every write: who no longer leads has not bound.
    """
    return tuple(await asyncio.gather(*(_bind_one(api, target, leading, patience) for target in targets)))


async def _rehearse_one(api: Api, target: Target) -> Result:
    for attempt in range(3):
        try:
            await _post(api, target, dry_run=True)
        except ApiError as error:
            if (error.status == 429 or error.unanswered) and attempt < 2:
                await asyncio.sleep(min(2.0, error.retry_after or 0.2 * 2**attempt))
                continue
            return await _refused(api, target, error)
        return Result(target, Outcome.BOUND, target.node)
    raise AssertionError("unreachable: the last attempt returns")


async def _bind_one(api: Api, target: Target, leading: Callable[[], bool], patience: float) -> Result:
    deadline = time.monotonic() + patience
    pause = 0.1
    while True:
        if not leading():
            return Result(target, Outcome.FAILED, message="the agent lost its Lease before it was bound")
        try:
            await _post(api, target)
        except ApiError as error:
            result = await _refused(api, target, error)
            again = result.outcome is Outcome.UNKNOWN or (
                result.outcome is Outcome.FAILED and (error.status in {0, 429} or error.status >= 500)
            )
            if not again or time.monotonic() + pause > deadline:
                return result
            await asyncio.sleep(min(2.0, error.retry_after or pause))
            pause *= 2.0
        else:
            return Result(target, Outcome.BOUND, target.node)


async def _post(api: Api, target: Target, *, dry_run: bool = False) -> None:
    await api.raw(
        "POST",
        paths.pods(target.namespace, target.name, "binding"),
        params={"dryRun": "All"} if dry_run else None,
        body=body_of(target),
    )


async def _refused(api: Api, target: Target, error: ApiError) -> Result:
    """What an error means for the pod, looked up where the error alone does not say."""
    certain = {
        400: Outcome.REFUSED,
        403: Outcome.REFUSED,
        404: Outcome.GONE,
        422: Outcome.REFUSED,
        429: Outcome.FAILED,
    }
    if _NO_RIGHT in error.message:
        return Result(target, Outcome.FAILED, message=error.message)
    if error.status in certain:
        return Result(target, certain[error.status], message=error.message)
    try:
        pod = _pods.decode(await api.raw("GET", paths.pods(target.namespace, target.name)))
    except ApiError as lookup:
        if lookup.status == 404:
            return Result(target, Outcome.GONE, message=error.message)
        message = f"{error.message}; not readable either: {lookup.message}"
        return Result(target, Outcome.UNKNOWN, message=message)
    return _as_it_is(target, pod, error.message)


def _as_it_is(target: Target, pod: _Pod, message: str) -> Result:
    if pod.metadata.uid != target.uid:
        return Result(target, Outcome.GONE, message=message)
    if pod.spec.node_name:
        ours = pod.spec.node_name == target.node
        return Result(target, Outcome.BOUND if ours else Outcome.ELSEWHERE, pod.spec.node_name, message)
    gone = pod.metadata.deletion_timestamp is not None
    return Result(target, Outcome.GONE if gone else Outcome.FAILED, message=message)
