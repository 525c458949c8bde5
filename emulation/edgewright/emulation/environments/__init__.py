"""Environments for learning agents: a native vector API, PettingZoo's parallel API, gymnasium's.

Importing this registers `edgewright/City-v0` with gymnasium.
"""

import gymnasium

from edgewright.emulation.environments.game import Game, game
from edgewright.emulation.environments.parallel import ParallelCity, parallel_env
from edgewright.emulation.environments.single import SingleCity

__all__ = ["Game", "ParallelCity", "SingleCity", "game", "parallel_env"]

gymnasium.register(
    "edgewright/City-v0",
    entry_point="edgewright.emulation.environments.single:SingleCity",
    max_episode_steps=None,
)
