"""The nodes and links of one region as core sees them, recompiled only as far as something changed."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgewright.core.routes import compile_substrate, with_nodes
from edgewright.core.substrate import Link, Node, Substrate
from edgewright.kube import convert, objects
from edgewright.kube.convert import ConversionError, Origin, ResourceNames

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grant:
    """What the EdgeController gives its agent, read from its spec and status."""

    nodes: frozenset[str] = frozenset()
    shares: tuple[tuple[Mapping[str, str], float], ...] = ()
    """Node selector and fraction, the first match counts."""
    links: tuple[tuple[frozenset[str], float], ...] = ()
    """The two ends and the fraction of the bandwidth."""
    namespaces: tuple[str, ...] = ()
    algorithm: str = "auto"
    resource_names: ResourceNames = convert.DEFAULT_NAMES

    @classmethod
    def of(cls, manifest: objects.Manifest) -> "Grant":
        """The grant of an EdgeController object, defaults filled in by the API server."""
        spec, status = manifest.spec, manifest.status
        shared = spec.get("shared") or []
        names = spec.get("resourceNames") or {}
        return cls(
            nodes=frozenset(status.get("nodes") or ()),
            shares=tuple(
                (entry["nodeSelector"], float(entry["fraction"]))
                for entry in shared
                if entry.get("nodeSelector")
            ),
            links=tuple(
                (frozenset((link["source"], link["target"])), float(entry["fraction"]))
                for entry in shared
                for link in entry.get("links") or ()
            ),
            namespaces=tuple(
                status.get("namespaces") or spec.get("namespaces") or (manifest.metadata.namespace,)
            ),
            algorithm=spec.get("algorithm") or "auto",
            resource_names=ResourceNames(**names),
        )

    def fraction(self, labels: Mapping[str, str]) -> float:
        """The part of a node with these labels that the region may use."""
        for selector, fraction in self.shares:
            if all(labels.get(name) == value for name, value in selector.items()):
                return fraction
        return 1.0


class Terrain:
    """Nodes in name order with the routes between them; `substrate` is cheap while nothing changed."""

    def __init__(self) -> None:
        self.grant = Grant()
        self.origin: Origin | None = None
        self.problems: dict[str, str] = {}
        """Nodes and topologies that make no sense, and why; they are left out."""
        self.version = 0
        """Rises when a node or link changed."""
        self._silent: frozenset[str] = frozenset()
        self._seen: dict[str, objects.Node] = {}
        self._nodes: dict[str, Node] = {}
        self._links: tuple[Link, ...] = ()
        self._substrate: Substrate | None = None
        self._last: Substrate | None = None
        self._routed: tuple[tuple[str, ...], tuple[Link, ...]] | None = None

    def set_grant(self, grant: Grant) -> None:
        """Take over what the EdgeController grants now."""
        if grant == self.grant:
            return
        self.grant = grant
        self._nodes.clear()
        for node in self._seen.values():
            self._convert(node)
        self._changed()

    def set_node(self, name: str, node: objects.Node | None) -> bool:
        """A node appeared, changed or went (None); whether that matters to the region."""
        if node is None:
            self._seen.pop(name, None)
            self.problems.pop(f"Node {name}", None)
            before = self._nodes.pop(name, None)
        else:
            self._seen[name] = node
            before = self._nodes.get(name)
            self._convert(node)
        if self._nodes.get(name) == before:
            return False
        self._changed()
        return True

    def set_silent(self, silent: frozenset[str]) -> bool:
        """The nodes that are lost: not ready, cells that serve nobody; whether that changed anything."""
        changed = (silent ^ self._silent) & self._nodes.keys()
        self._silent = silent
        for name in changed:
            self._convert(self._seen[name])
        if changed:
            self._changed()
        return bool(changed)

    def set_topologies(self, topologies: Iterable[Mapping[str, Any]]) -> None:
        """Take over all EdgeTopologies."""
        found = sorted(topologies, key=lambda each: str(each["metadata"].get("name", "")))
        self.origin = convert.origin(found)
        try:
            links = convert.topology(found)
        except ConversionError as error:
            self.problems["EdgeTopology"] = str(error)
            _log.error("%s; the previous links stay in use", error)
            return
        self.problems.pop("EdgeTopology", None)
        if links != self._links:
            self._links = links
            self._changed()

    @property
    def governed(self) -> frozenset[str]:
        """Names of the governed nodes that exist and make sense."""
        return frozenset(self._nodes)

    def exists(self, name: str) -> bool:
        """Whether a node of this name exists, governed or not."""
        return name in self._seen

    def shortage(self) -> bool:
        """Whether granted nodes are missing here."""
        return len(self._nodes) < len(self.grant.nodes)

    def substrate(self) -> Substrate | None:
        """Nodes in name order and their routes; None while there is no node."""
        if self._substrate is None and self._nodes:
            names = tuple(sorted(self._nodes))
            nodes = [self._nodes[name] for name in names]
            links = self._shared_links()
            if self._routed == (names, links) and self._last is not None:
                self._substrate = with_nodes(self._last, nodes)
            else:
                self._substrate = compile_substrate(nodes, self._reachable(links))
                self._routed = (names, links)
            self._last = self._substrate
        return self._substrate

    def _changed(self) -> None:
        self.version += 1
        self._substrate = None

    def _convert(self, node: objects.Node) -> None:
        name = node.metadata.name
        self._nodes.pop(name, None)
        self.problems.pop(f"Node {name}", None)
        if name not in self.grant.nodes:
            return
        try:
            converted = convert.node(
                node,
                resource_names=self.grant.resource_names,
                fraction=self.grant.fraction(node.metadata.labels),
            )
            if name in self._silent:
                converted = replace(converted, serving=False, schedulable=False)
            self._nodes[name] = converted
        except ConversionError as error:
            self.problems[f"Node {name}"] = str(error)
            _log.error("%s; the node is not used", error)

    def _shared_links(self) -> tuple[Link, ...]:
        fractions = dict(self.grant.links)
        return tuple(
            replace(
                link, bandwidth=link.bandwidth * fractions.get(frozenset((link.source, link.target)), 1.0)
            )
            for link in self._links
        )

    def _reachable(self, links: tuple[Link, ...]) -> tuple[Link, ...]:
        """The links without dead ends that lead to no governed node: what other regions hang on."""
        kept = list(links)
        while True:
            degree: dict[str, int] = {}
            for link in kept:
                degree[link.source] = degree.get(link.source, 0) + 1
                degree[link.target] = degree.get(link.target, 0) + 1
            useful = [
                link
                for link in kept
                if all(degree[end] > 1 or end in self._nodes for end in (link.source, link.target))
            ]
            if len(useful) == len(kept):
                return tuple(useful)
            kept = useful
