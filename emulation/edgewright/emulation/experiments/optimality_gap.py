"""How far every policy is from the exact optimum, by instance size, at 10 ms and at 1 s per DAG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.problem import Problem
from edgewright.emulation.experiments.comparison import Comparison, per_cent, share
from edgewright.emulation.experiments.experiment import Config, Experiment, Row, Scale
from edgewright.emulation.experiments.lineup import BUDGETS, ready
from edgewright.emulation.experiments.statistics import hierarchical
from edgewright.emulation.instances import law, make_problem

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

POLICIES = ("random", "best-fit", "kube", "network-aware", "heft", "genetic", "milp", "heuristic")
PROVEN = 1e-6
"""Relative difference of bound and objective that counts as none."""


@dataclass(frozen=True, kw_only=True)
class Gaps(Config):
    """Sizes, instances of each for every seed, and how long the reference may take."""

    policies: tuple[str, ...] = POLICIES
    sizes: tuple[tuple[int, int], ...] = ((5, 10), (8, 12), (10, 20))
    """(microservices, nodes)."""
    instances: int = 10
    budgets: tuple[float, ...] = BUDGETS
    reference: float = 60.0
    """Seconds of `exact` per instance; what it has not proven by then is reported as an interval."""


@dataclass(frozen=True)
class Instance:
    """One problem of `emulation.instances`, solved by everyone."""

    seed: int
    stages: int
    nodes: int
    number: int


def units(config: Gaps) -> list[Instance]:
    """Every instance of every size."""
    return [
        Instance(seed, stages, nodes, number)
        for stages, nodes in config.sizes
        for seed in config.held_out
        for number in range(config.instances)
    ]


def lawful(unit: Instance, instances: int) -> Problem:
    """The unit's problem: the first draw of its own that keeps the law of instances."""
    for attempt in range(1000):
        seed = (unit.seed * instances + unit.number) * 1000 + attempt
        problem = make_problem(seed, stages=unit.stages, nodes=unit.nodes)
        if law(problem).holds:
            return problem
    raise ValueError(f"no lawful instance of {unit.stages} x {unit.nodes} among 1000 draws")


def run(config: Gaps, unit: Instance) -> list[Row]:
    """One row per policy and budget: J, the best J known, the proven bound, the gaps to both."""
    problem = lawful(unit, config.instances)
    reference = ready("exact").place(problem, seconds=config.reference)
    decisions = {
        (name, budget): ready(name).place(problem, seconds=budget)
        for name in config.policies
        for budget in config.budgets
    }
    best = min([reference.objective, *(each.objective for each in decisions.values())])
    bounds = [d.bound for d in (reference, *decisions.values()) if d.bound is not None]
    bound = max(bounds, default=0.0)
    return [
        {
            "policy": name,
            "budget_s": budget,
            "placed": decision.feasible,
            "objective": decision.objective if decision.feasible else None,
            "best_known": best,
            "bound": bound,
            "proven": bound >= best * (1 - PROVEN),
            "gap": decision.objective / best - 1 if decision.feasible else None,
            "gap_to_bound": decision.objective / bound - 1 if decision.feasible and bound > 0 else None,
            "decision_s": decision.seconds,
        }
        for (name, budget), decision in decisions.items()
    ]


def comparison(frame: "pd.DataFrame", config: Gaps) -> Comparison:
    """Mean, p95 and largest gap; the paper has no such table, the target is the issue's."""
    lines = []
    for (stages, nodes), name, budget in _cases(config):
        rows = _select(frame, stages, nodes, name, budget)
        placed = rows[rows["placed"]]
        unplaced = len(rows) - len(placed)
        gaps = [group["gap"].to_numpy(float) for _, group in placed.groupby("seed")]
        if not gaps:
            lines.append((f"{stages} x {nodes}", name, f"{budget:g} s", *("-",) * 5, f"{unplaced}"))
            continue
        mean, pooled = hierarchical(gaps), np.concatenate(gaps)
        lines.append(
            (
                f"{stages} x {nodes}",
                name,
                f"{budget:g} s",
                share(mean),
                per_cent(float(placed["gap_to_bound"].mean())),
                per_cent(float(np.quantile(pooled, 0.95))),
                per_cent(float(pooled.max())),
                f"{1e3 * placed['decision_s'].median():.3g} ms",
                f"{unplaced}",
            )
        )
    proven = frame.drop_duplicates(["seed", "stages", "nodes", "number"])["proven"]
    return Comparison(
        (
            "microservices x nodes",
            "policy",
            "time allowed",
            "mean gap [95 %]",
            "mean gap to the bound",
            "p95",
            "largest",
            "median time",
            "unplaced",
        ),
        tuple(lines),
        (
            f"Optimum proven on {int(proven.sum())} of {len(proven)} instances, {config.reference:g} s of "
            "`exact` on each; a gap is to the best J known, so the true one lies between the two mean gaps.",
            "The papers print no such table.",
        ),
    )


def figures(frame: "pd.DataFrame", config: Gaps) -> "Mapping[str, Figure]":
    """Gaps of each policy as boxes, a panel for each size."""
    from edgewright.emulation.experiments.drawing import look, panels, style  # noqa: PLC0415 - matplotlib

    budget = max(config.budgets)
    with style():
        figure, axes = panels(len(config.sizes), width=3.6)
        for panel, (stages, nodes) in zip(axes, config.sizes, strict=True):
            gaps = [
                100 * _select(frame, stages, nodes, name, budget)["gap"].dropna().to_numpy(float)
                for name in config.policies
            ]
            boxes = panel.boxplot(gaps, widths=0.6, patch_artist=True, medianprops={"color": "black"})
            for box, name in zip(boxes["boxes"], config.policies, strict=True):
                box.set(facecolor=look(name, config.policies)["color"], alpha=0.6)
            panel.set_xticks(range(1, len(config.policies) + 1), config.policies, rotation=35, ha="right")
            panel.set_yscale("symlog", linthresh=1.0)
            panel.yaxis.set_major_formatter("{x:g}")
            panel.set_ylim(bottom=-0.1)
            panel.set_title(f"{stages} microservices on {nodes} nodes")
        axes[0].set_ylabel("gap to the best J known (%)")
        figure.suptitle(f"Gap to the optimum with {budget:g} s per DAG", x=0.01, ha="left")
    return {"gaps": figure}


def _cases(config: Gaps) -> "Sequence[tuple[tuple[int, int], str, float]]":
    return [
        (size, name, budget) for size in config.sizes for name in config.policies for budget in config.budgets
    ]


def _select(frame: "pd.DataFrame", stages: int, nodes: int, name: str, budget: float) -> "pd.DataFrame":
    return frame[
        (frame["stages"] == stages)
        & (frame["nodes"] == nodes)
        & (frame["policy"] == name)
        & (frame["budget_s"] == budget)
    ]


EXPERIMENT = Experiment(
    name="optimality-gap",
    title="Gap to the exact optimum",
    source="beyond the papers",
    question="How far is each policy from the best placement that exists, and at what decision time?",
    scales={
        Scale.SMALL: Gaps(seeds=2, sizes=((5, 10), (8, 12)), instances=3, reference=2.0),
        Scale.PAPER: Gaps(seeds=10),
    },
    units=units,
    run=run,
    comparison=comparison,
    figures=figures,
    clocked=("decision_s",),
)
