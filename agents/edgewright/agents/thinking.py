"""Runs core and the policies on one thread of their own, so that watches go on meanwhile."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from edgewright.agents.policy import FALLBACK, ObservingPolicy, Policy, PolicyUnavailableError
from edgewright.core.problem import Decision, Problem

if TYPE_CHECKING:
    from edgewright.agents.snapshot import Sight

BUDGET = 0.05
"""Seconds that a policy may take for one decision."""
_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class Thinking:
    """One worker thread; core's caches are touched by it alone."""

    def __init__(self, auto: str = FALLBACK) -> None:
        """`auto`: the policy that `algorithm: auto` means, by name or, for one's own, `module:Class`."""
        self.auto = auto
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decide")
        self._policies: dict[str, Policy] = {}

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args, **kwargs)` on the worker thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: function(*args, **kwargs))

    async def warm_up(self) -> None:
        """Load all that a decision needs, so that the first one is as quick as the rest.

        What is not compiled yet is compiled by a process of its own, whose memory goes back afterwards.
        Raises ValueError where `auto` names no policy.
        """
        started = time.monotonic()
        if not await self.run(_compiled):
            _log.info("compiling the kernels, once per installation; this takes a minute")
            compiler = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "edgewright.agents.machine_code"
            )
            await compiler.wait()
        await self.run(_load)
        try:
            await self.run(self.policy, self.auto)
        except (KeyError, TypeError, PolicyUnavailableError) as error:
            raise ValueError(error.args[0]) from error
        _log.info("ready to decide after %.1f s", time.monotonic() - started)

    def policy(self, algorithm: str) -> Policy:
        """The policy of this name; raises KeyError naming the known ones."""
        if algorithm not in self._policies:
            from edgewright.agents.policies import create, load  # noqa: PLC0415 - compiled code loads slowly

            self._policies[algorithm] = (load if algorithm == self.auto else create)(algorithm)
        return self._policies[algorithm]

    async def observes(self, algorithm: str) -> bool:
        """Whether the policy wants to see what its agent sees."""
        known = self._policies.get(algorithm) or await self.run(self.policy, algorithm)
        return isinstance(known, ObservingPolicy)

    def place(
        self, problem: Problem, algorithm: str, budget: float = BUDGET, sight: "Sight | None" = None
    ) -> Decision:
        """Decide, on the calling thread."""
        policy = self.policy(algorithm)
        if sight is None or not isinstance(policy, ObservingPolicy):
            return policy.place(problem, seconds=budget)
        from edgewright.agents.snapshot import snapshot  # noqa: PLC0415

        return policy.place_seeing(problem, snapshot(sight), seconds=budget)

    def close(self) -> None:
        """End the thread after what it is doing."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _compiled() -> bool:
    """Whether the kernels' machine code is on disk."""
    from edgewright.agents.machine_code import complete  # noqa: PLC0415 - compiled code loads slowly

    return complete()


def _load() -> None:
    from edgewright.agents.rehearsal import rehearse_decision  # noqa: PLC0415
    from edgewright.core.kernel import COMPILES  # noqa: PLC0415

    rehearse_decision()
    if COMPILES:
        from edgewright.core.compiled import forget_intermediate_code  # noqa: PLC0415

        forget_intermediate_code()
