"""What a fault is: planned by reading only, then injected, and healed from its plan alone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from edgewright.emulation.chaos.errors import ChaosError
from edgewright.emulation.testbed import Testbed
from edgewright.kube.api import Api

Plan = dict[str, Any]
"""What will be done and what is needed to undo it, as plain JSON. `what` says it for people; `down`,
where there is one, names nodes that are as good as dead while the fault lasts, and `load` the requests that
are sent meanwhile."""


@dataclass(frozen=True, slots=True)
class World:
    """What a fault acts on: a cluster, and the testbed behind it if there is one."""

    api: Api
    bed: Testbed | None

    def testbed(self, what: str, instead: str) -> Testbed:
        """The testbed; a ChaosError that says what to do `instead` where there is none."""
        if self.bed is None:
            raise ChaosError(f"{what} works on a testbed of this machine only: {instead}")
        return self.bed


Change = Callable[[World, Plan], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    `plan(world, **arguments)` changes nothing; it raises ChaosError for a target that does not exist.
    `heal` may be called for a plan that was injected in part, or healed already.
    """

    name: str
    plan: Callable[..., Awaitable[Plan]]
    inject: Change
    heal: Change


async def nothing(world: World, plan: Plan) -> None:
    """The healing of what mends itself."""
