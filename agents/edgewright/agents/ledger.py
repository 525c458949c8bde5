"""What is taken on every node: pods that the watch shows, pods bound but not seen yet, foreign load."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edgewright.core.service import RESOURCES
from edgewright.core.substrate import FloatArray

Request = tuple[float, ...]
"""In the order of core's RESOURCES."""

_NOTHING: Request = (0.0,) * len(RESOURCES)


class Ledger:
    """Requests per node; a change of one pod touches one node's row.

    A node's row is the exact sum over its pods, never a running balance, so rounding cannot pile up.
    """

    def __init__(self) -> None:
        self._pods: dict[str, tuple[str, Request]] = {}
        self._nodes: dict[str, dict[str, Request]] = {}
        self._foreign: dict[str, Request] = {}
        self._rows: dict[str, int] = {}
        self._used: FloatArray = np.zeros((0, len(RESOURCES)))
        self.version = 0
        """Rises with every change."""

    def lay_out(self, names: Sequence[str]) -> None:
        """Give every named node a row, in this order; load of other nodes is kept but has no row."""
        self._rows = {name: row for row, name in enumerate(names)}
        self._used = np.zeros((len(names), len(RESOURCES)))
        for name in names:
            self._sum(name)

    def take(self, uid: str, node: str, request: Request) -> None:
        """Pod `uid` holds `request` on `node` (only there)."""
        before = self._pods.get(uid)
        if before == (node, request):
            return
        if before is not None:
            self.release(uid)
        self._pods[uid] = (node, request)
        self._nodes.setdefault(node, {})[uid] = request
        self._sum(node)

    def release(self, uid: str) -> bool:
        """Pod `uid` holds nothing any more; whether it did."""
        before = self._pods.pop(uid, None)
        if before is None:
            return False
        node = before[0]
        pods = self._nodes[node]
        del pods[uid]
        if not pods:
            del self._nodes[node]
        self._sum(node)
        return True

    def set_foreign(self, load: Mapping[str, Request]) -> bool:
        """Replace what pods outside the region's namespaces request; whether some node got freer."""
        freer = False
        for node in self._foreign.keys() | load.keys():
            before, after = self._foreign.get(node, _NOTHING), load.get(node, _NOTHING)
            if before != after:
                freer |= any(b > a for b, a in zip(before, after, strict=True))
                if node in load:
                    self._foreign[node] = after
                else:
                    del self._foreign[node]
                self._sum(node)
        return freer

    def foreign(self) -> FloatArray:
        """(N, R) by row: what pods outside the region's namespaces request."""
        rows = [self._foreign.get(name, _NOTHING) for name in self._rows]
        return np.array(rows, float).reshape(-1, len(RESOURCES))

    def where(self, uid: str) -> str:
        """The node that pod `uid` holds resources on, or the empty string."""
        entry = self._pods.get(uid)
        return entry[0] if entry is not None else ""

    def on(self, node: str) -> tuple[str, ...]:
        """The pods on `node`."""
        return tuple(self._nodes.get(node, ()))

    def used(self, without: Collection[str] = ()) -> FloatArray:
        """(N, R) a fresh array of requests by row, without the pods named."""
        used = self._used.copy()
        left: dict[str, set[str]] = {}
        for uid in without:
            if uid in self._pods:
                left.setdefault(self._pods[uid][0], set()).add(uid)
        for node, uids in left.items():
            row = self._rows.get(node)
            if row is not None:
                used[row] = self._total(node, uids)
        return used

    def _total(self, node: str, without: Collection[str] = ()) -> Request:
        held = [request for uid, request in self._nodes.get(node, {}).items() if uid not in without]
        held.append(self._foreign.get(node, _NOTHING))
        return tuple(math.fsum(column) for column in zip(*held, strict=True))

    def _sum(self, node: str) -> None:
        self.version += 1
        row = self._rows.get(node)
        if row is not None:
            self._used[row] = self._total(node)
