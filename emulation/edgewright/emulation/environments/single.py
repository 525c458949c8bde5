"""gymnasium's API: one agent decides for all controllers of a city, and is rewarded for all."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from edgewright.core.observe import Observation, size
from edgewright.core.substrate import IntArray
from edgewright.emulation.environments.game import PERIODS, Game, game


class SingleCity(gymnasium.Env[Observation, IntArray]):
    """One city in one agent's hands: observations and actions of all controllers side by side, mean reward.

    `of`: a game, or the name of a scenario. Options as in `Game.simulator`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's own form)

    def __init__(self, of: Game | str = "metro", *, periods: int = PERIODS, **options: Any) -> None:
        self.game = game(of) if isinstance(of, str) else of
        self.periods = periods
        self.simulator = self.game.simulator(**options)
        nodes, slots, agents = self.simulator.nodes, self.simulator.slots, self.simulator.agents
        self.observation_space = spaces.Box(-np.inf, np.inf, (agents * size(nodes, slots),), np.float32)
        self.action_space = spaces.MultiDiscrete(np.full(agents * slots, nodes + 1), dtype=np.int32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode: that of `seed`, or without one the next of the last seed's stream."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**62))
        self.simulator.reset([self.game.draw(drawn, self.periods)], [drawn])
        return self._told()

    def step(self, action: IntArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply the action, serve a period; the end is a truncation."""
        simulator = self.simulator
        simulator.step(np.reshape(action, (1, simulator.agents, simulator.slots)))
        seen, info = self._told()
        return seen, float(simulator.told.reward.mean()), False, simulator.over, info

    def _told(self) -> tuple[Observation, dict[str, Any]]:
        told = self.simulator.told
        return told.observation[0].ravel().copy(), {"active": told.active[0].copy()}
