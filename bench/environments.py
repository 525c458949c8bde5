"""Environment steps per CPU-second: native and PettingZoo, from 64 to 1,000 servers, and their memory.

python -m bench.environments [--quick]
"""

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
from edgewright.emulation.testbed.report import Report

NATIVE, PETTINGZOO = 20_000, 8_000
"""Steps per CPU-second to reach at 200 servers."""
MEMORY = 1e9
"""Bytes for 64 cities of 1,000 servers."""
STEPS = 300


def measure(*, quick: bool, report: Report) -> Findings:
    """All figures, in CPU time of one thread; kernels are compiled before."""
    found, steps = Findings(), 40 if quick else STEPS
    report("surveying metro")
    metro = game("metro")
    for acting, what in ((True, "all agents migrate at random"), (False, "agents place, then keep")):
        report(f"steps, {what}")
        _native(found, metro, steps, 4, what, acting=acting)
        _pettingzoo(found, metro, steps, what, acting=acting)
    report("an empty environment")
    _empty(found, steps * 20)
    if not quick:
        for servers in (64, 1000):
            report(f"surveying {servers} servers")
            _native(found, _resized(servers), steps // 3, 2, f"{servers} servers", acting=True, aim=0)
    return found


def _native(
    found: Findings, of: Game, steps: int, cities: int, what: str, *, acting: bool, aim: int = NATIVE
) -> None:
    env = VectorCity(of, cities, periods=steps + 21)
    simulator, rng = env.simulator, np.random.default_rng(0)
    env.reset(range(cities))
    shape = (cities, simulator.agents, simulator.slots)
    choices = [rng.integers(0, simulator.nodes, shape).astype(np.int32) for _ in range(32)]
    for i in range(20):
        simulator.step(choices[i])
    keep: list[IntArray] = [np.full(shape, simulator.nodes, np.int32)]
    rest, dags, active = choices if acting else keep, 0.0, 0.0
    began = time.process_time()
    for i in range(steps):
        told = simulator.step(rest[i % len(rest)])
        dags += simulator.state.actives.mean()
        active += told.active.mean()
    rate = steps * cities / (time.process_time() - began)
    case = f"{len(of.substrate.nodes)} nodes, {cities} cities, {what}"
    target = f"> {aim:,}" if aim else ""
    met = verdict(rate > aim) if aim else ""
    found.rows.append(Row("environments", case, "native steps per CPU-second", target, f"{rate:,.0f}", met))
    told_of = f"{dags / steps:.0f} DAGs, {active / steps:.0%} of {simulator.agents} agents"
    found.rows.append(Row("environments", case, "active DAGs, acting agents", "", told_of))
    size = sum(array.nbytes for array in (*simulator.state, *simulator.script)) / cities * 64
    size += of.substrate.path.nbytes + 2 * of.substrate.path_delay.nbytes
    aim_memory = "< 1,000 MB" if "1000" in what else ""
    met = verdict(size < MEMORY) if aim_memory else ""
    found.rows.append(
        Row("environments", case, "arrays of 64 cities", aim_memory, f"{size / 1e6:,.0f} MB", met)
    )


def _pettingzoo(found: Findings, of: Game, steps: int, what: str, *, acting: bool) -> None:
    env = ParallelCity(of, periods=steps + 21)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    slots, nodes = env.simulator.slots, env.simulator.nodes
    actions: list[dict[str, IntArray]] = [
        {agent: rng.integers(0, nodes, (slots,)).astype(np.int32) for agent in env.agents} for _ in range(32)
    ]
    for i in range(20):
        env.step(actions[i])
    keep = [{agent: np.full(slots, nodes, np.int32) for agent in env.agents}]
    rest = actions if acting else keep
    began = time.process_time()
    for i in range(steps):
        env.step(rest[i % len(rest)])
    rate = steps / (time.process_time() - began)
    found.rows.append(
        Row(
            "environments",
            f"{len(of.substrate.nodes)} nodes, {what}",
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
