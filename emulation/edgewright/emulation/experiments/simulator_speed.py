"""Steps per CPU-second of the simulator, by size of the city, beside an empty step and other simulators."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.emulation.city import build
from edgewright.emulation.demand.episode import Demand, episode, prepare
from edgewright.emulation.experiments.comparison import Comparison
from edgewright.emulation.experiments.experiment import HELD_OUT, Config, Experiment, Row, Scale
from edgewright.emulation.experiments.peers import steps_of_eclypse
from edgewright.emulation.fluid.simulator import Fluid
from edgewright.emulation.scenario import load

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FLUID, EMPTY, ECLYPSE = "edgewright, batched", "PettingZoo, empty step", "ECLYPSE 0.9.1"
EARLIER = 31.0
"""Steps per second of EdgeSimPy at 200 nodes, measured earlier; no package index has it."""
SERVICES_PER_DAG = 55.0
"""Requests per second of a DAG, as scenarios have it."""
AGENTS = 12


@dataclass(frozen=True, kw_only=True)
class Speeds(Config):
    """What is timed."""

    nodes: tuple[int, ...] = (64, 200, 1000)
    cities: int = 16
    """Batch of the batched simulator."""
    dags: int = 60
    """Active DAGs of a city, in the mean."""
    steps: int = 360
    eclypse: bool = True
    """Whether ECLYPSE is installed into an environment of its own and measured in the same run."""


@dataclass(frozen=True)
class Timing:
    """One simulator at one size."""

    seed: int
    system: str
    nodes: int


def units(config: Speeds) -> list[Timing]:
    """Every simulator at every size; the empty step knows no size."""
    systems = (FLUID, ECLYPSE) if config.eclypse else (FLUID,)
    found = [Timing(seed, EMPTY, 0) for seed in config.held_out]
    return found + [Timing(seed, s, n) for seed in config.held_out for n in config.nodes for s in systems]


def run(config: Speeds, unit: Timing) -> list[Row]:
    """One row: how many steps a CPU-second does."""
    if unit.system == ECLYPSE:
        return [{"steps_per_s": steps_of_eclypse(unit.nodes, config.dags, min(20, config.steps))}]
    if unit.system == EMPTY:
        return [{"steps_per_s": empty(50 * config.steps)}]
    return [{"steps_per_s": fluid(config, unit)}]


@lru_cache(maxsize=1)
def demand(nodes: int, dags: int) -> Demand:
    """A metro of so many nodes that asks for so many DAGs, with 12 regions or one per 16 nodes."""
    regions = max(1, min(AGENTS, nodes // 16))
    scenario = load("metro").resized(nodes, regions)
    rate = dags * SERVICES_PER_DAG / regions
    asked = {"requests_per_second": {"low": rate, "high": rate}, "templates": 5}
    wanted = scenario.demand.model_dump() | asked
    return prepare(build(scenario.model_validate(scenario.model_dump() | {"demand": wanted})), seed=HELD_OUT)


def fluid(config: Speeds, unit: Timing) -> float:
    """City-steps per CPU-second, agents acting at random among open nodes drawn beforehand."""
    world = demand(unit.nodes, config.dags)
    simulator = Fluid(world.city.substrate, world.city.members, world.pool.dags, world.pool.region)
    seeds = [unit.seed + b for b in range(config.cities)]
    simulator.reset([episode(world, seed=seed, periods=config.steps) for seed in seeds], seeds)
    stream = np.random.default_rng([unit.seed, 5])
    shape = (8, config.cities, simulator.agents, simulator.slots)
    choices = stream.integers(simulator.nodes, size=shape).astype(np.int32)
    warm = min(20, config.steps // 4)
    for step in range(warm):
        simulator.step(choices[step % 8])
    began = time.process_time()
    for step in range(warm, config.steps):
        simulator.step(choices[step % 8])
    return config.cities * (config.steps - warm) / (time.process_time() - began)


def empty(steps: int) -> float:
    """Steps per CPU-second of a PettingZoo parallel environment of 12 agents that does nothing."""
    from gymnasium.spaces import Discrete  # noqa: PLC0415 - an extra of its own
    from pettingzoo import ParallelEnv  # noqa: PLC0415

    class Nothing(ParallelEnv):  # type: ignore[misc]  # it comes without types
        metadata = {"name": "nothing"}  # noqa: RUF012 - as the library's own
        possible_agents = [f"agent-{i}" for i in range(AGENTS)]  # noqa: RUF012
        action_spaces = {name: Discrete(2) for name in possible_agents}  # noqa: RUF012
        observation_spaces = {name: Discrete(2) for name in possible_agents}  # noqa: RUF012
        agents = possible_agents

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            return dict.fromkeys(self.agents, 0), {name: {} for name in self.agents}

        def step(self, actions: dict[str, int]) -> Any:
            names = self.agents
            return (
                dict.fromkeys(names, 0),
                dict.fromkeys(names, 0.0),
                dict.fromkeys(names, False),
                dict.fromkeys(names, False),
                {name: {} for name in names},
            )

    environment = Nothing()
    environment.reset()
    actions = dict.fromkeys(environment.agents, 0)
    began = time.process_time()
    for _ in range(steps):
        environment.step(actions)
    return steps / (time.process_time() - began)


def comparison(frame: "pd.DataFrame", config: Speeds) -> Comparison:
    """Steps per CPU-second by size, and how many times the other simulators' that is."""
    middle = frame.groupby(["system", "nodes"], as_index=False)["steps_per_s"].median()
    columns = (middle[each] for each in ("system", "nodes", "steps_per_s"))
    median = {(str(s), int(n)): float(v) for s, n, v in zip(*columns, strict=True)}
    lines = []
    for (system, nodes), speed in median.items():
        other = median.get((ECLYPSE, nodes))
        ratio = f"{speed / other:,.0f} x" if other and system == FLUID else ""
        goal = "20,000" if (system, nodes) == (FLUID, 200) else ""
        lines.append((system, f"{nodes or ''}", f"{speed:,.1f}", goal, ratio))
    lines.append(("EdgeSimPy, measured earlier", "200", f"{EARLIER:g}", "", ""))
    return Comparison(
        ("simulator", "nodes", "steps per CPU-second", "goal", "times ECLYPSE"),
        tuple(lines),
        (
            f"Ours: {config.cities} cities in a batch, about {config.dags} DAGs in each, agents act at "
            "random, latencies, rewards and observations included; one thread.",
            f"ECLYPSE: {config.dags} Sock Shops of 7 services, first fit, its default metrics, in an "
            "environment of its own. What a step does differs: ours predicts every DAG's latency.",
            *(
                ()
                if config.eclypse
                else ("ECLYPSE was not measured at this scale: it needs a package index.",)
            ),
        ),
    )


def figures(frame: "pd.DataFrame", config: Speeds) -> "Mapping[str, Figure]":
    """Speed over size on two logarithmic axes."""
    from edgewright.emulation.experiments.drawing import (  # noqa: PLC0415 - matplotlib
        GREY,
        MARKERS,
        PALETTE,
        legend,
        panels,
        style,
    )

    median = frame.groupby(["system", "nodes"], as_index=False)["steps_per_s"].median()
    with style():
        figure, (axes,) = panels(1, width=6.0, height=3.8)
        for i, name in enumerate((FLUID, ECLYPSE)):
            mine = median[median["system"] == name]
            if len(mine):
                look: dict[str, Any] = {"color": PALETTE[i], "marker": MARKERS[i], "label": name}
                axes.plot(mine["nodes"], mine["steps_per_s"], **look)
        nothing = median[median["system"] == EMPTY]["steps_per_s"].max()
        axes.axhline(nothing, color=GREY, linestyle=":", label=EMPTY)
        axes.plot([200], [EARLIER], "^", color=PALETTE[2], label="EdgeSimPy, measured earlier")
        axes.set(xscale="log", yscale="log", xlabel="nodes", ylabel="steps per CPU-second")
        axes.set_xticks(config.nodes, [f"{n}" for n in config.nodes])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:,g}")
        legend(figure, axes)
    return {"speed": figure}


EXPERIMENT = Experiment(
    name="simulator-speed",
    title="Speed of the simulator",
    source="beyond the papers",
    question="How many periods of a city does a CPU-second simulate, and how many in other simulators?",
    scales={
        Scale.SMALL: Speeds(seeds=1, nodes=(64, 200), cities=4, steps=40, eclypse=False),
        Scale.PAPER: Speeds(seeds=5),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    paper_hours=0.2,
    clocked=("steps_per_s",),
)
