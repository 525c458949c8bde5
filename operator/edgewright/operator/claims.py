"""Which EdgeController governs which namespaces and nodes: oldest claim first, then name; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Key = tuple[str, str]
"""(namespace, name) of an EdgeController."""
MAX_NODES = 2000
"""Limit of `status.nodes` (`maxItems`)."""


@dataclass(frozen=True)
class Share:
    """A part of the nodes that a selector matches, shared with other EdgeControllers."""

    selector: Mapping[str, str]
    fraction: float


@dataclass(frozen=True)
class LinkShare:
    """A part of a link, named by its ends in any order."""

    ends: tuple[str, str]
    fraction: float


@dataclass(frozen=True)
class Region:
    """What one EdgeController claims."""

    key: Key
    created: str
    """`metadata.creationTimestamp` (RFC 3339 in UTC, so that text order is time order)."""
    selector: Mapping[str, str]
    """Labels of its own nodes; empty: none."""
    shares: tuple[Share, ...] = ()
    links: tuple[LinkShare, ...] = ()
    namespaces: tuple[str, ...] = ()
    """Governed namespaces; empty: its own."""

    @property
    def governs(self) -> tuple[str, ...]:
        """The namespaces that it asks for."""
        return self.namespaces or (self.key[0],)


@dataclass
class Claim:
    """What one EdgeController gets, and what it does not and why."""

    owned: set[str] = field(default_factory=set)
    shared: dict[str, float] = field(default_factory=dict)
    """Node name to the fraction granted."""
    namespaces: set[str] = field(default_factory=set)
    lost_nodes: dict[str, Key] = field(default_factory=dict)
    """Node that it selects, to the older EdgeController that has it."""
    contested_nodes: dict[str, Key] = field(default_factory=dict)
    """Node that it has, to the younger EdgeController that selects it too."""
    lost_namespaces: dict[str, Key] = field(default_factory=dict)
    contested_namespaces: dict[str, Key] = field(default_factory=dict)
    refused_shares: dict[str, float] = field(default_factory=dict)
    """Node or link whose fractions would add up to more than 1, to that sum."""
    rival: Key | None = None
    """The older EdgeController in its own namespace; it then gets nothing at all."""
    beyond_limit: int = 0
    """Nodes left out because `status.nodes` is full."""

    @property
    def nodes(self) -> list[str]:
        """Every node whose pods its agent may bind, sorted."""
        return sorted(self.owned | self.shared.keys())


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether `labels` contain every pair of a selector; an empty selector matches nothing."""
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())


def seniority(region: Region) -> tuple[str, Key]:
    """Sort key: the oldest first, then by namespace and name."""
    return region.created, region.key


def claim(regions: Iterable[Region], nodes: Mapping[str, Mapping[str, str]]) -> dict[Key, Claim]:
    """Divide namespaces and nodes (name to labels) among the EdgeControllers.

    The oldest EdgeController of a namespace governs from it. A node goes to the oldest that selects it; the
    fractions that are shared of one node never add up to more than 1, younger shares beyond it are refused.
    A node that a region both selects and shares is shared.
    """
    ordered = sorted(regions, key=seniority)
    claims = {region.key: Claim() for region in ordered}
    seated = _seat(ordered, claims)
    _divide_namespaces(seated, claims)
    _divide_nodes(seated, nodes, claims)
    _divide_links(seated, claims)
    return claims


def governor(claims: Mapping[Key, Claim], namespace: str) -> Key | None:
    """The EdgeController that governs `namespace`, if any."""
    return next((key for key, claim in claims.items() if namespace in claim.namespaces), None)


def _seat(ordered: Sequence[Region], claims: Mapping[Key, Claim]) -> list[Region]:
    """The regions that are alone in their namespace or the oldest there."""
    holder: dict[str, Key] = {}
    for region in ordered:
        oldest = holder.setdefault(region.key[0], region.key)
        if oldest != region.key:
            claims[region.key].rival = oldest
    return [region for region in ordered if claims[region.key].rival is None]


def _divide_namespaces(ordered: Sequence[Region], claims: Mapping[Key, Claim]) -> None:
    holder: dict[str, Key] = {}
    for region in ordered:
        for namespace in region.governs:
            oldest = holder.setdefault(namespace, region.key)
            if oldest == region.key:
                claims[region.key].namespaces.add(namespace)
            else:
                claims[region.key].lost_namespaces[namespace] = oldest
                claims[oldest].contested_namespaces[namespace] = region.key


def _divide_nodes(
    ordered: Sequence[Region], nodes: Mapping[str, Mapping[str, str]], claims: Mapping[Key, Claim]
) -> None:
    taken: dict[str, Fraction] = {}
    owner: dict[str, Key] = {}
    for region in ordered:
        mine = claims[region.key]
        for name in sorted(nodes):
            labels = nodes[name]
            share = next((share for share in region.shares if matches(share.selector, labels)), None)
            if share is None and not matches(region.selector, labels):
                continue
            if len(mine.owned) + len(mine.shared) >= MAX_NODES:
                mine.beyond_limit += 1
                continue
            used = taken.get(name, Fraction(0))
            wanted = Fraction(1) if share is None else Fraction(str(share.fraction))
            if used + wanted > 1:
                oldest = owner[name]
                if share is None:
                    mine.lost_nodes[name] = oldest
                    claims[oldest].contested_nodes[name] = region.key
                else:
                    mine.refused_shares[name] = float(used + wanted)
                continue
            taken[name] = used + wanted
            owner.setdefault(name, region.key)
            if share is None:
                mine.owned.add(name)
            else:
                mine.shared[name] = share.fraction


def _divide_links(ordered: Sequence[Region], claims: Mapping[Key, Claim]) -> None:
    taken: dict[tuple[str, ...], Fraction] = {}
    for region in ordered:
        for link in region.links:
            ends = tuple(sorted(link.ends))
            total = taken.get(ends, Fraction(0)) + Fraction(str(link.fraction))
            if total > 1:
                claims[region.key].refused_shares[" - ".join(ends)] = float(total)
            else:
                taken[ends] = total
