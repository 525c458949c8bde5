"""The keys of the operator's one queue."""

from typing import NamedTuple


class Work(NamedTuple):
    """Something that may be out of date."""

    kind: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.name else self.kind


REGIONS = Work("regions")
"""Claims of all EdgeControllers, their accounts, bindings and status."""
LOADS = Work("loads")
"""NodeLoad objects."""
AGENTS = Work("agents")
"""Which agents hold their Lease."""


def service_dag(namespace: str, name: str) -> Work:
    """The key of a ServiceDAG."""
    return Work("ServiceDAG", namespace, name)
