"""PettingZoo's parallel API: every edge controller is an agent."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from edgewright.core.observe import Observation, schema, size
from edgewright.core.substrate import IntArray
from edgewright.emulation.environments.game import PERIODS, Game, game
from edgewright.emulation.fluid.simulator import Saved


class ParallelCity(ParallelEnv[str, Observation, IntArray]):  # type: ignore[misc]
    """One city. Observations, actions and rewards as docs/reference/environments.md defines them.

    Options as in `Game.simulator`. Raises ValueError for fewer than one period.
    """

    metadata = {"name": "edgewright/City-v0", "render_modes": []}  # noqa: RUF012 (PettingZoo's own form)
    render_mode = None

    def __init__(self, of: Game, *, periods: int = PERIODS, **options: Any) -> None:
        if periods < 1:
            raise ValueError(f"periods is {periods}; an episode has at least 1")
        self.game, self.periods = of, periods
        self.simulator = of.simulator(**options)
        self.possible_agents = list(of.agents)
        self.agents: list[str] = []
        nodes, slots = self.simulator.nodes, self.simulator.slots
        self.schema = schema(nodes, slots)
        """Hash of what every number of an observation means."""
        seen = spaces.Box(-np.inf, np.inf, (size(nodes, slots),), np.float32)
        chosen = spaces.MultiDiscrete(np.full(slots, nodes + 1), dtype=np.int32)
        self.observation_spaces = dict.fromkeys(self.possible_agents, seen)
        self.action_spaces = dict.fromkeys(self.possible_agents, chosen)
        self._choice = np.zeros((1, len(self.possible_agents), slots), np.int32)
        self._seeds = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Box:
        """The same for all agents."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> "spaces.MultiDiscrete[np.int32]":
        """The same for all agents: per slot a row of the agent's nodes, the last value for 'pending'."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode: that of `seed`, or without one the next of the last seed's stream."""
        if seed is not None:
            self._seeds = np.random.default_rng(seed)
        drawn = int(self._seeds.integers(2**62))
        self.simulator.reset([self.game.draw(drawn, self.periods)], [drawn])
        self.agents = list(self.possible_agents)
        return self._observations(), self._tell()

    def step(
        self, actions: Mapping[str, IntArray]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Apply the actions (agents without one keep 'pending'), serve a period; the end is a truncation."""
        choice = self._choice
        for g, agent in enumerate(self.possible_agents):
            choice[0, g] = actions.get(agent, self.simulator.nodes)
        self.simulator.step(choice)
        agents, over = self.agents, self.simulator.over
        told = (
            self._observations(),
            dict(zip(agents, self.simulator.told.reward[0].tolist(), strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            self._tell(),
        )
        if over:
            self.agents = []
        return told

    def action_mask(self, agent: str) -> "np.typing.NDArray[np.bool_]":
        """(slots, nodes + 1) where each slot could go alone now; 'pending' is always open."""
        return self.simulator.open_nodes(0, self.possible_agents.index(agent))

    def save(self) -> Saved:
        """The present moment, to be restored."""
        return self.simulator.save()

    def restore(self, saved: Saved) -> dict[str, Observation]:
        """Go on from `saved`; its observations."""
        self.simulator.restore(saved)
        self.agents = [] if self.simulator.over else list(self.possible_agents)
        return self._observations()

    def render(self) -> None:
        """Nothing: `edgewright city play` shows runs."""

    def close(self) -> None:
        """Nothing is held open."""

    def _observations(self) -> dict[str, Observation]:
        return dict(zip(self.possible_agents, self.simulator.told.observation[0].copy(), strict=True))

    def _tell(self) -> dict[str, dict[str, Any]]:
        active = self.simulator.told.active[0].tolist()
        return {agent: {"active": acts > 0} for agent, acts in zip(self.possible_agents, active, strict=True)}


def parallel_env(name: str = "metro", **options: Any) -> ParallelCity:
    """The environment of a scenario, in PettingZoo's manner."""
    return ParallelCity(game(name), **options)
