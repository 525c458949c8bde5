"""Environment steps per CPU-second: native and PettingZoo, from 64 to 1,000 servers, and their memory.

python -m bench.environments [--quick]
"""

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from bench.command import part
from bench.table import Findings, Row, verdict
from edgewright.core.substrate import IntArray
from edgewright.emulation import scenario
from edgewright.emulation.city import build
from edgewright.emulation.environments.game import Game, VectorCity, game, game_of
from edgewright.emulation.environments.parallel import ParallelCity
from edgewright.emulation.fluid.simulator import Fluid
from edgewright.emulation.testbed.report import Report

NATIVE, PETTINGZOO = 20_000, 8_000
"""Steps per CPU-second to reach at 200 servers."""
MEMORY = 1e9
"""Bytes for 64 cities of 1,000 servers."""
WARM, STEPS = 60, 300
"""Steps before the clock runs, in which what is there at the start finds a place, and with it."""
DAGS = 60
"""DAGs that are active at a time, of about 10 services: the cities played have so many, within 5 %."""


def measure(*, quick: bool, report: Report) -> Findings:
    """All figures, in CPU time of one thread; kernels are compiled before."""
    found, steps = Findings(), 40 if quick else STEPS
    report("surveying metro")
    metro = game("metro")
    for moving in (False, True):
        report(f"steps, {_what(moving)}")
        for cities in (1, 4):
            _native(found, metro, steps, cities, moving=moving)
        _pettingzoo(found, metro, steps, moving=moving)
    report("an empty environment")
    _empty(found, steps * 20)
    if not quick:
        for servers in (64, 1000):
            report(f"surveying {servers} servers")
            _native(found, _resized(servers), steps // 3, 2, moving=True, aim=0)
    return found


def _what(moving: bool) -> str:
    return f"agents place what is pending and {'migrate the rest at random' if moving else 'keep the rest'}"


def _choices(simulator: Fluid, rng: np.random.Generator, *, moving: bool) -> IntArray:
    """(B, G, S): random nodes, and unless `moving` none for what is placed."""
    head = simulator.state.head
    choice = rng.integers(0, simulator.nodes, (*head.shape, simulator.slots), dtype=np.int32)
    if not moving:
        choice[np.take_along_axis(simulator.state.complete, head, axis=1)] = simulator.nodes
    return choice


def _seeds(of: Game, cities: int, periods: int) -> list[int]:
    """The first seeds whose episodes have DAGS DAGs at a time while the clock runs."""
    seeds: list[int] = []
    for seed in itertools.count():
        drawn = of.draw(seed, periods)
        there = np.minimum(drawn.ends, periods) - np.maximum(drawn.born, WARM)
        if abs(there.clip(0).sum() / (periods - WARM) / DAGS - 1.0) < 0.05:
            seeds.append(seed)
            if len(seeds) == cities:
                break
    return seeds


def _native(found: Findings, of: Game, steps: int, cities: int, *, moving: bool, aim: int = NATIVE) -> None:
    env = VectorCity(of, cities, periods=WARM + steps + 1)
    simulator, rng = env.simulator, np.random.default_rng(0)
    env.reset(_seeds(of, cities, env.periods) if aim else range(cities))
    dags, served, active, seconds = 0.0, 0.0, 0.0, 0.0
    for i in range(WARM + steps):
        choice = _choices(simulator, rng, moving=moving)
        began = time.process_time()
        told = simulator.step(choice)
        if i >= WARM:
            seconds += time.process_time() - began
            dags += simulator.state.actives.mean()
            served += _served(simulator)
            active += told.active.mean()
    rate = steps * cities / seconds
    case = f"{len(of.substrate.nodes)} nodes, cities: {cities}, {_what(moving)}"
    target = f"> {aim:,}" if aim else ""
    met = verdict(rate > aim) if aim else ""
    found.rows.append(Row("environments", case, "native steps per CPU-second", target, f"{rate:,.0f}", met))
    told_of = f"{dags / steps:.0f}, {served / steps:.0f}, {active / steps:.0%} of {simulator.agents}"
    found.rows.append(Row("environments", case, "DAGs, DAGs served, acting agents", "", told_of))
    size = sum(array.nbytes for array in (*simulator.state, *simulator.script)) / cities * 64
    size += of.substrate.path.nbytes + 2 * of.substrate.path_delay.nbytes
    large = len(of.substrate.nodes) >= 1000
    found.rows.append(
        Row(
            "environments",
            case,
            "arrays of 64 cities",
            f"< {MEMORY / 1e6:,.0f} MB" if large else "",
            f"{size / 1e6:,.0f} MB",
            verdict(size < MEMORY) if large else "",
        )
    )


def _served(simulator: Fluid) -> float:
    """DAGs of a city that are served, on average."""
    state = simulator.state
    return float(
        np.mean([state.bound[b, state.active[b, :n]].sum() for b, n in enumerate(state.actives.tolist())])
    )


def _pettingzoo(found: Findings, of: Game, steps: int, *, moving: bool) -> None:
    env = ParallelCity(of, periods=WARM + steps + 1)
    env.reset(seed=0)
    seeds = _seeds(of, 1, env.periods)  # the city that the native API plays alone
    env.simulator.reset([of.draw(seed, env.periods) for seed in seeds], seeds)
    rng, seconds = np.random.default_rng(0), 0.0
    for i in range(WARM + steps):
        actions = dict(zip(env.agents, _choices(env.simulator, rng, moving=moving)[0], strict=True))
        began = time.process_time()
        env.step(actions)
        if i >= WARM:
            seconds += time.process_time() - began
    rate = steps / seconds
    found.rows.append(
        Row(
            "environments",
            f"{len(of.substrate.nodes)} nodes, {_what(moving)}",
            "PettingZoo steps per CPU-second",
            f"> {PETTINGZOO:,}",
            f"{rate:,.0f}",
            verdict(rate > PETTINGZOO),
        )
    )


class _Empty(ParallelEnv[str, Any, Any]):  # type: ignore[misc]
    """Twelve agents and nothing to compute: what the API alone costs."""

    metadata = {"name": "empty"}  # noqa: RUF012

    def __init__(self) -> None:
        self.agents = self.possible_agents = [f"agent-{i}" for i in range(12)]
        self.observation_spaces = dict.fromkeys(self.agents, spaces.Box(-1.0, 1.0, (16,), np.float32))
        self.action_spaces = dict.fromkeys(self.agents, spaces.Discrete(2))
        self._seen = np.zeros(16, np.float32)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return dict.fromkeys(self.agents, self._seen), {agent: {} for agent in self.agents}

    def step(self, actions: Any) -> Any:
        agents = self.agents
        return (
            dict.fromkeys(agents, self._seen),
            dict.fromkeys(agents, 0.0),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, False),
            {agent: {} for agent in agents},
        )


def _empty(found: Findings, steps: int) -> None:
    env = _Empty()
    env.reset()
    actions = dict.fromkeys(env.agents, 0)
    began = time.process_time()
    for _ in range(steps):
        env.step(actions)
    rate = steps / (time.process_time() - began)
    found.rows.append(
        Row("environments", "12 agents, empty", "PettingZoo steps per CPU-second", "", f"{rate:,.0f}")
    )


def _resized(servers: int) -> Game:
    """The metro with another number of nodes, its demand per region the same, at least 16 nodes in each."""
    return game_of(build(scenario.load("metro").resized(servers, min(12, servers // 16))))


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    quick = "--quick" in sys.argv[1:]
    part("environments", lambda report: measure(quick=quick, report=report))
