"""An experiment that costs nothing, for tests of the machinery."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.emulation.experiments.comparison import Comparison, not_comparable
from edgewright.emulation.experiments.drawing import panels, style
from edgewright.emulation.experiments.experiment import Config, Experiment, Row, Scale


@dataclass(frozen=True, kw_only=True)
class Toss(Config):
    coins: int = 3
    fails: int = -1


@dataclass(frozen=True)
class Coin:
    seed: int
    coin: int


def run(config: Toss, unit: Coin) -> list[Row]:
    if unit.coin == config.fails:
        raise ZeroDivisionError("the coin stood on its edge")
    stream = np.random.default_rng([unit.seed, unit.coin])
    return [{"toss": i, "value": float(stream.random()), "none": None} for i in range(3)]


def figures(frame: Any, config: Toss) -> dict[str, Any]:
    with style():
        figure, (axes,) = panels(1)
        axes.plot(frame["value"].to_numpy())
    return {"tosses": figure}


def comparison(frame: Any, config: Toss) -> Comparison:
    lines = (("coin", f"{frame['value'].mean():.6f}"), ("printed", not_comparable("165 %")))
    return Comparison(("what", "mean"), lines, ("a <note> | with signs",))


TOY = Experiment(
    name="toy",
    title="Tosses",
    source="nowhere",
    question="Is <it> fair?",
    scales={Scale.SMALL: Toss(seeds=3), Scale.PAPER: Toss(seeds=30)},
    units=lambda config: [Coin(s, c) for s in config.held_out for c in range(config.coins)],
    run=run,
    comparison=comparison,
    figures=figures,
    paper_hours=0.0,
)
